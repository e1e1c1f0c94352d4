"""The embedded broker on a machine that is too slow for its devices: each delivery takes its time,
and nothing else changes.

``python -m benchmarks.rivals.limited RATE`` prints its port. Deliveries block the broker as a
saturated processor does, so that acknowledgements, and with them the publisher's window, slow down
as they would.
"""

import asyncio
import sys
import time

from ew.delivery.roles import LIMITS
from mqtt_broker.connection import Connection
from mqtt_broker.loop import fast_run
from mqtt_broker.packets import Type
from mqtt_broker.server import Server


class _Slow(Connection):
    seconds_each = 0.0

    def send(self, data: bytes) -> None:
        if data[0] >> 4 == Type.PUBLISH:
            time.sleep(self.seconds_each)
        super().send(data)


async def _run(rate: float) -> None:
    _Slow.seconds_each = 1.0 / rate
    server = Server(LIMITS, connection=_Slow)
    await server.start()
    print(server.port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    fast_run(_run(float(sys.argv[1])))
