"""PURE: verifies messages by documents of keys that pinned roots have signed.

A device is made with one or more *root* public keys. The document on ``ew/v1/keys`` lists the keys
that sign messages, each with the statuses it may sign and its time; a root signs the document over
the canonical form of RFC 8785. ``serial`` never goes back, so that an old document, with a key that
was revoked since, can't be played again. A document that has expired ends trust in its keys.

    root (offline) --signs--> document of keys --lists--> signing keys --sign--> alerts, events
"""

import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from ew.alerts.signing import Signer, base64url, from_base64url
from ew.alerts.strict_json import MOST_INT, read_object
from ew.errors import ConfigError, MessageError
from ew.records import Status
from ew.times import US_PER_S

DOCUMENT_LIFE_US = 30 * 86_400 * US_PER_S
"""Life of a document, µs: 30 days, so that a stolen old one ends by itself; it is issued anew
sooner."""
KEY_LIFE_US = 365 * 86_400 * US_PER_S
BEFORE_US = 60 * US_PER_S
"""Keys are valid from this long before they are made, µs: receivers' clocks differ."""
DOCUMENT_MOST_BYTES = 64 * 1024
KEYS_MOST = 256
STATUSES: tuple[Status, ...] = ("actual", "exercise", "test")


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A signing key in a document; ``public_key``: its 32 raw bytes; times in µs."""

    key_id: str
    public_key: bytes
    statuses: tuple[Status, ...]
    not_before_us: int
    not_after_us: int

    @classmethod
    def of(cls, signer: Signer, now_us: int, life_us: int = KEY_LIFE_US) -> "KeyEntry":
        """The entry of a signer's public key, valid from now."""
        statuses = tuple(sorted(signer.may_sign))
        return cls(
            signer.key_id, signer.public_key(), statuses, now_us - BEFORE_US, now_us + life_us
        )


@dataclass(frozen=True, slots=True)
class Document:
    """A document of keys that has been verified; times in µs."""

    serial: int
    issued_us: int
    expires_us: int
    root_id: str
    keys: tuple[KeyEntry, ...]


def root_id(public_key: bytes) -> str:
    """The name of a root: the first 12 bytes of its public key's SHA-256, base64url."""
    return base64url(hashlib.sha256(public_key).digest()[:12])


def sign_document(
    root: Ed25519PrivateKey,
    keys: Sequence[KeyEntry],
    *,
    serial: int,
    issued_us: int,
    expires_us: int | None = None,
) -> bytes:
    """The signed document of ``keys`` in canonical form, as published on ``ew/v1/keys``."""
    body: dict[str, Any] = {
        "v": 2,
        "serial": serial,
        "issued_us": issued_us,
        "expires_us": issued_us + DOCUMENT_LIFE_US if expires_us is None else expires_us,
        "root_id": root_id(root.public_key().public_bytes_raw()),
        "keys": [
            {
                "key_id": key.key_id,
                "algorithm": "Ed25519",
                "public_key": base64url(key.public_key),
                "statuses": list(key.statuses),
                "not_before_us": key.not_before_us,
                "not_after_us": key.not_after_us,
            }
            for key in keys
        ],
    }
    return rfc8785.dumps({**body, "signature": base64url(root.sign(rfc8785.dumps(body)))})


