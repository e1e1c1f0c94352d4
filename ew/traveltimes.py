"""PURE but for ``load``: first P and S travel times from a table, interpolated.

The table has a value for each km of distance (0-1,000) and depth (0-700); bilinear interpolation
between them is within 0.05 s of TauP. The file has one for each 5 km below 100 km of depth. The
tables of named models are TauP's own (``seeds/tables/MODEL.npz``, made by
``scripts/make_travel_times.py``); that of a regional layered model is traced at start
(``ew.layered``) and ends at 100 km of depth.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ew.config.locate import LocateConfig
from ew.errors import ConfigError, InputError
from ew.layered import first_arrivals
from ew.seeds import seed_path

Floats = NDArray[np.float64]

DEEP_STEP_KM = 5
"""Steps of distance and depth in the file's rows below 100 km, km."""


@dataclass(frozen=True, slots=True, eq=False)
class TravelTimes:
    """First-arrival travel times of one Earth model.

    ``p_table`` and ``s_table``: (depths, distances) float64, seconds, one row for each km of depth
    from 0 and one column for each km of distance from 0; contiguous, for kernels to read.
    """

    model: str
    p_table: Floats
    s_table: Floats

    @classmethod
    def load(cls, model: str = "ak135") -> "TravelTimes":
        """The table of a model from ``seeds/tables``.

        Raises:
            ConfigError: there is no table of that model; the message names the script that makes
                one.
        """
        try:
            path = seed_path("tables", f"{model}.npz")
        except InputError as error:
            raise ConfigError(
                f"locate.travel_time_model: no table of {model!r} in seeds/tables; "
                "make it with scripts/make_travel_times.py"
            ) from error
        with np.load(path) as data:
            return cls(
                model, _whole(data["p_s"], data["deep_p_s"]), _whole(data["s_s"], data["deep_s_s"])
            )

    @classmethod
    def of(cls, config: LocateConfig) -> "TravelTimes":
        """The table of the configured Earth model.

        It is read for a named model, and traced in a fifth of a second for ``layers``.
        """
        if config.travel_time_model != "layers":
            return cls.load(config.travel_time_model)
        tops = np.array([layer.top_km for layer in config.layers])
        p_table, s_table = (
            first_arrivals(tops, np.array(speeds))
            for speeds in (
                [layer.vp_km_s for layer in config.layers],
                [layer.vs_km_s for layer in config.layers],
            )
        )
        return cls("layers", p_table, s_table)

    @property
    def max_distance_km(self) -> float:
        """The largest distance of the table, km."""
        return float(self.p_table.shape[1] - 1)

    @property
    def max_depth_km(self) -> float:
        """The largest depth of the table, km."""
        return float(self.p_table.shape[0] - 1)

    def p_s(self, distance_km: ArrayLike, depth_km: ArrayLike) -> Floats:
        """Travel time of the first P in seconds; arguments broadcast.

        Beyond the table's last distance it is extrapolated with the last slope; depths are clipped
        to the table.
        """
        return _bilinear(self.p_table, distance_km, depth_km)

    def s_s(self, distance_km: ArrayLike, depth_km: ArrayLike) -> Floats:
        """Travel time of the first S in seconds; arguments broadcast.

        Beyond the table's last distance it is extrapolated with the last slope; depths are clipped
        to the table.
        """
        return _bilinear(self.s_table, distance_km, depth_km)

    def rows(self, depth_km: float) -> tuple[Floats, Floats]:
        """P and S times for each km of distance at one depth, for kernels."""
        depth = min(max(depth_km, 0.0), self.max_depth_km)
        row = min(int(depth), self.p_table.shape[0] - 2)
        part = depth - row
        return (
            self.p_table[row] * (1 - part) + self.p_table[row + 1] * part,
            self.s_table[row] * (1 - part) + self.s_table[row + 1] * part,
        )


def _whole(fine: NDArray[np.float32], deep: NDArray[np.float32]) -> Floats:
    """One table with a row for each km, from the fine rows and interpolated deep rows."""
    rows = np.arange((len(deep) - 1) * DEEP_STEP_KM + 1.0)
    columns = np.arange(float(fine.shape[1]))
    below = _bilinear(deep.astype(np.float64), columns / DEEP_STEP_KM, rows[:, None] / DEEP_STEP_KM)
    return np.concatenate([fine.astype(np.float64), below[1:]])


def _bilinear(table: Floats, distance_km: ArrayLike, depth_km: ArrayLike) -> Floats:
    x = np.maximum(np.asarray(distance_km, dtype=np.float64), 0)
    z = np.clip(np.asarray(depth_km, dtype=np.float64), 0, table.shape[0] - 1)
    column = np.minimum(x.astype(np.int64), table.shape[1] - 2)
    row = np.minimum(z.astype(np.int64), table.shape[0] - 2)
    u, w = x - column, z - row
    upper = table[row, column] * (1 - u) + table[row, column + 1] * u
    lower = table[row + 1, column] * (1 - u) + table[row + 1, column + 1] * u
    return cast("Floats", upper * (1 - w) + lower * w)
