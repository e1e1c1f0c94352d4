"""The service's numbers in the form Prometheus reads, taken when asked; nothing is counted twice."""

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric

    from ew.service.runtime import Service


class _Numbers(Collector):
    def __init__(self, service: "Service") -> None:
        self._service = service

    def collect(self) -> "Iterator[Metric]":
        """All families."""
        service = self._service
        for name in (
            "packets",
            "packets_dropped",
            "picks",
            "versions",
            "alerts",
            "receipts",
            "receipts_refused",
        ):
            value = service.status()["counts"][name]
            yield CounterMetricFamily(f"ew_{name}", f"{name} since the start", value=value)
        picker = CounterMetricFamily("ew_picker", "what the picker met", labels=["what"])
        for name, value in service.pipeline.bank.counters.as_dict().items():
            picker.add_metric([name], float(value))
        yield picker
        suspects = GaugeMetricFamily(
            "ew_suspect_station_residual_s",
            "median residual of stations whose P is off in most events: clock or coordinates",
            labels=["station"],
        )
        for suspect in service.pipeline.timing.suspects:
            suspects.add_metric([suspect.station], suspect.residual_s)
        yield suspects
        yield GaugeMetricFamily("ew_healthy", "1 while health is ok", value=service.health == "ok")
        yield GaugeMetricFamily(
            "ew_slowest_tick_ms", "slowest tick", value=service.counts.slowest_tick_ms
        )
        yield GaugeMetricFamily(
            "ew_broker_connections",
            "publisher connections",
            value=service.publisher.status.connected,
        )


def exposition(service: "Service") -> bytes:
    """The text of ``/metrics``."""
    registry = CollectorRegistry()
    registry.register(_Numbers(service))
    return generate_latest(registry)
