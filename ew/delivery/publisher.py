"""SHELL: publishes alerts, most urgent first, over several connections, and repeats lost ones.

Publishes are pipelined: a broker acknowledges a publish after its fan-out, so waiting for each
would send one cell at a time. What was not acknowledged when a connection broke is sent again on
the next, unless it has expired.
"""

import asyncio
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from ew.alerts.lanes import AlertQueue, Due
from ew.alerts.planner import AlertPlan
from ew.alerts.signing import Signer
from ew.broker_address import BrokerAddress
from ew.config import DeliveryConfig
from ew.delivery.link import Link, LinkError, Login, open_link
from ew.delivery.outbox import Outbox, Outgoing
from ew.delivery.progress import PublisherStatus, SendProgress
from ew.delivery.retained import Published, RetainedAlerts, SendRecord
from ew.errors import BrokerError
from mqtt_broker.packets import V5, V311, Prop, Publish

log = logging.getLogger("ew.publisher")

KEEP_ALIVE_S = 5
"""MQTT keep-alive, s: a broker that is silent without closing (it hangs, a cable is cut) is given
up after 7.5 s."""
BROKER_SILENT_S = 2.5
"""Health names a broker that has not answered for this long, s; it is asked each second."""
RECORDS_KEPT = 200_000
BATCH_MOST = 16
"""Most alerts written in one call: about 1 ms of signing; the first of a plan is written alone."""
TICK_S = 1.0
REPEAT_AFTER_S = 2.0