def public_pem(public_key: bytes) -> bytes:
    """A public key as PEM."""
    key = Ed25519PublicKey.from_public_bytes(public_key)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def root_from_pem(pem: bytes, name: str) -> bytes:
    """The 32 raw bytes of a root's public key.

    Raises:
        ConfigError: it is no Ed25519 public key in PEM; the message begins with ``name``.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{name}: not a PEM public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{name}: not an Ed25519 key")
    return key.public_bytes_raw()


def read_document(payload: bytes, roots: Collection[bytes]) -> Document:
    """The document in ``payload``, if one of ``roots`` (raw public keys) has signed it.

    Raises:
        MessageError: it is malformed, too large or signed by no root.
    """
    body = read_object(payload, "keys document", DOCUMENT_MOST_BYTES)
    if body.get("v") != 2 or isinstance(body.get("v"), bool):
        raise MessageError("keys document: v is not 2")
    if not any(is_signed_by(body, Ed25519PublicKey.from_public_bytes(root)) for root in roots):
        raise MessageError("keys document: not signed by a known root")
    entries = body.get("keys")
    if not isinstance(entries, list) or len(entries) > KEYS_MOST:
        raise MessageError(f"keys document: keys is not a list of at most {KEYS_MOST}")
    keys = tuple(_entry(entry) for entry in entries if _is_known_algorithm(entry))
    if len({key.key_id for key in keys}) < len(keys):
        raise MessageError("keys document: two keys have one key_id")
    return Document(
        serial=_integer(body, "serial"),
        issued_us=_integer(body, "issued_us"),
        expires_us=_integer(body, "expires_us"),
        root_id=_text(body, "root_id"),
        keys=keys,
    )


class Verifier:
    """Verifies messages by pinned roots and the newest document they signed.

    ``serial``: that of the newest document seen before, for a receiver that remembers it.
    """

    def __init__(self, roots: Collection[bytes] = (), *, serial: int = 0) -> None:
        self._roots = tuple(roots)
        self._serial = serial
        self._keys: dict[str, tuple[KeyEntry, Ed25519PublicKey]] = {}
        self.document: Document | None = None

    @property
    def serial(self) -> int:
        """The largest serial so far; a receiver keeps it across restarts."""
        return self._serial

    def update(self, payload: bytes) -> Document:
        """Take a document in place of the one known; keys that are not in it are forgotten.

        A document is not refused for its age here, since a receiver may learn the time only from a
        message signed by these keys: ``verify`` checks whether it is still valid.

        Raises:
            MessageError: it is malformed, signed by no root, or older than one taken before.
        """
        document = read_document(payload, self._roots)
        if document.serial < self._serial:
            raise MessageError(
                f"keys document: serial {document.serial} goes back from {self._serial}"
            )
        if self.document is not None and document.serial == self._serial:
            if document != self.document:
                raise MessageError(f"keys document: another one with serial {self._serial}")
            return document
        self._serial, self.document = document.serial, document
        self._keys = {
            key.key_id: (key, Ed25519PublicKey.from_public_bytes(key.public_key))
            for key in document.keys
        }
        return document

    def verify(self, message: Mapping[str, Any], now_us: int) -> None:
        """Check the signature of a whole message (with its ``signature`` member).

        A heartbeat has ``mode`` in the place of ``status``.

        Raises:
            MessageError: no document is known or it has expired; the key is unknown, out of its
                time or not for this status; the signature is wrong.
        """
        key_id = message.get("key_id")
        found = self._keys.get(key_id) if isinstance(key_id, str) else None
        if self.document is None or found is None:
            raise MessageError(f"key {key_id!r} is unknown")
        if now_us >= self.document.expires_us:
            raise MessageError("the keys document has expired")
        entry, key = found
        if not entry.not_before_us <= now_us <= entry.not_after_us:
            raise MessageError(f"key {key_id!r} is not valid now")
        status = message.get("status", message.get("mode"))
        if status not in entry.statuses:
            raise MessageError(f"key {key_id!r} may not sign {status!r}")
        if not is_signed_by(message, key):
            raise MessageError("the signature is wrong")


def is_signed_by(message: Mapping[str, Any], key: Ed25519PublicKey) -> bool:
    """Whether the message's ``signature`` is the key's over its canonical form without it."""
    signature = message.get("signature")
    if not isinstance(signature, str):
        return False
    unsigned = {name: value for name, value in message.items() if name != "signature"}
    try:
        key.verify(from_base64url(signature), rfc8785.dumps(unsigned))
    except (InvalidSignature, rfc8785.CanonicalizationError, MessageError):
        return False
    return True


def _is_known_algorithm(entry: object) -> bool:
    # Keys of algorithms that come later are for receivers that know them
    return not isinstance(entry, dict) or entry.get("algorithm") == "Ed25519"


def _entry(entry: object) -> KeyEntry:
    if not isinstance(entry, dict):
        raise MessageError("keys document: a key is no object")
    statuses = entry.get("statuses")
    if not isinstance(statuses, list) or not all(isinstance(one, str) for one in statuses):
        raise MessageError("keys document: statuses is not a list of names")
    public_key = from_base64url(_text(entry, "public_key"))
    try:
        Ed25519PublicKey.from_public_bytes(public_key)
    except ValueError as error:
        raise MessageError(f"keys document: public_key: {error}") from error
    return KeyEntry(
        _text(entry, "key_id"),
        public_key,
        tuple(status for status in STATUSES if status in statuses),
        _integer(entry, "not_before_us"),
        _integer(entry, "not_after_us"),
    )


def _integer(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name)
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)  # JSON does not tell 1e3 from 1000
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_INT:
        raise MessageError(f"keys document: {name} is not an integer from 0 to 2^53 - 1")
    return value


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 128:
        raise MessageError(f"keys document: {name} is not a text of 1 to 128 characters")
    return value
