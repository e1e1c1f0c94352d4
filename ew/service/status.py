"""SHELL: a service's health and state in full, for the API, the page and the metrics."""

import time
from typing import TYPE_CHECKING, Any

from ew import __version__
from ew.delivery.publisher import BROKER_SILENT_S
from ew.service.health import no_data, outdated
from ew.times import us_from_seconds

if TYPE_CHECKING:
    from ew.service.runtime import Service


def trouble_of(service: "Service") -> list[str]:
    """The reasons why a service is not healthy, the gravest first."""
    publisher, acquisition, now_s = service.publisher, service.acquisition, time.time()
    reasons = []
    if not publisher.status.connected:
        reasons.append("broker lost")
    elif publisher.silent_s > BROKER_SILENT_S:
        reasons.append(f"broker silent for {publisher.silent_s:.0f} s")
    if acquisition.has_sources:
        nothing = no_data(acquisition.last_packet_s, service.started_s, now_s)
        judged = service.judged(now_s).reasons
        reasons += nothing or [f"degraded: {reason}" for reason in judged]
        if now_s >= service.holds_until_s:
            reasons += [f"degraded: {reason}" for reason in outdated(service.inventory, now_s)]
        if reasons:  # a stray file beside flowing data is no trouble
            reasons += acquisition.left_aside()
    reasons += [
        f"held back: {held.version.event_id} M {held.version.origin.magnitude:.1f}: {held.reason}"
        for held in (service.gate.held if service.gate else ())
    ]
    reasons += service.keys_publisher.trouble(now_s)
    reasons += service.watch.failing(now_s)
    if service.journal.error is not None:
        reasons.append(f"journal: {service.journal.error}")
    if service.resume_file.error is not None:
        reasons.append(f"resume file: {service.resume_file.error}")
    if service.silenced.error is not None:
        reasons.append(f"silenced stations: {service.silenced.error}")
    if error := service.targets.trouble():
        reasons.append(f"devices: {error}")
    return reasons


def status_of(service: "Service") -> dict[str, Any]:
    """A service's state as plain JSON values."""
    publisher, pipeline, acquisition = service.publisher, service.pipeline, service.acquisition
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
        "silenced": dict(service.silenced.why),
        "journal": service.journal.status(),
        "task_failures": {name: t.failures for name, t in service.watch.tasks.items()},
        "commands": {"done": service.commands.done, "refused": service.commands.refused},
        **acquisition.status(),
        "counts": {
            **{name: getattr(counts, name) for name in type(counts).__slots__},
            "packets_dropped": acquisition.dropped,
            "messages_dropped": publisher.outbox.dropped,
            "receipts": service.outcomes.latencies.receipts,
            "receipts_refused": service.outcomes.latencies.refused,
        },
        "stages": service.outcomes.latencies.histograms.as_dict(),
        "picker": pipeline.bank.counters.as_dict(),
    }


def _stations(service: "Service") -> dict[str, Any]:
    """Each station's state and newest data, and the median delay of those that have some."""
    judged = service.judged(time.time())
    return {
        "delay_s": None if judged.delay_s is None else round(judged.delay_s, 2),
        "states": dict(judged.states),
        "delays_s": {station: round(delay_s, 2) for station, delay_s in judged.delays_s.items()},
        "last_data_us": {s: us_from_seconds(end_s) for s, end_s in judged.ends_s.items()},
    }
