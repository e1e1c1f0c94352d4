"""What Prometheus reads, and that dashboard and alarms ask for nothing else."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from ew.service.histograms import BOUNDS_S, STAGES, StageHistograms
from ew.service.metrics import exposition
from ew.service.runtime import Service

DEPLOY = Path(__file__).parents[2] / "deploy"


def status_of(running: Service) -> dict[str, Any]:
    """A service's status where each kind of number has been seen, and the clock is known."""
    clock = {"is_synchronized": True, "offset_s": 0.001}
    suspects = {"XS.AAA": {"residual_s": 0.5, "events": 4}}
    found = running.status() | {"clock": clock, "suspect_stations": suspects}
    return {**found, "stations": found["stations"] | {"delay_s": 1.5}}


def names_in(query: str) -> set[str]:
    return set(re.findall(r"\bew_[a-z0-9_]+", query))


def queries() -> list[tuple[str, str]]:
    board = json.loads((DEPLOY / "grafana" / "ew.json").read_text(encoding="utf-8"))
    found = [(p["title"], t["expr"]) for p in board["panels"] for t in p["targets"]]
    found += [(one["name"], one["expr"]) for one in board["annotations"]["list"]]
    rules = yaml.safe_load((DEPLOY / "compose" / "alerts.yml").read_text(encoding="utf-8"))
    return found + [(r["alert"], r["expr"]) for group in rules["groups"] for r in group["rules"]]


async def test_dashboard_and_alarms_ask_for_metrics_there_are(service: Service) -> None:
    families = list(text_string_to_metric_families(exposition(status_of(service)).decode()))
    there = {sample.name for family in families for sample in family.samples}
    there |= {f"{f.name}_total" for f in families if f.type == "counter"}  # of labels not seen yet
    asked = {name for _, query in queries() for name in names_in(query)}
    assert len(asked) > 20
    assert asked - there == set()


def test_every_panel_is_in_a_place_of_its_own() -> None:
    board = json.loads((DEPLOY / "grafana" / "ew.json").read_text(encoding="utf-8"))
    taken = [
        (x, y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


@pytest.mark.parametrize(("ms", "bound"), [(0.2, 0.001), (1.0, 0.001), (7.0, 0.01), (60e3, None)])
async def test_a_stage_is_counted_in_the_bucket_it_falls_into(
    service: Service,
    ms: float,
    bound: float | None,
) -> None:
    service.outcomes.latencies.histograms.observe("locate", ms)
    (family,) = [
        family
        for family in text_string_to_metric_families(exposition(status_of(service)).decode())
        if family.name == "ew_stage_seconds"
    ]
    buckets = {
        float(sample.labels["le"]): sample.value
        for sample in family.samples
        if sample.name.endswith("_bucket") and sample.labels["stage"] == "locate"
    }
    assert [at for at, count in buckets.items() if count] == [
        at for at in (*BOUNDS_S, float("inf")) if (bound is not None and at >= bound) or at > 1e9
    ]
    (total,) = [
        sample.value
        for sample in family.samples
        if sample.name.endswith("_sum") and sample.labels["stage"] == "locate"
    ]
    assert total == pytest.approx(ms / 1e3)
    assert {s.labels["stage"] for s in family.samples} == set(STAGES)


def test_a_stage_that_is_none_is_refused() -> None:
    with pytest.raises(KeyError):
        StageHistograms().observe("coffee", 1.0)
