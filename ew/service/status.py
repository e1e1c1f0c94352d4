"""SHELL: health in full of a service, as the API, the page and the metrics are told it."""

import time
from typing import TYPE_CHECKING, Any

from ew import __version__

if TYPE_CHECKING:
    from ew.service.runtime import Service


def status_of(service: "Service") -> dict[str, Any]:
    """What a service does and how it is, as plain JSON values."""
    publisher, pipeline, intake = service.publisher, service.pipeline, service.intake
    counts = service.counts
    return {
        "health": service.health,
        "mode": service.mode,
        "role": service.config.service.role,
        "version": __version__,
        "uptime_s": round(time.time() - service.started_s, 1),
        "channels": len(service.inventory),
        "unknown_channels": sorted(pipeline.unknown_channels)[:20],
        "too_coarse_channels": sorted(pipeline.coarse.useless)[:20],
        "suspect_stations": {
            s.station: {"residual_s": round(s.residual_s, 2), "events": s.events}
            for s in pipeline.timing.suspects
        },
        "suspect_gains": {
            s.station: {"factor": float(f"{s.factor:.3g}"), "events": s.events}
            for s in pipeline.gains.suspects
        },
        "last_event_id": service.last_event_id,
        "broker": {
            "url": service.broker.url,
            "connected": publisher.status.connected > 0,
            "connections": publisher.status.connected,
        },
        "clock": service.clock.state.as_dict(),
        "stations": _stations(service),
        "journal": service.journal.status(),
        "task_failures": {name: t.failures for name, t in service.watch.tasks.items()},
        "commands": {"done": service.commands.done, "refused": service.commands.refused},
        **intake.status(),
        "counts": {
            **{name: getattr(counts, name) for name in type(counts).__slots__},
            "packets_dropped": intake.dropped,
            "messages_dropped": publisher.others.dropped,
            "receipts": service.latencies.receipts,
            "receipts_refused": service.latencies.refused,
        },
        "picker": pipeline.bank.counters.as_dict(),
    }


def _stations(service: "Service") -> dict[str, Any]:
    """Each station's state, and how old the data of the stations heard are in the median."""
    judged = service.judged(time.time())
    delay_s = None if judged.delay_s is None else round(judged.delay_s, 2)
    return {"delay_s": delay_s, "states": dict(judged.states)}
