"""Earthquake early warning: live seismic streams in, signed MQTT alerts out before the S-wave.

The public names below are loaded on first use, so that ``import ew`` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ew.config import Config as Config
    from ew.detect.bank import PickerBank as PickerBank
    from ew.pipeline import Pipeline as Pipeline
    from ew.records import Arrival as Arrival
    from ew.records import Channel as Channel
    from ew.records import EventVersion as EventVersion
    from ew.records import Origin as Origin
    from ew.records import Packet as Packet
    from ew.records import Pick as Pick

__version__ = "0.1.0"

_HOME = {
    "Arrival": "ew.records",
    "Channel": "ew.records",
    "Config": "ew.config",
    "EventVersion": "ew.records",
    "Origin": "ew.records",
    "Packet": "ew.records",
    "Pick": "ew.records",
    "PickerBank": "ew.detect.bank",
    "Pipeline": "ew.pipeline",
}

__all__ = ["__version__", *_HOME]  # noqa: PLE0604 - the names are strings, listed once above


def __getattr__(name: str) -> object:
    """Load a public name from its home module on first use."""
    if name == "shaking":  # ew.shaking.estimate is public too
        return import_module("ew.shaking")
    if name not in _HOME:
        raise AttributeError(f"module 'ew' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value
