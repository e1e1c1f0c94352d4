"""PURE: which alerts become a notification, and in what words: one message an earthquake."""

from dataclasses import dataclass, field

from ew.bridges.watcher import PlaceAlert

STRONGER = 1.0
"""A second message only where the intensity has come to be so much larger than the first one said."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What is worth a message."""

    min_intensity: float = 3.0
    min_magnitude: float = 0.0
    within_km: float = 20_000.0
    drills: bool = False

    def takes(self, told: PlaceAlert) -> bool:
        """Whether an alert is worth one."""
        alert = told.alert
        return (
            alert.intensity >= self.min_intensity
            and alert.origin.magnitude >= self.min_magnitude
            and told.distance_km <= self.within_km
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
    """Decides, alert by alert; knows what it has told."""

    wanted: Filter
    _told: dict[tuple[str, str], float] = field(default_factory=dict)

    def on_alert(self, told: PlaceAlert) -> Notice | None:
        """The message that follows from an alert, if one does."""
        key = (told.place.name, told.alert.event_id)
        before = self._told.get(key)
        if told.alert.kind == "cancel":
            if self._told.pop(key, None) is None:
                return None
            return Notice(
                f"{_mark(told)}Earthquake alert cancelled",
                f"The earthquake alert for {told.place.name} is cancelled.",
                is_over=True,
            )
        if not self.wanted.takes(told):
            return None
        if before is not None and told.alert.intensity < before + STRONGER:
            return None
        self._told[key] = told.alert.intensity
        return Notice(*_words(told, is_stronger=before is not None))


def _mark(told: PlaceAlert) -> str:
    status = told.alert.status
    return "" if status == "actual" else f"{status.upper()}: "


def _words(told: PlaceAlert, *, is_stronger: bool) -> tuple[str, str]:
    alert, left = told.alert, round(told.seconds_left)
    when = f"shaking in {left} s" if left > 0 else "shaking has begun"
    again = "Stronger than said before. " if is_stronger else ""
    title = f"{_mark(told)}Earthquake M {alert.origin.magnitude:.1f}: {when} at {told.place.name}"
    body = (
        f"{_mark(told)}{again}Intensity {alert.intensity:.0f} ({alert.scale}) at {told.place.name}, "
        f"{told.distance_km:.0f} km from the epicentre. Drop, cover, hold on. "
        "This message may be late: the seconds are those when it was sent."
    )
    return title, body
