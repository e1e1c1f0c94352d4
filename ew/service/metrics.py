"""A service's status in the text format of Prometheus."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ew.service.histograms import BOUNDS_S

COUNTS = (
    "packets",
    "packets_dropped",
    "messages_dropped",
    "picks",
    "versions",
    "alerts",
    "receipts",
    "receipts_refused",
)


class _Numbers(Collector):
    def __init__(self, status: Mapping[str, Any]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """All metric families; before the service has sent its status, health alone."""
        status = self._status
        yield GaugeMetricFamily("ew_healthy", "1 while health is ok", status["health"] == "ok")
        if "counts" not in status:
            return
        counts = status["counts"]
        for name in COUNTS:
            yield CounterMetricFamily(f"ew_{name}", f"{name} since the start", counts[name])
        yield _stages(status["stages"])
        delay_s = status["stations"]["delay_s"]
        if delay_s is not None:
            yield GaugeMetricFamily("ew_data_delay_s", "age of data on arrival, median", delay_s)
        states = GaugeMetricFamily("ew_stations", "stations by state", labels=["state"])
        for state, number in Counter(status["stations"]["states"].values()).items():
            states.add_metric([state], number)
        yield states
        yield _by("ew_picker", "what the picker met", "what", status["picker"])
        yield _by("ew_task_failures", "how often a task failed", "task", status["task_failures"])
        suspects = GaugeMetricFamily(
            "ew_suspect_station_residual_s",
            "median residual of stations whose P is off in most events: clock or coordinates",
            labels=["station"],
        )
        for station, suspect in status["suspect_stations"].items():
            suspects.add_metric([station], suspect["residual_s"])
        yield suspects
        journal = status["journal"]
        yield CounterMetricFamily("ew_journal_written", "entries written", journal["written"])
        yield CounterMetricFamily("ew_journal_lost", "entries given up", journal["lost"])
        yield GaugeMetricFamily("ew_journal_waiting", "entries that wait", journal["waiting"])
        commands = status["commands"]
        yield CounterMetricFamily("ew_commands", "commands carried out", commands["done"])
        yield CounterMetricFamily("ew_commands_refused", "commands refused", commands["refused"])
        clock = status["clock"]
        if clock["is_synchronized"] is not None:
            yield GaugeMetricFamily(
                "ew_clock_synchronized",
                "1 while this host's clock is synchronized",
                float(clock["is_synchronized"]),
            )
        if clock["offset_s"] is not None:
            yield GaugeMetricFamily(
                "ew_clock_offset_s", "how far it is off", float(clock["offset_s"])
            )
        yield CounterMetricFamily(
            "ew_packets_ahead", "packets from the future, left out", status["ahead_left_out"]
        )
        yield GaugeMetricFamily("ew_slowest_tick_ms", "slowest tick", counts["slowest_tick_ms"])
        yield GaugeMetricFamily(
            "ew_broker_connections", "publisher connections", status["broker"]["connections"]
        )


def _stages(stages: Mapping[str, Any]) -> Metric:
    family = HistogramMetricFamily(
        "ew_stage_seconds",
        "duration of each stage of an event version; publish: from its tick to its first alert",
        labels=["stage"],
    )
    for stage, found in stages.items():
        reached = list(accumulate(found["counts"]))
        bounds = [*map(str, BOUNDS_S), "+Inf"]
        family.add_metric([stage], list(zip(bounds, reached, strict=True)), found["sum_s"])
    return family


def _by(name: str, what: str, label: str, numbers: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, what, labels=[label])
    for key, value in numbers.items():
        family.add_metric([key], float(value))
    return family


def exposition(status: Mapping[str, Any]) -> bytes:
    """The text of ``/metrics``."""
    registry = CollectorRegistry()
    registry.register(_Numbers(status))
    return generate_latest(registry)
