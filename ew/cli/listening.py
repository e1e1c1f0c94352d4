"""Opens HTTP sockets: the service's, for its web process, and that of a page on this machine."""

import socket

import uvicorn
from fastapi import FastAPI

from ew.config import Config
from ew.delivery.ports import listen_when_free
from ew.errors import InputError


async def listen_on(config: Config) -> socket.socket:
    """Open the HTTP socket of the service.

    Raises:
        InputError: the port stays in use, or needs other rights.
    """
    service = config.service
    try:
        return await listen_when_free(service.http_host, service.http_port)
    except OSError as error:
        raise InputError(
            f"service.http_port: can't listen on {service.http_host}:{service.http_port}: "
            f"{error.strerror}; choose another port, or 0 for a free one"
        ) from error


def page_server(app: FastAPI, port: int = 0) -> tuple[uvicorn.Server, socket.socket]:
    """A server of a page, and its socket, open on this machine alone; port 0: a free one.

    Raises:
        InputError: the port can't be opened.
    """
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise InputError(f"port {port}: can't listen on it: {error.strerror}") from error
    settings = uvicorn.Config(
        app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1
    )
    return uvicorn.Server(settings), listener
