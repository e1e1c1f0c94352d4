"""SHELL: the document of keys on ``ew/v1/keys``: said, renewed as it is issued anew, and kept beside others.

A topic retains one document. Where another service with a root of its own, or a stranger, puts its
document there, devices that come later would hear that one alone, and could check nothing of ours. So
ours is said again a few seconds after each foreign one: two services take turns, every device hears its
own root's document within some seconds, and both say in health and log that another speaks there.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable

from ew.alerts.strict_json import read_object
from ew.alerts.trust import DOCUMENT_MOST_BYTES, Document, Verifier, read_document
from ew.errors import EwError, MessageError
from ew.storage.keyring import ServiceKeys
from ew.times import US_PER_S

log = logging.getLogger("ew.keys")

AGAIN_S = 5.0
"""Ours is said again so long after another's: often enough for a device, and no flood between two services."""
SAY_S = 300.0
"""Ours is said again so often anyway: some brokers let what is retained expire (EMQX as in deploy/: 600 s)."""
SPEAKS_S = 60.0
"""Another service is named in health for so long after its last document."""
ENDING_S = 3 * 86_400.0
"""So long before its document or key ends, health names it: an operator has a weekend."""
RELOAD_S = 30.0
NAME_MOST = 32


class KeysPublisher:
    """Keeps ``keys.document`` on the broker.

    ``publish`` sends it, retained; ``reload`` reads keys and document from their files again.
    """

    def __init__(
        self, keys: ServiceKeys, publish: Callable[[bytes], None], reload: Callable[[], ServiceKeys]
    ) -> None:
        self.keys = keys
        self.verifier = Verifier([keys.root])
        self._document = self.verifier.update(keys.document)
        self._publish = publish
        self._reload = reload
        self._file_trouble = ""
        self._newer_trouble = ""
        self._other = ""
        self._other_s = 0.0
        self._due_s = math.inf

    def publish(self) -> None:
        """Put our document on the topic."""
        self._due_s = math.inf
        self._publish(self.keys.document)

    def take(self, payload: bytes, now_s: float) -> None:
        """A document came on the topic: ours as it was sent, or another's."""
        if payload == self.keys.document or not payload:
            return
        try:
            self._take_ours(read_document(payload, [self.keys.root]))
        except MessageError:
            self._take_others(payload, now_s)

    def _take_ours(self, document: Document) -> None:
        """Another document of our own root: an older one is of no matter, a newer one may not list our key."""
        if document.serial <= self.verifier.serial:
            return
        signer = self.keys.signer
        is_listed = any(key.public_key == signer.public_key() for key in document.keys)
        self._newer_trouble = (
            ""
            if is_listed
            else f"the newest document of keys (serial {document.serial}) does not list "
            f"{signer.key_id!r}: devices do not believe this service"
        )
        if self._newer_trouble:
            log.error("%s", self._newer_trouble)

    def _take_others(self, payload: bytes, now_s: float) -> None:
        other = _root_named(payload)
        if other != self._other or now_s - self._other_s > SPEAKS_S:
            log.warning("another service or a stranger speaks on the broker: %s", other)
        self._other, self._other_s = other, now_s
        self._due_s = min(self._due_s, now_s + AGAIN_S)

    def tick(self, now_s: float) -> None:
        """Say ours again where another's has taken its place, or a broker may have let it expire."""
        if now_s >= self._due_s:
            self.publish()
        self._due_s = min(self._due_s, now_s + SAY_S)

    def trouble(self, now_s: float) -> list[str]:
        """What is wrong, for health."""
        found = [one for one in (self._newer_trouble, self._file_trouble) if one]
        found += self._ending(now_s)
        if self._other and now_s - self._other_s <= SPEAKS_S:
            found.append(f"another service or a stranger speaks on the broker: {self._other}")
        return found

    def _ending(self, now_s: float) -> list[str]:
        """Whether devices will soon believe this service no more, or do so already."""
        signer, document = self.keys.signer, self._document
        ends_us = {"the document of keys": document.expires_us}
        for key in document.keys:
            if key.public_key == signer.public_key():
                ends_us[f"key {signer.key_id!r}"] = key.not_after_us
        what, end_us = min(ends_us.items(), key=lambda one: one[1])
        left_s = end_us / US_PER_S - now_s
        if left_s > ENDING_S:
            return []
        return [f"{what} ends in {max(left_s, 0) / 3600:.0f} h: issue a new one (`ew keys rotate`)"]

    def renew(self, found: ServiceKeys) -> None:
        """Keys and document were read again: a newer document is said at once, another key takes a restart."""
        if found.document == self.keys.document:
            self._file_trouble = ""
            return
        is_ours = found.root == self.keys.root
        if not is_ours or found.signer.public_key() != self.keys.signer.public_key():
            self._note_file("the files hold another key or root; restart the service to use them")
            return
        try:
            self._document = self.verifier.update(found.document)
        except MessageError as error:
            self._note_file(str(error))
            return
        self.keys, self._file_trouble, self._newer_trouble = found, "", ""
        log.info("document of keys with serial %d", self._document.serial)
        self.publish()

    def _note_file(self, trouble: str) -> None:
        trouble = f"keys: {trouble}"
        if trouble != self._file_trouble:
            log.warning("%s", trouble)
        self._file_trouble = trouble

    async def run(self) -> None:
        """Do all this until cancelled."""
        read_s = time.monotonic()
        while True:
            await asyncio.sleep(1.0)
            self.tick(time.time())
            if time.monotonic() - read_s < RELOAD_S:
                continue
            try:
                self.renew(await asyncio.to_thread(self._reload))
            except EwError as error:
                self._note_file(str(error))
            read_s = time.monotonic()


def _root_named(payload: bytes) -> str:
    """Which root a document says it is of; nothing in it is proven."""
    try:
        name = read_object(payload, "keys document", DOCUMENT_MOST_BYTES).get("root_id")
    except MessageError:
        name = None
    if isinstance(name, str) and name.isprintable() and 0 < len(name) <= NAME_MOST:
        return f"a document of root {name}"
    return "something that is no document of keys"
