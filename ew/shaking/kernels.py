"""PURE: the pass over targets: compiled (``core.c``) where it is built, else ``twin``."""

from contextlib import suppress
from importlib import import_module
from typing import Any

from ew.shaking import twin

core: Any = twin
with suppress(ImportError):
    core = import_module("ew.shaking._core")
estimate_targets = core.estimate_targets
rank_targets = core.rank_targets
order_by_key = core.order_by_key
second_strongest = core.second_strongest
