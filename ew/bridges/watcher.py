"""PURE: verifies alerts as a phone would, and says what they mean for each watched place."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from ew.alerts.message import (
    TOPIC_HEARTBEAT,
    TOPIC_KEYS,
    AlertBody,
    parse_heartbeat,
)
from ew.alerts.trust import Verifier
from ew.errors import ConfigError, MessageError
from ew.geo import distance_km

Level = Literal["silent", "notice", "full"]


@dataclass(frozen=True, slots=True)
class Place:
    """A place with a name; the name is used in topics and entity ids."""

    name: str
    latitude: float
    longitude: float

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Parse a place written ``NAME=LAT,LON``.

        Raises:
            ConfigError: it has another form, or coordinates that do not exist.
        """
        name, _, where = text.partition("=")
        try:
            latitude, longitude = (float(part) for part in where.split(","))
        except ValueError:
            raise ConfigError(
                f"place {text!r} is not NAME=LAT,LON, as in home=30.66,104.07"
            ) from None
        is_name = 0 < len(name) <= 32 and name.replace("_", "").replace("-", "").isalnum()
        if not (is_name and name.isascii()):
            raise ConfigError(f"place {text!r}: a name has 1 to 32 letters, digits, - and _")
        if not (abs(latitude) <= 90 and abs(longitude) <= 180):
            raise ConfigError(f"place {text!r} lies nowhere: latitude, then longitude, in degrees")
        return cls(name, latitude, longitude)


class Reaction(Protocol):
    """What a device did about one message."""

    @property
    def event_id(self) -> str: ...
    @property
    def level(self) -> Level: ...
    @property
    def s_arrival_us(self) -> int: ...


class Machine(Protocol):
    """A device at a place (docs/device-protocol.md); clocks in µs since the epoch."""

    newest: dict[str, AlertBody]

    def topics(self, clock_us: int) -> frozenset[str]: ...
    def now_us(self, clock_us: int) -> int: ...
    def on_alert(self, payload: bytes, clock_us: int) -> Reaction | None: ...
    def on_heartbeat(self, time_us: int, clock_us: int) -> Sequence[Reaction]: ...
    def on_keys(self, serial: int, clock_us: int) -> Sequence[Reaction]: ...


@dataclass(frozen=True, slots=True)
class PlaceAlert:
    """An alert, an update or a cancel for a place.

    ``s_arrival_us`` is S at the place itself.
    """

    place: Place
    alert: AlertBody
    level: Level
    s_arrival_us: int
    received_us: int

    @property
    def seconds_left(self) -> float:
        """Seconds from its receipt to the S-wave; negative: S has passed."""
        return (self.s_arrival_us - self.received_us) / 1e6

    @property
    def distance_km(self) -> float:
        """Distance from the epicentre."""
        origin, place = self.alert.origin, self.place
        return float(
            distance_km(origin.latitude, origin.longitude, place.latitude, place.longitude)
        )


class Watcher:
    """Takes what a broker delivers and returns what it means for the places.

    ``refused`` counts messages that were not valid.
    """

    def __init__(self, verifier: Verifier, machines: Mapping[Place, Machine]) -> None:
        self.refused = 0
        self._verifier = verifier
        self._machines = dict(machines)

    def topics(self, clock_us: int) -> list[tuple[str, int]]:
        """Topics and QoS to subscribe to: keys first, so that retained alerts can be verified."""
        alerts = {topic for one in self._machines.values() for topic in one.topics(clock_us)}
        return [(TOPIC_KEYS, 1), (TOPIC_HEARTBEAT, 0), *((topic, 1) for topic in sorted(alerts))]

    def take(self, topic: str, payload: bytes, clock_us: int) -> list[PlaceAlert]:
        """The alerts for places in a message, and in those that waited for keys or time."""
        try:
            if topic == TOPIC_KEYS:
                serial = self._verifier.update(payload).serial
                return self._all(lambda machine: machine.on_keys(serial, clock_us), clock_us)
            if topic == TOPIC_HEARTBEAT:
                body, plain = parse_heartbeat(payload)
                self._verifier.verify(plain, body.time_us)
                return self._all(
                    lambda machine: machine.on_heartbeat(body.time_us, clock_us), clock_us
                )
        except MessageError:
            self.refused += 1
            return []
        if not payload:
            return []  # a retained alert was cleared

        def on_alert(machine: Machine) -> Collection[Reaction]:
            reaction = (
                machine.on_alert(payload, clock_us) if topic in machine.topics(clock_us) else None
            )
            return [] if reaction is None else [reaction]

        return self._all(on_alert, clock_us)

    def _all(self, ask: "Ask", clock_us: int) -> list[PlaceAlert]:
        return [
            PlaceAlert(
                place,
                machine.newest[reaction.event_id],
                reaction.level,
                reaction.s_arrival_us,
                machine.now_us(clock_us),
            )
            for place, machine in self._machines.items()
            for reaction in ask(machine)
        ]


class Ask(Protocol):
    """A question to one machine."""

    def __call__(self, machine: Machine, /) -> Collection[Reaction]: ...
