"""SHELL: a broker as a child process that is started again when it ends or hangs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ew.broker_address import BrokerAddress
from ew.delivery.link import LinkError, Login, open_link
from ew.errors import BrokerError

log = logging.getLogger("ew.broker")

STOP_WITHIN_S = 5.0
ASKED_EVERY_S = 2.0
ANSWERS_WITHIN_S = 3.0
UNANSWERED_MOST = 2
"""A broker that leaves this many logins in a row unanswered hangs."""

Keep: TypeAlias = Callable[[str, Callable[[], Awaitable[None]]], None]
"""Runs a coroutine function for ever under a name: when it ends or fails it is started again, and
named in health."""


class Child:
    """A broker's process; ``start`` starts one and returns it when it listens."""

    def __init__(
        self, name: str, start: Callable[[], Awaitable[asyncio.subprocess.Process]]
    ) -> None:
        self._name = name
        self._start = start
        self._process: asyncio.subprocess.Process | None = None
        self._is_ending = False

    async def begin(self) -> int:
        """Start the process; returns its id."""
        self._process = await self._start()
        return self._process.pid

    async def watch(self, address: BrokerAddress) -> None:
        """Start the process if it has ended, then wait until it ends, or hangs and is killed.

        Raises:
            BrokerError: how it ended.
        """
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await self._start()
            log.warning("%s: started again", self._name)
        asking = asyncio.create_task(_until_it_hangs(address), name="broker-asked")
        waiting = asyncio.create_task(process.wait(), name="broker-ends")
        try:
            await asyncio.wait({asking, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            asking.cancel()
            waiting.cancel()
        if self._is_ending:
            await asyncio.Event().wait()  # until the caller is cancelled
        if process.returncode is None:
            process.kill()  # a hanging process does not react to SIGTERM
            await process.wait()
            raise BrokerError(f"{self._name} did not answer and was ended")
        raise BrokerError(f"{self._name} ended with code {process.returncode}")

    async def end(self) -> None:
        """End the process for good."""
        self._is_ending = True
        if self._process is not None:
            await end(self._process)


async def guard(process: asyncio.subprocess.Process) -> asyncio.subprocess.Process:
    """A process that kills ``process`` when we die, so that a foreign program frees its port.

    The kernel's parent-death signal does not do: Mosquitto, started by root, changes its user and
    loses it.
    """
    return await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        f"read _; kill -9 {process.pid}",
        stdin=asyncio.subprocess.PIPE,  # closed when we die
        start_new_session=True,
    )


async def end(process: asyncio.subprocess.Process, within_s: float = STOP_WITHIN_S) -> None:
    """Ask a process to end, and kill it when it has not ended ``within_s`` seconds later."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(within_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _until_it_hangs(address: BrokerAddress) -> None:
    unanswered = 0
    while unanswered < UNANSWERED_MOST:
        await asyncio.sleep(ASKED_EVERY_S)
        unanswered = 0 if await _answers(address) else unanswered + 1


async def _answers(address: BrokerAddress) -> bool:
    """Whether a broker answers a login, also by a refusal."""
    login = Login(username=address.username, password=address.password)
    try:
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            link = await open_link(address.host, address.port, login, lambda _token, _reason: None)
    except TimeoutError:
        return False
    except LinkError:
        return True
    link.close()
    return True
