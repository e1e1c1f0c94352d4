"""Events as files of QuakeML 1.2, one for each version, for seismologists' systems."""

import io
from dataclasses import dataclass

from obspy.core.event import Comment

from ew.alerts.trust import Verifier
from ew.bridges.histories import Histories
from ew.quakeml import catalogue


@dataclass(slots=True)
class QuakemlWriter:
    """Turns event messages into files; exercises and tests only with ``drills``, and marked."""

    histories: Histories
    drills: bool = False

    @property
    def verifier(self) -> Verifier:
        """The verifier of the messages."""
        return self.histories.verifier

    def take(self, payload: bytes, now_us: int) -> dict[str, bytes]:
        """The file of an event message by name, if it is new.

        Raises:
            MessageError: it is no event message, or is not signed with a key that the roots vouch
                for.
        """
        found = self.histories.take(payload, now_us)
        if found is None or (found[1] != "actual" and not self.drills):
            return {}
        history, status = found
        described = catalogue(history)
        if status != "actual":
            described[0].comments.append(Comment(text=f"{status.upper()}: no real earthquake"))
        written = io.BytesIO()
        described.write(written, format="QUAKEML")
        last = history[-1]
        return {f"{last.event_id}.{last.version}.xml": written.getvalue()}
