"""PURE: events as files of CAP 1.2 messages, and an Atom feed (RFC 4287) of the newest ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ew.cap import cap_of_event
from ew.config import Config
from ew.records import EventVersion, Status
from ew.times import iso_from_seconds
from ew.traveltimes import TravelTimes
from ew.xmltree import add, document, encoded

ATOM = "http://www.w3.org/2005/Atom"
ENTRIES_MOST = 50
FEED = "feed.atom"


@dataclass(slots=True)
class CapWriter:
    """Turns event messages into files."""

    config: Config
    travel_times: TravelTimes
    sender: str
    _entries: list[tuple[str, EventVersion, Status]] = field(default_factory=list)

    def files(self, history: Sequence[EventVersion], status: Status) -> dict[str, bytes]:
        """The CAP message of an event's newest version, and the feed with it."""
        version = history[-1]
        name = f"{version.event_id}.{version.version}.xml"
        self._entries = [(name, version, status), *self._entries][:ENTRIES_MOST]
        message = cap_of_event(history, status, self.config, self.travel_times, self.sender)
        return {name: message, FEED: feed(self._entries, self.sender)}


def feed(entries: Sequence[tuple[str, EventVersion, Status]], sender: str) -> bytes:
    """An Atom feed of CAP files, newest first; links are relative to the feed."""
    root = document(ATOM, "feed")
    newest = entries[0][1]
    add(root, "id", f"urn:ew:{sender}:cap")
    add(root, "title", f"Earthquake alerts of {sender}")
    add(root, "updated", iso_from_seconds(newest.issued_s))
    add(add(root, "author"), "name", sender)
    for name, version, status in entries:
        entry = add(root, "entry")
        mark = "" if status == "actual" else f"{status.upper()}: "
        add(entry, "id", f"urn:ew:{sender}:{version.event_id}:{version.version}")
        add(entry, "title", f"{mark}Earthquake M {version.origin.magnitude:.1f} ({version.kind})")
        add(entry, "updated", iso_from_seconds(version.issued_s))
        add(entry, "link", rel="alternate", type="application/cap+xml", href=name)
    return encoded(root)
