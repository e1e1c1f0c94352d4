"""PURE: Ed25519 signatures (RFC 8032) over the canonical form (RFC 8785), keys bound to statuses.

A ``Signer`` signs only the statuses it was made for. The key that signs ``actual`` is loaded from
the file named in the service's configuration and nowhere else, so that replays, demos and tests,
which make keys of their own, can't reach it. Receivers check signatures in ``ew.alerts.trust``.
"""

import base64
import re
from collections.abc import Collection

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ew.errors import ConfigError, MessageError
from ew.records import Status

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


def base64url(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """The bytes of base64url without padding, in its one canonical spelling (RFC 4648, 3.5).

    Raises:
        MessageError: it is no base64url, or another spelling of the same bytes.
    """
    if _BASE64URL.fullmatch(text) is None or len(text) % 4 == 1:
        raise MessageError("not base64url")
    found = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64url(found) != text:
        # Spare bits that are not zero: a second spelling of a signature would pass for a new
        # message
        raise MessageError("not base64url in its canonical spelling")
    return found


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
        key = private_key_from_pem(pem, f"key {key_id!r}")
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

    def to_pem(self) -> bytes:
        """The private key as PEM (PKCS 8, no password)."""
        return private_key_to_pem(self._key)


def private_key_from_pem(pem: bytes, name: str) -> Ed25519PrivateKey:
    """An Ed25519 private key from its PEM text (PKCS 8, no password).

    Raises:
        ConfigError: it is none; the message begins with ``name``.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{name}: not a PEM private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{name}: not an Ed25519 key")
    return key


def private_key_to_pem(key: Ed25519PrivateKey) -> bytes:
    """A private key as PEM (PKCS 8, no password)."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
