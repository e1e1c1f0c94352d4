"""PURE: Ed25519 signatures over the canonical form (RFC 8785), keys bound to what they may sign.

A ``Signer`` signs only the statuses it was made for; the key that signs ``actual`` is loaded from the file named in the
service's configuration and nowhere else, so replays, demos and tests, which make keys of their own, can't reach it.
"""

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ew.errors import ConfigError, MessageError
from ew.records import Status
from ew.times import US_PER_S

KEY_LIFE_US = 365 * 86_400 * US_PER_S


def base64url(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """The bytes of base64url without padding.

    Raises:
        MessageError: it is no base64url.
    """
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise MessageError("not base64url") from error


class Signer:
    """Signs messages of the statuses it was made for, and no other."""

    def __init__(self, key: Ed25519PrivateKey, key_id: str, may_sign: Collection[Status]) -> None:
        self._key = key
        self.key_id = key_id
        self.may_sign: frozenset[Status] = frozenset(may_sign)

    @classmethod
    def ephemeral(
        cls, key_id: str = "exercise", may_sign: Collection[Status] = ("exercise", "test")
    ) -> "Signer":
        """A new key for one run; never for ``actual``.

        Raises:
            ConfigError: it was asked to sign ``actual``.
        """
        if "actual" in may_sign:
            raise ConfigError(
                "a key made for one run can't sign actual alerts: name a key file in [service]"
            )
        return cls(Ed25519PrivateKey.generate(), key_id, may_sign)

    @classmethod
    def from_pem(cls, pem: bytes, key_id: str, may_sign: Collection[Status]) -> "Signer":
        """A key from its PEM text (PKCS 8, no password).

        Raises:
            ConfigError: it is no Ed25519 private key.
        """
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"key {key_id!r}: not a PEM private key: {error}") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(f"key {key_id!r}: not an Ed25519 key")
        return cls(key, key_id, may_sign)

    def sign(self, canonical: bytes, status: Status) -> str:
        """The signature (base64url) of canonical bytes of a message with ``status``.

        Raises:
            ConfigError: this key may not sign that status.
        """
        if status not in self.may_sign:
            allowed = ", ".join(sorted(self.may_sign))
            raise ConfigError(f"key {self.key_id!r} may sign {allowed}, not {status}")
        return base64url(self._key.sign(canonical))

    def public_key(self) -> bytes:
        """The 32 bytes of the public key."""
        return self._key.public_key().public_bytes_raw()


def keys_document(signers: Collection[Signer], now_us: int) -> dict[str, object]:
    """The body of ``ew/v1/keys``: the public keys, valid from now for a year."""
    return {
        "v": 1,
        "keys": [
            {
                "key_id": signer.key_id,
                "algorithm": "Ed25519",
                "public_key": base64url(signer.public_key()),
                "not_before_us": now_us - 60 * US_PER_S,
                "not_after_us": now_us + KEY_LIFE_US,
            }
            for signer in signers
        ],
    }


@dataclass(frozen=True, slots=True)
class _Key:
    key: Ed25519PublicKey
    not_before_us: int
    not_after_us: int


class Verifier:
    """Checks messages against the keys of ``ew/v1/keys``."""

    def __init__(self, document: Mapping[str, object] | None = None) -> None:
        self._keys: dict[str, _Key] = {}
        if document is not None:
            self.update(document)

    def update(self, document: Mapping[str, object]) -> None:
        """Take the keys of a keys document instead of those known.

        Raises:
            MessageError: the document is malformed.
        """
        keys: dict[str, _Key] = {}
        try:
            entries = document["keys"]
            if not isinstance(entries, list):
                raise MessageError("keys document: 'keys' is no list")
            for entry in entries:
                if entry.get("algorithm") != "Ed25519":
                    continue
                keys[str(entry["key_id"])] = _Key(
                    Ed25519PublicKey.from_public_bytes(from_base64url(entry["public_key"])),
                    int(entry["not_before_us"]),
                    int(entry["not_after_us"]),
                )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MessageError(f"keys document is malformed: {error}") from error
        self._keys = keys

    def verify(self, message: Mapping[str, object], now_us: int) -> None:
        """Check the signature of a whole message (with its ``signature`` member).

        Raises:
            MessageError: the key is unknown or out of its time, or the signature is wrong.
        """
        key = self._keys.get(str(message.get("key_id")))
        if key is None:
            raise MessageError(f"key {message.get('key_id')!r} is unknown")
        if not key.not_before_us <= now_us <= key.not_after_us:
            raise MessageError(f"key {message.get('key_id')!r} is not valid now")
        unsigned = {name: value for name, value in message.items() if name != "signature"}
        try:
            canonical = rfc8785.dumps(unsigned)  # type: ignore[arg-type] # it refuses what is no JSON itself
            key.key.verify(from_base64url(str(message.get("signature"))), canonical)
        except (InvalidSignature, rfc8785.CanonicalizationError) as error:
            raise MessageError("the signature is wrong") from error
