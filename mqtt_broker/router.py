"""PURE: a published message to every session that subscribed; retained messages and wills.

Time is passed in.
"""

from mqtt_broker.packets import Prop, Will, number
from mqtt_broker.sessions import Message, Session, new_message
from mqtt_broker.subscriptions import Subscription, Subscriptions, matches


class Broker:
    """Holds sessions, subscriptions and retained messages, and delivers between them."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.subscriptions: Subscriptions[Session] = Subscriptions()
        self.retained: dict[str, Message] = {}
        self.wills: list[tuple[float, Session, Will]] = []
        self.away: dict[Session, float] = {}

    def publish(self, message: Message, *, retain: bool, now: float) -> int:
        """Deliver a message to all subscribers and return their number."""
        if retain:
            if message.payload:
                self.retained[message.topic] = message
            else:
                self.retained.pop(message.topic, None)
        merged: dict[Session, tuple[int, bool, tuple[int, ...]]] = {}
        for session, sub in self.subscriptions.match(message.topic):
            if sub.no_local and session.client_id == message.publisher:
                continue
            ids = sub.ids
            qos, keep = min(sub.qos, message.qos), retain and sub.retain_as_published
            before = merged.get(session)
            if before is not None:  # overlapping filters: one copy, at the highest QoS (3.3.4)
                qos, keep, ids = max(qos, before[0]), keep or before[1], before[2] + ids
            merged[session] = (qos, keep, ids)
        for session, (qos, keep, ids) in merged.items():
            session.deliver(message, qos, keep, ids, now)
        receivers = len(merged)
        for session, sub in self.subscriptions.match_shared(message.topic):
            keep = retain and sub.retain_as_published
            session.deliver(message, min(sub.qos, message.qos), keep, sub.ids, now)
            receivers += 1
        return receivers

    def send_retained(
        self, session: Session, text: str, subscription: Subscription, now: float
    ) -> None:
        """Send the retained messages that match a new subscription."""
        if "+" in text or "#" in text:
            pattern = text.split("/")
            found = [m for topic, m in self.retained.items() if matches(pattern, topic.split("/"))]
        else:
            found = [self.retained[text]] if text in self.retained else []
        for message in found:
            is_own = subscription.no_local and message.publisher == session.client_id
            if not message.is_expired(now) and not is_own:
                session.deliver(
                    message, min(subscription.qos, message.qos), True, subscription.ids, now
                )

    def leave(self, session: Session, now: float, *, with_will: bool) -> None:
        """Detach a session from its connection, which has ended."""
        session.link = None
        will, session.will = session.will, None
        if will is not None and with_will:
            delay = number(will.properties, Prop.WILL_DELAY, 0)
            if delay and session.expiry_s > 0:
                self.wills.append((now + delay, session, will))
            else:
                self._publish_will(session, will, now)
        if session.expiry_s <= 0:
            self.end(session, now)
        else:
            self.away[session] = now + session.expiry_s

    def is_over(self, session: Session, now: float) -> bool:
        """Whether a session has expired, although no tick has ended it yet."""
        return self.away.get(session, float("inf")) <= now

    def back(self, session: Session) -> None:
        """Stop the expiry and the delayed will of a session that was reconnected (3.1.3.2.2)."""
        self.away.pop(session, None)
        if self.wills:
            self.wills = [w for w in self.wills if w[1] is not session]

    def end(self, session: Session, now: float) -> None:
        """End a session; a delayed will is published now."""
        due = [w for w in self.wills if w[1] is session]
        if due:
            self.wills = [w for w in self.wills if w[1] is not session]
            for _, _, will in due:
                self._publish_will(session, will, now)
        self.subscriptions.remove_all(session)
        self.away.pop(session, None)
        if self.sessions.get(session.client_id) is session:
            del self.sessions[session.client_id]

    def tick(self, now: float) -> None:
        """Publish wills that are due and remove expired sessions and retained messages."""
        due = [w for w in self.wills if w[0] <= now]
        if due:
            self.wills = [w for w in self.wills if w[0] > now]
        for _, session, will in due:
            self._publish_will(session, will, now)
        for session in [s for s, until in self.away.items() if until <= now]:
            self.end(session, now)
        for topic in [t for t, m in self.retained.items() if m.is_expired(now)]:
            del self.retained[topic]

    def _publish_will(self, session: Session, will: Will, now: float) -> None:
        message = new_message(
            will.topic, will.payload, will.qos, will.properties, session.client_id, now
        )
        self.publish(message, retain=will.retain, now=now)
