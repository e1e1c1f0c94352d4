"""SHELL: an event loop for many sockets: uvloop where it is to be had, two to three times as fast as asyncio's own."""

import asyncio
from collections.abc import Coroutine
from typing import Any


def fast_run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end."""
    try:
        import uvloop  # noqa: PLC0415 - not on Windows
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)
