"""PURE: alert targets as columns: H3 cells (phones) and registered devices (TVs, valves, lifts).

A cell's nearest point may lie up to its circumradius nearer than its centre: arrival and intensity
are computed there, so that nobody in the cell is alerted too late.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, TypeVar

import h3
import numpy as np
from numpy.typing import NDArray

from ew.errors import InputError
from ew.geo import ecef_km

RESOLUTION = 5
"""H3 resolution of the alert topics: about 250 km², a cell is 8-11 km from centre to corner."""
CELL_RADIUS_KM = 10.9
"""Largest distance from centre to corner of a resolution 5 cell, km (H3's table of edge lengths:
9.85 km in the mean)."""

Address: TypeAlias = Literal["cell", "device"]
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Targets:
    """D targets of one kind of address.

    ``ids``: cell ids or device ids; ``kinds`` (D,) u1: index into the policy's kinds of device;
    ``ecef`` (3, D) f4 km, accurate to half a metre; ``radius_km`` (D,) f4: how much nearer than its
    place its nearest point may be.
    """

    address: Address
    ids: Sequence[str]
    kinds: NDArray[np.uint8]
    ecef: NDArray[np.float32]
    radius_km: NDArray[np.float32]
    latitudes: NDArray[np.float64]
    longitudes: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.kinds)  # ``ids`` may be longer (``changed``)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """The row of each id; computed on first use, in 0.2 s for a million."""
        return {name: row for row, name in enumerate(self.ids)}

    def rows_of(self, other: "Targets") -> NDArray[np.int64]:
        """The rows of other targets in this one; -1 for those that are not in it."""
        if other.ids is self.ids:
            return np.arange(len(other))
        row_of = self.row_of
        return np.fromiter((row_of.get(name, -1) for name in other.ids), np.int64, len(other))

    def changed(self, other: "Targets") -> "Targets":
        """These targets with others of the same kind of address, which came or moved.

        No row changes its owner and the names are not copied: new ones are added to the shared
        list, so that a million targets take 10 ms and these stay valid.
        """
        ids = self.ids if isinstance(self.ids, list) else list(self.ids)
        row_of = self.row_of
        for name in other.ids:
            if name not in row_of:
                row_of[name] = len(ids)
                ids.append(name)
        rows = np.fromiter((row_of[name] for name in other.ids), np.int64, len(other))
        made = Targets(
            self.address,
            ids,
            with_rows(self.kinds, len(ids), rows, other.kinds),
            with_rows(self.ecef, len(ids), rows, other.ecef),
            with_rows(self.radius_km, len(ids), rows, other.radius_km),
            with_rows(self.latitudes, len(ids), rows, other.latitudes),
            with_rows(self.longitudes, len(ids), rows, other.longitudes),
        )
        made.__dict__["row_of"] = row_of  # the place where ``cached_property`` looks for it
        return made

    def some(self, rows: NDArray[np.int64]) -> "Targets":
        """The targets of these rows."""
        return Targets(
            self.address,
            [self.ids[row] for row in rows.tolist()],
            self.kinds[rows],
            np.ascontiguousarray(self.ecef[:, rows]),
            self.radius_km[rows],
            self.latitudes[rows],
            self.longitudes[rows],
        )

    def joined(self, other: "Targets") -> "Targets":
        """These targets followed by others of the same kind of address."""
        return Targets(
            self.address,
            [*self.ids, *other.ids],
            np.concatenate([self.kinds, other.kinds]),
            np.concatenate([self.ecef, other.ecef], axis=1),
            np.concatenate([self.radius_km, other.radius_km]),
            np.concatenate([self.latitudes, other.latitudes]),
            np.concatenate([self.longitudes, other.longitudes]),
        )


def with_rows(
    column: NDArray[Number], count: int, rows: NDArray[np.int64], values: NDArray[Number]
) -> NDArray[Number]:
    """A copy of a column (along its last axis) of ``count`` rows, some with new values."""
    made = np.zeros((*column.shape[:-1], count), column.dtype)
    made[..., : column.shape[-1]] = column
    made[..., rows] = values
    return made


def cell_of(latitude: float, longitude: float) -> str:
    """The H3 cell of a place."""
    return str(h3.latlng_to_cell(latitude, longitude, RESOLUTION))


def cell_targets(cells: Iterable[str]) -> Targets:
    """Cells as targets, in sorted order.

    Raises:
        InputError: one is no H3 cell of the resolution in use.
    """
    ids = sorted(set(cells))
    for cell in ids:
        if not h3.is_valid_cell(cell) or h3.get_resolution(cell) != RESOLUTION:
            raise InputError(f"{cell!r} is no H3 cell of resolution {RESOLUTION}")
    centres = np.array([h3.cell_to_latlng(cell) for cell in ids], dtype=np.float64).reshape(-1, 2)
    return _targets(
        "cell", ids, np.zeros(len(ids), np.uint8), centres[:, 0], centres[:, 1], CELL_RADIUS_KM
    )


def device_targets(
    ids: Sequence[str],
    kinds: NDArray[np.uint8],
    latitudes: NDArray[np.float64],
    longitudes: NDArray[np.float64],
) -> Targets:
    """Registered devices as targets."""
    return _targets("device", list(ids), kinds, latitudes, longitudes, 0.0)


def cells_around(latitude: float, longitude: float, radius_km: float) -> list[str]:
    """All cells that may touch a circle, for use without a list of cells."""
    spacing_km = 14.0  # centre to centre of neighbours, at least (edge 8.5 km)
    rings = int((radius_km + CELL_RADIUS_KM) / spacing_km) + 1
    return list(h3.grid_disk(cell_of(latitude, longitude), rings))


def _targets(
    address: Address,
    ids: Sequence[str],
    kinds: NDArray[np.uint8],
    latitudes: NDArray[np.float64],
    longitudes: NDArray[np.float64],
    radius_km: float,
) -> Targets:
    return Targets(
        address=address,
        ids=ids,
        kinds=np.ascontiguousarray(kinds, dtype=np.uint8),
        ecef=ecef_km(latitudes, longitudes).astype(np.float32).reshape(3, -1),
        radius_km=np.full(len(ids), radius_km, np.float32),
        latitudes=latitudes,
        longitudes=longitudes,
    )
