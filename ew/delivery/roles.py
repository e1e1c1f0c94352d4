"""PURE: what devices, stations and the service may publish and subscribe to on our own broker.

Devices, which need no name, receive alerts, events, the heartbeat and keys, and publish receipts.
Stations publish waveforms and picks. Only the service publishes alerts: nobody else who reaches
the broker can alert a town. (A forger's signature would not hold, but a flood of forgeries would
still be a flood.)
"""

from enum import Enum

from mqtt_broker.connection import Limits

DEVICE_PACKET_BYTES = 64 << 10
"""A device publishes receipts; its largest packet, a list of subscriptions, is far below this."""
LIMITS = Limits(urgent=("ew/v1/alert/",))
"""Alerts are handled before all other messages."""

_FOR_ALL_BELOW = ("ew/v1/alert/", "ew/v1/event/")
_FOR_ALL = frozenset({"ew/v1/heartbeat", "ew/v1/keys"})
_STATIONS = frozenset({"ew/v1/waveform", "ew/v1/pick", "ew/v1/detector"})
_RECEIPTS = frozenset({"ew/v1/receipt"})


class Role(Enum):
    """The role of a client; the value is the one in the file of users."""

    SERVICE = "service"
    STATION = "station"
    DEVICE = "device"
    OPEN_STATION = "open-station"
    """A client without a name on a broker whose stations need none: may also send waveforms."""

    @property
    def rank(self) -> int:
        """A client of a higher rank may take over the session of one of a lower rank."""
        return _RANKS[self]

    @property
    def may_retain(self) -> bool:
        """Only the service's messages are retained: others could fill the broker's memory."""
        return self is Role.SERVICE

    @property
    def may_be_urgent(self) -> bool:
        """Only the service's alerts go before other messages."""
        return self is Role.SERVICE

    @property
    def max_packet_bytes(self) -> int | None:
        """Largest packet it may send; ``None``: the broker's own limit."""
        return DEVICE_PACKET_BYTES if self is Role.DEVICE else None

    def may_publish(self, topic: str) -> bool:
        """Whether it may publish to a topic: one level below those of its role."""
        above, _, last = topic.rpartition("/")
        return self is Role.SERVICE or (bool(last) and above in _PUBLISHES_BELOW[self])

    def may_subscribe(self, topic_filter: str) -> bool:
        """Whether it may subscribe to a topic filter.

        Alerts, events, heartbeat and keys are for all. Messages between the parts of the service
        are for the service alone, and so is every filter with a wildcard above these topics.
        """
        is_for_all = topic_filter.startswith(_FOR_ALL_BELOW) or topic_filter in _FOR_ALL
        return self is Role.SERVICE or is_for_all


_RANKS = {Role.DEVICE: 0, Role.OPEN_STATION: 0, Role.STATION: 1, Role.SERVICE: 2}
_PUBLISHES_BELOW: dict[Role, frozenset[str]] = {
    Role.STATION: _STATIONS | _RECEIPTS,
    Role.OPEN_STATION: _STATIONS | _RECEIPTS,
    Role.DEVICE: _RECEIPTS,
}
USER_ROLES = {role.value: role for role in (Role.SERVICE, Role.STATION, Role.DEVICE)}
"""The roles that may stand in the file of users."""
