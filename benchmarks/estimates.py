"""Estimates and sending order for a million and ten million devices, cells touched, first message.

The references do the same sums: NumPy (haversine, interp, lexsort) on the same columns, and
pyproj's geodesic per device where it is installed, in the same run.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.harness import BenchmarkResult, alternate, budget, median
from ew import Config, EventVersion, Origin
from ew.alerts.planner import AlertPlanner
from ew.alerts.signing import Signer
from ew.geo import distance_km, ecef_km, local_radius_km
from ew.shaking import event_rows, lane_reach_km
from ew.shaking.kernels import order_by_key, rank_targets
from ew.shaking.relations import intensity
from ew.shaking.targets import Targets, cell_targets, cells_around, device_targets
from ew.traveltimes import TravelTimes

NAME = "estimates"
ORIGIN = Origin(1.6e9, 29.0, 103.5, 12.0, 7.0)
NOW_AFTER_S = 6.0
STEPS_PER_S = 20.0


def timed(calls: list[Callable[[], object]], rounds: int) -> list[float]:
    """Median seconds of each call, taken in turns."""
    times = alternate(rounds, {str(i): call for i, call in enumerate(calls)})
    return [median(values) for values in times.values()]


def population(count: int) -> Targets:
    """Devices spread over a thousand kilometres."""
    rng = np.random.default_rng(1)
    return device_targets(
        [str(i) for i in range(count)],
        np.ones(count, np.uint8),
        29.0 + rng.normal(size=count) * 2.5,
        103.5 + rng.normal(size=count) * 2.5,
    )


def ours(targets: Targets, table: TravelTimes) -> Callable[[], np.ndarray]:
    """Estimates and order from the registry's columns."""
    count = len(targets)
    keys, s_s, strength = (
        np.empty(count, np.uint16),
        np.empty(count, np.float32),
        np.empty(count, np.float32),
    )
    order = np.empty(count, np.int64)
    least, lanes = np.full(count, 2.0, np.float32), Config().policy.lanes

    def estimate() -> np.ndarray:
        rows = event_rows(ORIGIN, table, "csis-sichuan")
        place, radius = ecef_km(ORIGIN.latitude, ORIGIN.longitude), local_radius_km(ORIGIN.latitude)
        rank_targets(
            targets.ecef,
            targets.radius_km,
            place,
            radius,
            rows.astype(np.float32),
            least,
            NOW_AFTER_S,
            lane_reach_km(rows, lanes),
            STEPS_PER_S,
            keys,
            s_s,
            strength,
        )
        order_by_key(keys, order)
        return order

    return estimate


def with_numpy(targets: Targets, table: TravelTimes) -> Callable[[], np.ndarray]:
    """The same in plain NumPy."""
    lanes = np.array(Config().policy.lanes)
    _, s_row = table.rows(ORIGIN.depth_km)
    at = np.arange(len(s_row), dtype=np.float64)

    def estimate() -> np.ndarray:
        phi, lam = np.radians(targets.latitudes), np.radians(targets.longitudes)
        phi0, lam0 = np.radians(ORIGIN.latitude), np.radians(ORIGIN.longitude)
        a = (
            np.sin((phi - phi0) / 2) ** 2
            + np.cos(phi0) * np.cos(phi) * np.sin((lam - lam0) / 2) ** 2
        )
        away = 2 * 6371.0 * np.arcsin(np.sqrt(a))
        s_s = np.interp(away, at, s_row)
        strength = intensity("csis-sichuan", ORIGIN.magnitude, away, ORIGIN.depth_km)
        lane = len(lanes) - np.searchsorted(lanes[::-1], strength, side="right")
        return np.lexsort((s_s, lane + len(lanes) * (s_s <= NOW_AFTER_S)))

    return estimate


