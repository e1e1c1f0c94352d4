"""SHELL: publishes the document of keys on ``ew/v1/keys`` and keeps it there beside others'.

A topic retains one document. Where another service with a root of its own, or a stranger, publishes
its document there, devices that connect later would receive that one alone and could verify nothing
of ours. So ours is published again a few seconds after each foreign one: two services take turns,
every device receives its own root's document within seconds, and both services report the other in
health and log. A document that is issued anew on disk is published at once.
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

AFTER_OTHER_S = 5.0
"""Ours is published again this long after another's, s: soon enough for a device, and no flood
between two services."""
REPEAT_EVERY_S = 300.0
"""Ours is published again at least this often, s: some brokers let retained messages expire (EMQX
as in deploy/: after 600 s)."""
OTHER_NAMED_S = 60.0
"""Health names another service on the topic for this long after its last document, s."""
ENDING_S = 3 * 86_400.0
"""Health names the end of a document or key this long ahead, s: an operator has a weekend."""
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
        """Publish our document."""
        self._due_s = math.inf
        self._publish(self.keys.document)

    def take(self, payload: bytes, now_s: float) -> None:
        """Note a document that came on the topic: our own, or another's."""
        if payload == self.keys.document or not payload:
            return
        try:
            self._take_ours(read_document(payload, [self.keys.root]))
        except MessageError:
            self._take_others(payload, now_s)

    def _take_ours(self, document: Document) -> None:
        """Note another document of our root: an older one is harmless, a newer may lack our key."""
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
        if other != self._other or now_s - self._other_s > OTHER_NAMED_S:
            log.warning("another service or a stranger speaks on the broker: %s", other)
        self._other, self._other_s = other, now_s
        self._due_s = min(self._due_s, now_s + AFTER_OTHER_S)

    def tick(self, now_s: float) -> None:
        """Publish ours again where another's replaced it, or a broker may have let it expire."""
        if now_s >= self._due_s:
            self.publish()
        self._due_s = min(self._due_s, now_s + REPEAT_EVERY_S)

    def trouble(self, now_s: float) -> list[str]:
        """The reasons why devices can't trust this service, for health."""
        found = [one for one in (self._newer_trouble, self._file_trouble) if one]
        found += self._ending(now_s)
        if self._other and now_s - self._other_s <= OTHER_NAMED_S:
            found.append(f"another service or a stranger speaks on the broker: {self._other}")
        return found

    def _ending(self, now_s: float) -> list[str]:
        """Reasons if the document or key ends soon, or has ended."""
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
        """Use keys and document that were read again.

        A newer document is published at once; another signing key needs a restart.
        """
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
        """Publish and renew until cancelled."""
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
    """The root that a document claims to be signed by; nothing in it is verified."""
    try:
        name = read_object(payload, "keys document", DOCUMENT_MOST_BYTES).get("root_id")
    except MessageError:
        name = None
    if isinstance(name, str) and name.isprintable() and 0 < len(name) <= NAME_MOST:
        return f"a document of root {name}"
    return "something that is no document of keys"
