"""SHELL: continues the events of a run that was killed, and reads again what the sources repeat."""

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ew.alerts.planner import AlertPlan
from ew.records import EventVersion

if TYPE_CHECKING:
    from ew.service.runtime import Service

log = logging.getLogger("ew.service")


async def resume(service: "Service", *, will_repeat: bool) -> None:
    """Restore the events published before a restart and the pipeline's state.

    ``will_repeat``: the sources send again what came since the last saved sequence numbers.
    """
    published = service.resume_file.versions
    if published:
        log.info("continuing %d published versions", len(published))
        service.last_event_id = published[-1].event_id
        for plan in await service.in_pipeline_thread(_restore, service, published):
            service.publisher.submit(plan)
    if not will_repeat and not published:
        return
    begin = time.monotonic()
    packets = 0
    async for batch in service.acquisition.repeated():
        packets += len(batch)
        await service.in_pipeline_thread(service.pipeline.feed_again, batch, time.time_ns())
    service.counts.packets += packets
    service.pipeline.engine.settle()
    service.pipeline.wake_at_ns = time.time_ns()
    log.info("%d packets read again in %.1f s", packets, time.monotonic() - begin)


def _restore(service: "Service", published: Sequence[EventVersion]) -> list[AlertPlan]:
    """Make engine, gate and planner know these versions, and the targets they were sent to.

    Returns their plans, to be sent once more: the end may have come before the last alert left,
    and devices act on each version but once.
    """
    plans = []
    for version in published:
        service.pipeline.engine.hear(version)
        service.pipeline.other_services.note_ours(version)
        if service.gate is not None:
            service.gate.recall(version)
        plans += service.planner.plan(version, version.issued_s)
    return plans
