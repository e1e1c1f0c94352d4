"""PURE: which alerts become a notification, and its words: one message for each earthquake."""

from dataclasses import dataclass, field

from ew.bridges.watcher import PlaceAlert

STRONGER = 1.0
"""A second message is sent when the intensity exceeds that of the first by this."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which alerts are sent."""

    min_intensity: float = 3.0
    min_magnitude: float = 0.0
    within_km: float = 20_000.0
    drills: bool = False

    def takes(self, received: PlaceAlert) -> bool:
        """Whether an alert is to be sent."""
        alert = received.alert
        return (
            alert.intensity >= self.min_intensity
            and alert.origin.magnitude >= self.min_magnitude
            and received.distance_km <= self.within_km
            and (self.drills or alert.status == "actual")
        )


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to send; ``is_over``: it takes an earlier one back."""

    title: str
    body: str
    is_over: bool = False


@dataclass(slots=True)
class Notices:
    """Decides, alert by alert, what is sent; remembers what was."""

    wanted: Filter
    _alerts: dict[tuple[str, str], float] = field(default_factory=dict)

    def on_alert(self, received: PlaceAlert) -> Notice | None:
        """The message to send for an alert, if any."""
        key = (received.place.name, received.alert.event_id)
        before = self._alerts.get(key)
        if received.alert.kind == "cancel":
            if self._alerts.pop(key, None) is None:
                return None
            return Notice(
                f"{_mark(received)}Earthquake alert cancelled",
                f"The earthquake alert for {received.place.name} is cancelled.",
                is_over=True,
            )
        if not self.wanted.takes(received):
            return None
        if before is not None and received.alert.intensity < before + STRONGER:
            return None
        self._alerts[key] = received.alert.intensity
        return Notice(*_words(received, is_stronger=before is not None))


def _mark(received: PlaceAlert) -> str:
    status = received.alert.status
    return "" if status == "actual" else f"{status.upper()}: "


def _words(received: PlaceAlert, *, is_stronger: bool) -> tuple[str, str]:
    alert, left = received.alert, round(received.seconds_left)
    when = f"shaking in {left} s" if left > 0 else "shaking has begun"
    again = "Stronger than first reported. " if is_stronger else ""
    mark, place = _mark(received), received.place.name
    title = f"{mark}Earthquake M {alert.origin.magnitude:.1f}: {when} at {place}"
    body = (
        f"{mark}{again}Intensity {alert.intensity:.0f} ({alert.scale}) at {place}, "
        f"{received.distance_km:.0f} km from the epicentre. Drop, cover, hold on. "
        "This message may be late: the seconds are those when it was sent."
    )
    return title, body
