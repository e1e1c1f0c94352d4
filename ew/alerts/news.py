"""PURE: whether an update differs enough from the last published version to be published.

A dense network adds stations to an event for as long as its waves spread, and recorded motions with
each second: an M 6 gave a version each half second, of which the last thirty were alike. Devices
have rules of their own (``policy.update_intensity``, ``policy.update_arrival_s``); these are for
people and partners who follow the event itself.
"""

import math

from ew.geo import distance_km
from ew.records import EventVersion

GREW = 0.1
"""Change of magnitude that is published: magnitudes are shown with one decimal."""
MOVED_KM, MOVED_ERRORS = 2.0, 0.3
"""Move of the epicentre that is published, km, and as a share of its stated error: S from 2 km
farther comes half a second later; a smaller share of the error is no news."""
DEEPER_KM = 5.0
LATER_S = 0.5
"""Change of the origin time that is published, s: countdowns are in whole seconds."""
MORE_STATIONS = 2
"""An epicentre from this many times the stations is published: it is much more reliable."""


def is_news(published: EventVersion, update: EventVersion) -> bool:
    """Whether an update differs visibly from the last published version."""
    before, now = published.origin, update.origin
    if math.isnan(before.magnitude) != math.isnan(now.magnitude):
        return True
    if abs(now.magnitude - before.magnitude) >= GREW:
        return True
    if abs(now.depth_km - before.depth_km) >= DEEPER_KM:
        return True
    if abs(now.time_s - before.time_s) >= LATER_S:
        return True
    if update.stations >= MORE_STATIONS * published.stations:
        return True
    moved_km = distance_km(before.latitude, before.longitude, now.latitude, now.longitude)
    error_km = 0.0 if math.isnan(now.horizontal_error_km) else now.horizontal_error_km
    return float(moved_km) >= max(MOVED_KM, MOVED_ERRORS * error_km)
