"""PURE: events as files of CAP 1.2 messages, and an Atom feed (RFC 4287) of the newest ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast
from xml.etree import ElementTree as ET

from ew.alerts.message import parse_event
from ew.alerts.trust import Verifier
from ew.cap import cap_message
from ew.config import Config
from ew.records import EventVersion, Status
from ew.shaking.profile import profile
from ew.times import iso_from_seconds
from ew.traveltimes import TravelTimes

ATOM = "http://www.w3.org/2005/Atom"
ENTRIES_MOST = 50
EVENTS_KEPT = 64
FEED = "feed.atom"


@dataclass(slots=True)
class CapWriter:
    """Takes event messages; gives files by name."""

    config: Config
    travel_times: TravelTimes
    verifier: Verifier
    sender: str
    _histories: dict[str, list[EventVersion]] = field(default_factory=dict)
    _entries: list[tuple[str, EventVersion, Status]] = field(default_factory=list)

    def take(self, payload: bytes, now_us: int) -> dict[str, bytes]:
        """The files an event message makes: its CAP message and the feed; none for what was known.

        Raises:
            MessageError: it is no event message, or is signed with no key the roots vouch for.
        """
        version, plain = parse_event(payload)
        self.verifier.verify(plain, now_us)
        history = self._histories.setdefault(version.event_id, [])
        if history and version.version <= history[-1].version:
            return {}
        history.append(version)
        while len(self._histories) > EVENTS_KEPT:
            del self._histories[next(iter(self._histories))]
        status = cast("Status", plain["status"])  # one of them, or it would be no event message
        name = f"{version.event_id}.{version.version}.xml"
        self._entries = [(name, version, status), *self._entries][:ENTRIES_MOST]
        return {name: self._message(history, status), FEED: feed(self._entries, self.sender)}

    def _message(self, history: Sequence[EventVersion], status: Status) -> bytes:
        least = min(kind.min_intensity for kind in self.config.policy.kinds.values())
        relation = self.config.shaking.relation
        felt = profile(history[-1].origin, self.travel_times, relation, least)
        return cap_message(
            history,
            status,
            sender=self.sender,
            radius_km=felt["alert_km"],
            highest=max(felt["intensity"]),
        )


def feed(entries: Sequence[tuple[str, EventVersion, Status]], sender: str) -> bytes:
    """An Atom feed of CAP files, newest first; links are relative to the feed."""
    ET.register_namespace("", ATOM)
    root = ET.Element(f"{{{ATOM}}}feed")
    newest = entries[0][1]
    _add(root, "id", f"urn:ew:{sender}:cap")
    _add(root, "title", f"Earthquake alerts of {sender}")
    _add(root, "updated", iso_from_seconds(newest.issued_s))
    author = ET.SubElement(root, f"{{{ATOM}}}author")
    _add(author, "name", sender)
    for name, version, status in entries:
        entry = ET.SubElement(root, f"{{{ATOM}}}entry")
        mark = "" if status == "actual" else f"{status.upper()}: "
        _add(entry, "id", f"urn:ew:{sender}:{version.event_id}:{version.version}")
        _add(entry, "title", f"{mark}Earthquake M {version.origin.magnitude:.1f} ({version.kind})")
        _add(entry, "updated", iso_from_seconds(version.issued_s))
        link = {"rel": "alternate", "type": "application/cap+xml", "href": name}
        ET.SubElement(entry, f"{{{ATOM}}}link", link)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _add(parent: ET.Element, tag: str, text: str) -> None:
    ET.SubElement(parent, f"{{{ATOM}}}{tag}").text = text
