"""PURE: who may connect to the embedded broker, and who may say and hear what.

Devices, which need no name, listen to alerts, events, heartbeat and keys, and send receipts; stations
send waveforms and picks; only the service sends alerts, so that nobody who can reach the broker can
alert a town (a forger's signature would not hold either, but a flood of forgeries is a flood).
Passwords are kept as scrypt hashes (RFC 7914), one user a line: ``NAME:ROLE:N$R$P$SALT$HASH``, salt
and hash in base64.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from ew.errors import ConfigError

COST, BLOCK, LANES = 1 << 14, 8, 1
"""scrypt's parameters: 16 MiB and some 50 ms a guess."""
MEMORY_MOST = 128 << 20
HASH_BYTES, SALT_BYTES = 32, 16
SECRET = "EW_BROKER_SECRET"  # noqa: S105 - a variable's name
"""The environment variable with the service's own password: a command line could be read by everybody."""
SERVICE_USER = "ew"
KNOWN_MOST = 10_000

DEVICE_PACKET_BYTES = 64 << 10
"""A device sends subscriptions and receipts: more than this at once is no device."""

_LISTEN_BELOW = ("ew/v1/alert/", "ew/v1/event/")
_LISTEN_TO = frozenset({"ew/v1/heartbeat", "ew/v1/keys"})
_STATIONS = frozenset({"ew/v1/waveform", "ew/v1/pick", "ew/v1/detector"})
_RECEIPTS = frozenset({"ew/v1/receipt"})


class Role(Enum):
    """What a client is; the value stands in the password file."""

    SERVICE = "service"
    STATION = "station"
    DEVICE = "device"
    OPEN_STATION = "open-station"
    """A client without a name on a broker that lets stations in: a device that may send waveforms."""

    @property
    def rank(self) -> int:
        """Whose session may be ended by whom that claims its client identifier: the lower one's."""
        return _RANKS[self]

    @property
    def may_retain(self) -> bool:
        """Whether what it sends may be retained: else anybody could fill the broker's memory."""
        return self is Role.SERVICE

    @property
    def most_bytes(self) -> int | None:
        """Largest packet it may send; ``None``: the broker's own limit."""
        return DEVICE_PACKET_BYTES if self is Role.DEVICE else None

    def may_publish(self, topic: str) -> bool:
        """Whether it may send to a topic: one level below those of its role."""
        above, _, last = topic.rpartition("/")
        return self is Role.SERVICE or (bool(last) and above in _SPEAKS[self])

    def may_subscribe(self, text: str) -> bool:
        """Whether it may hear what a filter asks for.

        Alerts, events, heartbeat and keys are for all. What the parts of the service say to each other
        is for the service, and so is every filter with a wildcard above them.
        """
        return self is Role.SERVICE or text.startswith(_LISTEN_BELOW) or text in _LISTEN_TO


_RANKS = {Role.DEVICE: 0, Role.OPEN_STATION: 0, Role.STATION: 1, Role.SERVICE: 2}
_SPEAKS: dict[Role, frozenset[str]] = {
    Role.STATION: _STATIONS | _RECEIPTS,
    Role.OPEN_STATION: _STATIONS | _RECEIPTS,
    Role.DEVICE: _RECEIPTS,
}
_FILE_ROLES = {role.value: role for role in (Role.SERVICE, Role.STATION, Role.DEVICE)}


@dataclass(frozen=True, slots=True)
class User:
    """One line of the password file."""

    role: Role
    hashed: str


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one broker.

    ``anonymous``: what a client without a name is; ``None`` turns it away.
    """

    users: Mapping[str, User] = field(default_factory=dict)
    anonymous: Role | None = Role.DEVICE
    _known: dict[str, bytes] = field(default_factory=dict)  # who was right before: a fast hash

    def asks(self, username: str | None) -> bool:
        """Whether this client's password has to be checked."""
        return self.anonymous is None or (username is not None and bool(self.users))

    def check(self, name: str, password: bytes) -> Role | None:
        """The role of a user with the right password; slow by design the first time, so keep it off an event loop."""
        user = self.users.get(name)
        fast = hashlib.sha256(name.encode() + b"\x00" + password).digest()
        if user is not None and hmac.compare_digest(self._known.get(name, b""), fast):
            return user.role
        # An unknown name takes as long as a wrong password, so that names can't be guessed by the clock
        is_right = is_password(password, user.hashed if user else _NOBODY)
        if user is None or not is_right:
            return None
        if len(self._known) < KNOWN_MOST:
            self._known[name] = fast
        return user.role


def hash_password(password: bytes, salt: bytes | None = None) -> str:
    """A password as the file keeps it."""
    salt = os.urandom(SALT_BYTES) if salt is None else salt
    digest = _scrypt(password, salt, COST, BLOCK, LANES)
    parts = [base64.b64encode(part).decode() for part in (salt, digest)]
    return "$".join([str(COST), str(BLOCK), str(LANES), *parts])


def is_password(password: bytes, hashed: str) -> bool:
    """Whether a password belongs to a hash."""
    cost, block, lanes, salt, digest = hashed.split("$")
    found = _scrypt(password, base64.b64decode(salt), int(cost), int(block), int(lanes))
    return hmac.compare_digest(found, base64.b64decode(digest))


def _scrypt(password: bytes, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    return hashlib.scrypt(
        password, salt=salt, n=cost, r=block, p=lanes, maxmem=MEMORY_MOST, dklen=HASH_BYTES
    )


_NOBODY = f"{COST}${BLOCK}${LANES}${'A' * 22}==${'A' * 43}="


def parse_users(text: str, where: str) -> dict[str, User]:
    """The users in a password file's text.

    Raises:
        ConfigError: a line is not of the form; it is named by its number, never by what it holds.
    """
    users: dict[str, User] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            name, role, hashed = line.strip().split(":")
            users[name] = User(_FILE_ROLES[role], hashed)
            _check_hash(hashed)
        except (KeyError, ValueError, binascii.Error) as error:
            raise ConfigError(
                f"{where}, line {number}: not NAME:ROLE:HASH with a role of "
                f"{', '.join(_FILE_ROLES)}; make lines with "
                "`python -m ew.delivery.embedded --hash-password NAME ROLE`"
            ) from error
    return users


def _check_hash(hashed: str) -> None:
    cost, block, lanes, salt, digest = hashed.split("$")
    memory = 128 * int(cost) * int(block) * int(lanes)
    base64.b64decode(salt, validate=True)
    if memory > MEMORY_MOST or len(base64.b64decode(digest, validate=True)) != HASH_BYTES:
        raise ValueError("no hash of ours")


OPEN = Access(anonymous=Role.SERVICE)
"""A broker without rules, for tests of the broker itself."""