class Publisher:
    """An async context that publishes plans and other messages to one broker.

    ``now_s`` gives the service's time (epoch seconds), by which alerts expire.
    """

    def __init__(
        self,
        address: BrokerAddress,
        signer: Signer,
        config: DeliveryConfig | None = None,
        *,
        now_s: Callable[[], float] = time.time,
        queue: AlertQueue | None = None,
    ) -> None:
        self.address = address
        self.signer = signer
        self.status = PublisherStatus()
        self._acknowledged: deque[SendRecord] = deque(maxlen=RECORDS_KEPT)
        self._config = config or DeliveryConfig()
        self._now_s = now_s
        self._alerts = AlertQueue() if queue is None else queue
        self.progress = SendProgress(time.time_ns)
        self._again: deque[Outgoing] = deque()
        self.outbox = Outbox()
        self._held: deque[Published] = deque()  # to be published once more
        self._retained = RetainedAlerts()
        self._has_lost = False
        self._repeat: asyncio.TimerHandle | None = None
        self._pending = 0
        self._number = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._first_connect = asyncio.Event()
        self._wakes = [asyncio.Event() for _ in range(self._config.connections)]
        self._version = V5
        self._is_version_known = False
        self._tls = address.tls_context()
        self._tasks: list[asyncio.Task[None]] = []
        self._links: set[Link] = set()

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            BrokerError: no connection could be made within ten seconds, or the login is refused;
                the text names the address.
        """
        for number, wake in enumerate(self._wakes):
            task = asyncio.create_task(self._worker(number, wake), name=f"publisher-{number}")
            self._tasks.append(task)
        try:
            async with asyncio.timeout(10):
                await self._first_connect.wait()
        except TimeoutError:
            pass  # reported below
        if not self.status.connected:
            await self._stop()
            reason = self.status.last_error or "no answer"
            raise BrokerError(f"can't connect to the broker at {self.address.url}: {reason}")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all connections; pending messages are not sent."""
        await self._stop()

    def submit(self, plan: AlertPlan) -> None:
        """Queue a plan's alerts; they are sent by urgency among all that are pending."""
        self._alerts.put(plan)
        self.progress.submit(plan.version.event_id, plan.version.version)
        self._wake_all()

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        expires_s: float | None = None,
    ) -> None:
        """Queue any other message, to be sent after pending alerts.

        What is retained is published again after the connection was lost.
        """
        outgoing = Outgoing(topic, payload, qos, retain, expires_s)
        self.outbox.put(outgoing, self._now_s(), is_connected=self.status.connected > 0)
        self._wake_all()

    def take_acknowledged(self) -> list[SendRecord]:
        """The alerts that were acknowledged since the last call; of too many the newest."""
        taken, self._acknowledged = list(self._acknowledged), deque(maxlen=RECORDS_KEPT)
        return taken

    async def drain(self) -> None:
        """Return when everything submitted has been acknowledged or has expired."""
        await self._idle.wait()

    def clear_expired(self) -> None:
        """Clear expired retained alerts on brokers without message expiry (MQTT 3.1.1)."""
        emptied, put_back = self._retained.expire(self._now_s())
        if not self._config.retain:
            return
        if self._version != V5:
            for topic in emptied:
                self.publish(topic, b"", retain=True)
        if put_back:
            self._held.extend(put_back)
            self._wake_all()

    @property
    def silent_s(self) -> float:
        """Seconds since the broker last sent anything, on the most silent connection."""
        return max((link.silent_s for link in self._links), default=0.0)

    # Sending

    def _wake_all(self) -> None:
        self._idle.clear()
        for wake in self._wakes:
            wake.set()

    def _next(self) -> Outgoing | None:
        """The next message: those of a broken connection, then alerts by urgency, then others."""
        while self._again:
            outgoing = self._again.popleft()
            if self._is_stale(outgoing):
                self.status.expired += 1
            else:
                return outgoing
        while (due := self._alerts.pop(self._now_s())) is not None:
            if due.plan.expires_s(due.place) > self._now_s():
                return self._alert(due)
            self.status.expired += 1
        while self._held:
            again = self._outgoing(self._held.popleft())
            if not self._is_stale(again):
                return again
        return self.outbox.pop()

    def _is_stale(self, outgoing: Outgoing) -> bool:
        """Whether a message has expired, or a newer version was sent on another connection."""
        if outgoing.is_over(self._now_s()):
            return True
        record = outgoing.record
        if record is None:
            return False
        newest = self._retained.newest(outgoing.topic, record.event_id)
        return newest is not None and newest.record.version > record.version

    def _alert(self, due: Due) -> Outgoing:
        plan, place = due.plan, due.place
        topic = plan.topic(place)
        progress = self.progress.of(plan.version.event_id, plan.version.version)
        submitted_ns = progress.submitted_ns if progress else 0
        version, row = plan.version, plan.order[place]
        strength = float(plan.intensity[row])
        record = SendRecord(topic, version.event_id, version.version, submitted_ns, row, strength)
        alert = Published(record, due, plan.expires_s(place))
        in_its_place = self._retained.note(alert, self._now_s())
        if in_its_place is not None:
            self._held.append(in_its_place)
        return self._outgoing(alert)

    def _outgoing(self, alert: Published) -> Outgoing:
        due, record = alert.due, alert.record
        begin_ns = time.perf_counter_ns()
        payload = due.plan.message(due.place, self.signer)
        record.signed_ns = time.perf_counter_ns() - begin_ns
        retain = self._config.retain and alert.is_retained
        return Outgoing(record.topic, payload, self._config.qos, retain, alert.expires_s, record)

    def _repeat_later(self) -> None:
        """Publish retained messages and alerts once more, a moment after a lost connection is back.

        A broker that restarted may have lost what it acknowledged. In a cluster, a device that
        subscribes on one node while an alert comes to another can miss both the alert and its
        retained copy (seen with NATS 2.9).
        """
        self._has_lost = False
        if self._repeat is not None:
            self._repeat.cancel()
        loop = asyncio.get_running_loop()
        self._repeat = loop.call_later(REPEAT_AFTER_S, self._send_again)

    def _send_again(self) -> None:
        now_s = self._now_s()
        held = [one for one in self._retained if one.expires_s > now_s and one.record.acked_ns]
        self._held.extend(held)
        self.status.repeated += len(held) + self.outbox.send_again(now_s)
        self._wake_all()

    async def _worker(self, number: int, wake: asyncio.Event) -> None:
        """Keep one connection up and send over it; runs until it is cancelled.

        Connections start at different nodes of a cluster, and after a loss continue with the next
        node.
        """
        wait_s = self._config.retry_first_s
        nodes = self.address.nodes
        for attempt in itertools.count(number):
            host, port = nodes[attempt % len(nodes)]
            version = self._version
            login = Login(
                version, KEEP_ALIVE_S, self.address.username, self.address.password, self._tls
            )
            under_way: set[Outgoing] = set()
            try:
                link = await open_link(host, port, login, self._acknowledger(under_way, wake))
                self.status.connected += 1
                self._first_connect.set()
                self._is_version_known = True
                if self._has_lost:
                    self._repeat_later()
                wait_s = self._config.retry_first_s
                try:
                    await self._serve(link, wake, under_way)
                finally:
                    self.status.connected -= 1
                    self._has_lost = True
            except LinkError as error:
                if version == V5 and error.is_other_version:
                    self._version = V311  # NATS, for one
                    log.info("broker %s:%d speaks MQTT 3.1.1", host, port)
                    continue
                if error.is_unanswered and not self._is_version_known:
                    self._version = V311 if version == V5 else V5  # in turns, until one is answered
                self._note_trouble(error, wait_s)
                if error.is_wrong_login:
                    self._first_connect.set()  # ends the wait of ``__aenter__``
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, self._config.retry_most_s)

    def _note_trouble(self, error: LinkError, wait_s: float) -> None:
        text = str(error) or type(error).__name__
        self.status.reconnects += 1
        self.status.last_error = text
        log.warning(
            "broker %s: %s; %d alerts wait, trying again in %.1f s",
            self.address.url,
            text,
            len(self._again) + self._alerts.pending,
            wait_s,
        )

    def _acknowledger(
        self, under_way: set[Outgoing], wake: asyncio.Event
    ) -> Callable[[object, int], None]:
        def acknowledged(token: object, reason: int) -> None:
            if isinstance(token, Outgoing) and token in under_way:
                under_way.discard(token)
                self._note_sent(token, reason)
            wake.set()

        return acknowledged

    def _note_sent(self, outgoing: Outgoing, reason: int) -> None:
        """Count an acknowledged message; one the broker refuses (quota, access) is not repeated."""
        self._pending -= 1
        if reason >= 0x80:
            self.status.refused += 1
            self.status.last_error = f"{outgoing.topic}: refused, reason {reason:#x}"
            log.error("broker %s: %s", self.address.url, self.status.last_error)
            return
        record = outgoing.record
        if record is not None and not record.acked_ns:
            record.acked_ns = time.time_ns()
            self._acknowledged.append(record)
            self.progress.acknowledged(record.event_id, record.version, record.acked_ns)
        self.status.sent += 1

    async def _serve(self, link: Link, wake: asyncio.Event, under_way: set[Outgoing]) -> None:
        """Send until the connection breaks; then queue what was not acknowledged again."""
        link.lost.add_done_callback(lambda _: wake.set())
        ticker = asyncio.create_task(_keep_alive(link), name="publisher-keep-alive")
        self._links.add(link)
        try:
            while not link.lost.done():
                wake.clear()
                await self._send_all(link, under_way)
                self._note_idle()
                await wake.wait()
            link.lost.result()
        finally:
            ticker.cancel()
            self._links.remove(link)
            link.close()
            self._pending -= len(under_way)
            self._again.extend(sorted(under_way, key=lambda one: one.number))
            under_way.clear()

    async def _send_all(self, link: Link, under_way: set[Outgoing]) -> None:
        """Send what is due and the window allows: first one message, then ever more in one call."""
        most = 1
        while not link.lost.done() and (batch := self._batch(link, under_way, most)):
            link.write(batch)
            most = min(2 * most, BATCH_MOST)
            await asyncio.sleep(0)  # the first must leave before the last is signed

    def _batch(self, link: Link, under_way: set[Outgoing], most: int) -> list[bytes]:
        batch: list[bytes] = []
        while len(batch) < most and link.has_room(self._config.window):
            outgoing = self._next()
            if outgoing is None:
                break
            self._pending += 1
            self._number += 1
            outgoing.number = self._number
            record = outgoing.record
            if record is not None and not record.acked_ns:
                if not record.sent_ns:
                    self.progress.sent(
                        record.event_id, record.version, time.time_ns(), record.signed_ns
                    )
                record.sent_ns = time.time_ns()
            batch.append(link.encode(self._publish(outgoing), outgoing))
            if outgoing.qos:
                under_way.add(outgoing)
            else:
                self._note_sent(outgoing, 0)
        return batch

    def _publish(self, outgoing: Outgoing) -> Publish:
        properties: list[tuple[int, int | str | bytes | tuple[str, str]]] = []
        if self._version == V5 and outgoing.expires_s is not None:
            left_s = max(1, round(outgoing.expires_s - self._now_s()))
            properties.append((Prop.MESSAGE_EXPIRY, left_s))
        return Publish(
            outgoing.topic, outgoing.payload, outgoing.qos, outgoing.retain, False, 0, properties
        )

    def _note_idle(self) -> None:
        waiting = self._again or len(self.outbox) or self._alerts or self._held
        if not self._pending and not waiting:
            self._idle.set()

    async def _stop(self) -> None:
        if self._repeat is not None:
            self._repeat.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _keep_alive(link: Link) -> None:
    while True:
        await asyncio.sleep(TICK_S)
        link.tick()