def check(targets: Targets, table: TravelTimes) -> None:
    """The order is by lane and then by arrival, but for places within a hair of a lane's edge and a
    key's steps.
    """
    away = distance_km(ORIGIN.latitude, ORIGIN.longitude, targets.latitudes, targets.longitudes)
    s_s = table.s_s(away, ORIGIN.depth_km)
    strength = intensity("csis-sichuan", ORIGIN.magnitude, away, ORIGIN.depth_km)
    order = ours(targets, table)()
    lanes = np.array(Config().policy.lanes)
    edges = np.abs(strength[:, None] - np.append(lanes, 2.0)).min(axis=1) < 0.02
    clear = order[
        (strength[order] >= 2.0) & ~edges[order] & (np.abs(s_s[order] - NOW_AFTER_S) > 0.1)
    ]
    lane = len(lanes) - np.searchsorted(lanes[::-1], strength[clear], side="right")
    lane = lane + len(lanes) * (s_s[clear] <= NOW_AFTER_S)
    assert (np.diff(lane) >= 0).all()
    assert (np.diff(s_s[clear])[np.diff(lane) == 0] > -0.1).all()


def run(quick: bool) -> BenchmarkResult:
    table = TravelTimes.load()
    counts = (100_000,) if quick else (1_000_000, 10_000_000)
    rows, budgets = [], []
    for count in counts:
        targets = population(count)
        check(targets, table)
        mine, reference = timed([ours(targets, table), with_numpy(targets, table)], rounds=5)
        rows.append(_row(f"{count:,} devices, order included", mine, reference, "NumPy"))
        if not quick:
            budgets.append(budget(NAME, f"{count:,} devices", mine * 1e3))
    rows.append(_geodesics(counts[0], population(counts[0])))
    first_s = _first_message(counts[0], table)
    cells_s = _cells()
    rows.append(_row("first signed message of a version", first_s, None, ""))
    rows.append(_row("cells touched within 300 km", cells_s, None, ""))
    if not quick:
        budgets.append(budget(NAME, "first message, 1,000,000 devices", first_s * 1e3))
        budgets.append(budget(NAME, "cells touched", cells_s * 1e3))
    return BenchmarkResult(NAME, rows, budgets)


def _row(what: str, mine_s: float, reference_s: float | None, name: str) -> dict[str, object]:
    ratio = "" if reference_s is None else f"{reference_s / mine_s:.1f}x"
    return {
        "what": what,
        "ours ms": round(mine_s * 1e3, 2),
        "reference ms": "" if reference_s is None else round(reference_s * 1e3, 1),
        "reference": name,
        "ratio": ratio,
    }


def _geodesics(count: int, targets: Targets) -> dict[str, object]:
    """Distances alone: the chord against the geodesic of each device."""
    from obspy.geodetics import gps2dist_azimuth  # noqa: PLC0415

    some = min(count, 2000)

    def chord() -> object:
        return distance_km(
            ORIGIN.latitude, ORIGIN.longitude, targets.latitudes[:some], targets.longitudes[:some]
        )

    def geodesic() -> object:
        return [
            gps2dist_azimuth(ORIGIN.latitude, ORIGIN.longitude, lat, lon)[0]
            for lat, lon in zip(targets.latitudes[:some], targets.longitudes[:some], strict=True)
        ]

    mine, reference = timed([chord, geodesic], rounds=5)
    return _row(f"distances of {some:,} devices", mine, reference, "obspy gps2dist_azimuth")


def _first_message(count: int, table: TravelTimes) -> float:
    """From an event version to its most urgent message, signed, with all devices registered."""
    planner = AlertPlanner(Config(), table, [population(count)])
    signer = Signer.ephemeral()
    number = iter(range(1000))

    def first() -> bytes:
        version = EventVersion(f"e{next(number)}", 1, "alert", 1.6e9 + NOW_AFTER_S, ORIGIN, 4)
        return planner.plan(version, version.issued_s)[0].message(0, signer)

    (seconds,) = timed([first], rounds=7)
    return seconds


def _cells() -> float:
    centre = ORIGIN.latitude, ORIGIN.longitude
    region = cell_targets(cells_around(*centre, 600.0))  # the cells in use, made once
    table = TravelTimes.load()
    estimate = ours(region, table)
    (seconds,) = timed([estimate], rounds=7)
    return seconds
