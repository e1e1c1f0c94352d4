"""PURE: the loops of location, compiled (``core.c``) where that was built, else in NumPy (``twin``)."""

from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any

from ew.locate import twin
from ew.locate.twin import NO_S_YET

__all__ = ["NO_S_YET", "add_energy", "displacement_peaks", "misfit_grid", "s_onset"]

core: Any = twin
misfit_grid = twin.misfit_grid
with suppress(ImportError):
    core = import_module("ew.locate._core")
    misfit_grid = partial(core.misfit_grid, twin.MODEL, twin.PICK_COST, twin.S_COST)
displacement_peaks = core.displacement_peaks
add_energy, s_onset = core.add_energy, core.s_onset
