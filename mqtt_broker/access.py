"""PURE: who may connect, and what each role may publish and subscribe to.

The program that runs the broker defines its roles (see ``Role``). Passwords are kept as scrypt
hashes (RFC 7914) in a file of users, one a line: ``NAME:ROLE:N$R$P$SALT$HASH``, salt and hash in
base64.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

COST, BLOCK, PARALLEL = 1 << 14, 8, 1
"""scrypt's parameters: 16 MiB and some 50 ms a guess."""
SCRYPT_MAX_BYTES = 128 << 20
"""Memory that a hash in the file of users may ask for."""
HASH_BYTES, SALT_BYTES = 32, 16
VERIFIED_MAX = 10_000
"""Users whose last correct password is remembered by a fast hash."""


class UsersError(ValueError):
    """A file of users is malformed; the message names the file and the line."""


class Role(Protocol):
    """What a client may do; the program that runs the broker defines the roles it knows."""

    @property
    def rank(self) -> int:
        """A client of a higher rank may take over the session of one of a lower rank."""

    @property
    def may_retain(self) -> bool:
        """Whether its messages may be retained."""

    @property
    def may_be_urgent(self) -> bool:
        """Whether its messages on urgent topics are handled before all others."""

    @property
    def max_packet_bytes(self) -> int | None:
        """Largest packet it may send; ``None``: the broker's own limit."""

    def may_publish(self, topic: str) -> bool:
        """Whether it may publish to a topic."""

    def may_subscribe(self, topic_filter: str) -> bool:
        """Whether it may subscribe to a topic filter."""


@dataclass(frozen=True, slots=True)
class Unrestricted:
    """The role of a client that may do everything."""

    rank: int = 0
    may_retain: bool = True
    may_be_urgent: bool = True
    max_packet_bytes: int | None = None

    def may_publish(self, topic: str) -> bool:
        """Every topic is allowed."""
        del topic
        return True

    def may_subscribe(self, topic_filter: str) -> bool:
        """Every topic filter is allowed."""
        del topic_filter
        return True


UNRESTRICTED = Unrestricted()


@dataclass(frozen=True, slots=True)
class User:
    """One line of the file of users."""

    role: Role
    hashed: str


@dataclass(frozen=True, slots=True)
class Access:
    """The users of one broker, and the role of a client without a name (``None``: refused)."""

    users: Mapping[str, User] = field(default_factory=dict)
    anonymous: Role | None = UNRESTRICTED
    _verified: dict[str, bytes] = field(default_factory=dict)  # fast hashes of correct passwords

    def needs_password(self, username: str | None) -> bool:
        """Whether this client's password has to be checked."""
        return self.anonymous is None or (username is not None and bool(self.users))

    def check(self, name: str, password: bytes) -> Role | None:
        """Return the role of a user whose password is correct, else ``None``.

        The first check of a user takes some 50 ms by design: keep it off an event loop.
        """
        user = self.users.get(name)
        fast = hashlib.sha256(name.encode() + b"\x00" + password).digest()
        if user is not None and hmac.compare_digest(self._verified.get(name, b""), fast):
            return user.role
        # An unknown name takes as long as a wrong password: names can't be guessed by the clock
        is_correct = is_password(password, user.hashed if user else _NOBODY)
        if user is None or not is_correct:
            return None
        if len(self._verified) < VERIFIED_MAX:
            self._verified[name] = fast
        return user.role


OPEN = Access()
"""A broker without rules: everybody may do everything."""


def hash_password(password: bytes, salt: bytes | None = None) -> str:
    """Return a password in the form that the file of users keeps."""
    salt = os.urandom(SALT_BYTES) if salt is None else salt
    digest = _scrypt(password, salt, COST, BLOCK, PARALLEL)
    parts = [base64.b64encode(part).decode() for part in (salt, digest)]
    return "$".join([str(COST), str(BLOCK), str(PARALLEL), *parts])


def is_password(password: bytes, hashed: str) -> bool:
    """Whether a password belongs to a hash."""
    cost, block, parallel, salt, digest = hashed.split("$")
    found = _scrypt(password, base64.b64decode(salt), int(cost), int(block), int(parallel))
    return hmac.compare_digest(found, base64.b64decode(digest))


def _scrypt(password: bytes, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    return hashlib.scrypt(
        password,
        salt=salt,
        n=cost,
        r=block,
        p=parallel,
        maxmem=SCRYPT_MAX_BYTES,
        dklen=HASH_BYTES,
    )


_NOBODY = f"{COST}${BLOCK}${PARALLEL}${'A' * 22}==${'A' * 43}="


def parse_users(text: str, where: str, roles: Mapping[str, Role]) -> dict[str, User]:
    """Parse the text of a file of users; ``roles`` are those that may stand in it, by name.

    Raises:
        UsersError: a line is malformed; the message gives its number, never its content.
    """
    users: dict[str, User] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            name, role, hashed = line.strip().split(":")
            users[name] = User(roles[role], hashed)
            _check_hash(hashed)
        except (KeyError, ValueError, binascii.Error) as error:
            raise UsersError(
                f"{where}, line {number}: not NAME:ROLE:HASH with a role of {', '.join(roles)}"
            ) from error
    return users


def _check_hash(hashed: str) -> None:
    cost, block, parallel, salt, digest = hashed.split("$")
    memory = 128 * int(cost) * int(block) * int(parallel)
    base64.b64decode(salt, validate=True)
    is_long_enough = len(base64.b64decode(digest, validate=True)) == HASH_BYTES
    if memory > SCRYPT_MAX_BYTES or not is_long_enough:
        raise ValueError("not a hash made by hash_password")
