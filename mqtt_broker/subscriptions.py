"""PURE: who subscribes to what, and which subscriptions match a topic."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

SHARE = "$share/"
TOPICS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription of a session."""

    qos: int
    no_local: bool
    retain_as_published: bool
    identifier: int

    @property
    def ids(self) -> tuple[int, ...]:
        """Its subscription identifier, if any, as a PUBLISH carries it."""
        return (self.identifier,) if self.identifier else ()


class Subscriber(Protocol):
    """What subscriptions need of a session."""

    subscriptions: dict[str, Subscription]

    @property
    def is_connected(self) -> bool:
        """Whether it has a connection now."""


S = TypeVar("S", bound=Subscriber)


class Subscriptions(Generic[S]):
    """Who subscribes to which topic: exact topics, filters with wildcards, shared filters."""

    def __init__(self) -> None:
        self._exact: dict[str, dict[S, Subscription]] = {}
        self._wild: dict[str, dict[S, Subscription]] = {}
        self._levels: dict[str, list[str]] = {}  # of the filters that have wildcards or are shared
        self._shared: dict[str, dict[S, Subscription]] = {}
        self._fitting: dict[str, list[dict[S, Subscription]]] = {}  # of wildcards, by topic

    def add(self, session: S, text: str, subscription: Subscription) -> bool:
        """Subscribe; return whether it is a new subscription."""
        is_new = text not in session.subscriptions
        session.subscriptions[text] = subscription
        table = self._table(text)
        if table is not self._exact:
            self._levels[text] = unshared(text).split("/")
        if table is self._wild and text not in table:
            self._fitting.clear()
        table.setdefault(text, {})[session] = subscription
        return is_new

    def remove(self, session: S, text: str) -> bool:
        """Unsubscribe; return whether there was such a subscription."""
        if session.subscriptions.pop(text, None) is None:
            return False
        table = self._table(text)
        del table[text][session]
        if not table[text]:
            del table[text]
            self._levels.pop(text, None)
            if table is self._wild:
                self._fitting.clear()
        return True

    def remove_all(self, session: S) -> None:
        """Remove all subscriptions of a session."""
        for text in list(session.subscriptions):
            self.remove(session, text)

    def match(self, topic: str) -> Iterator[tuple[S, Subscription]]:
        """Yield each subscription that matches a topic; a session may have several."""
        exact = self._exact.get(topic)
        if exact:
            yield from exact.items()
        if self._wild:
            fitting = self._fitting.get(topic)
            for receivers in self._find_fitting(topic) if fitting is None else fitting:
                yield from receivers.items()

    def _find_fitting(self, topic: str) -> list[dict[S, Subscription]]:
        """Find the filters with wildcards that match, and cache them: clients use few topics."""
        levels = topic.split("/")
        found = [who for text, who in self._wild.items() if matches(self._levels[text], levels)]
        if len(self._fitting) >= TOPICS_KEPT:
            self._fitting.clear()
        self._fitting[topic] = found
        return found

    def match_shared(self, topic: str) -> Iterator[tuple[S, Subscription]]:
        """Yield one member of each group that shares a matching filter, connected ones first."""
        if not self._shared:
            return
        levels = topic.split("/")
        for text, members in self._shared.items():
            if matches(self._levels[text], levels):
                chosen = next((s for s in members if s.is_connected), next(iter(members)))
                members[chosen] = members.pop(chosen)  # to the end of the row
                yield chosen, members[chosen]

    def _table(self, text: str) -> dict[str, dict[S, Subscription]]:
        if text.startswith(SHARE):
            return self._shared
        return self._wild if "+" in text or "#" in text else self._exact


def unshared(text: str) -> str:
    """Return the filter within ``$share/GROUP/FILTER``, or the filter itself."""
    return text.split("/", 2)[2] if text.startswith(SHARE) else text


def matches(pattern: list[str], levels: list[str]) -> bool:
    """Whether a filter's levels match a topic's (4.7); a leading wildcard matches no $ topic."""
    if levels[0].startswith("$") and pattern[0] in "+#":
        return False
    for i, part in enumerate(pattern):
        if part == "#":
            return True
        if i >= len(levels) or part not in ("+", levels[i]):
            return False
    return len(pattern) == len(levels)
