"""Events as files of QuakeML 1.2, one for each version, for seismologists' systems."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from obspy.core.event import Comment

from ew.quakeml import catalogue
from ew.records import EventVersion, Status


@dataclass(frozen=True, slots=True)
class QuakemlWriter:
    """Turns event messages into files; exercises and tests only with ``drills``, and marked."""

    drills: bool = False

    def files(self, history: Sequence[EventVersion], status: Status) -> dict[str, bytes]:
        """The file of an event's newest version; none of a drill that was not asked for."""
        if status != "actual" and not self.drills:
            return {}
        described = catalogue(history)
        if status != "actual":
            described[0].comments.append(Comment(text=f"{status.upper()}: no real earthquake"))
        written = io.BytesIO()
        described.write(written, format="QUAKEML")
        last = history[-1]
        return {f"{last.event_id}.{last.version}.xml": written.getvalue()}
