"""SHELL: keys on disk: an operator's keyring (``ew keys``), and the one a service makes for drills.

A keyring is a directory::

    root/root.pem       private root key; to be kept off the service's machine
    root.pub.pem        public root key; devices are made with it
    signing/ID.pem      private signing keys; the service has the one it signs with
    keys.json           the finished document of keys for ``ew/v1/keys``

The root is needed to ``init``, ``rotate`` and ``revoke`` only. Private files can be read by their
owner alone. Every change makes a document with a higher serial.
"""

import contextlib
import logging
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ew.alerts.signing import Signer, private_key_from_pem, private_key_to_pem
from ew.alerts.trust import (
    DOCUMENT_LIFE_US,
    Document,
    KeyEntry,
    public_pem,
    read_document,
    root_from_pem,
    sign_document,
)
from ew.errors import ConfigError, EwError, InputError, MessageError
from ew.records import Status
from ew.times import US_PER_S

log = logging.getLogger("ew.keys")

OVERLAP_US = 7 * 86_400 * US_PER_S
"""A rotated key stays valid for this long, µs: every device knows the new one by then."""
GROUPS: dict[str, tuple[Status, ...]] = {"actual": ("actual",), "drill": ("exercise", "test")}
"""Statuses by group of keys: real alerts have a key of their own, which no drill uses."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """A directory of keys with its current document."""

    path: Path
    document: Document

    @classmethod
    def load(cls, path: Path) -> "Keyring":
        """The keyring in a directory.

        Raises:
            ConfigError: there is none, or its document was not signed by its root.
        """
        root = root_from_pem(read_file(path / "root.pub.pem"), str(path / "root.pub.pem"))
        file = path / "keys.json"
        try:
            return cls(path, read_document(read_file(file), [root]))
        except MessageError as error:
            raise ConfigError(f"{file}: {error}") from error

    @classmethod
    def init(cls, path: Path, now_us: int) -> "Keyring":
        """Make a root, a key for real alerts and one for drills in a new directory.

        Raises:
            ConfigError: there is a keyring already.
            InputError: a file can't be written.
        """
        if (path / "root.pub.pem").exists():
            raise ConfigError(f"{path}: holds a keyring already; use rotate or revoke")
        root = Ed25519PrivateKey.generate()
        _make_directory(path)
        _make_directory(path / "root", private=True)
        _make_directory(path / "signing", private=True)
        write_private(path / "root" / "root.pem", private_key_to_pem(root))
        write_public(path / "root.pub.pem", public_pem(root.public_key().public_bytes_raw()))
        keys = [_new_key(path, f"{group}-1", GROUPS[group], now_us) for group in GROUPS]
        write_public(path / "keys.json", sign_document(root, keys, serial=1, issued_us=now_us))
        return cls.load(path)

    def rotate(self, now_us: int) -> "Keyring":
        """Add a new key for each group and let the keys before it run out after the overlap.

        Raises:
            ConfigError: the root's private key is not here.
            InputError: a file can't be written.
        """
        root = self._root()
        kept = [
            KeyEntry(
                key.key_id,
                key.public_key,
                key.statuses,
                key.not_before_us,
                min(key.not_after_us, now_us + OVERLAP_US),
            )
            for key in self.document.keys
            if key.not_after_us > now_us
        ]
        serial = self.document.serial + 1
        new = [_new_key(self.path, f"{g}-{serial}", GROUPS[g], now_us) for g in GROUPS]
        return self._issue(root, [*kept, *new], now_us)

    def revoke(self, key_id: str, now_us: int) -> "Keyring":
        """Take a key out of the document; devices forget it when they receive the new document.

        Raises:
            ConfigError: no such key, or the root's private key is not here.
            InputError: a file can't be written.
        """
        known = [key.key_id for key in self.document.keys]
        if key_id not in known:
            raise ConfigError(f"{self.path}: no key {key_id!r}; there are {', '.join(known)}")
        root = self._root()
        found = self._issue(root, [k for k in self.document.keys if k.key_id != key_id], now_us)
        file = self.path / "signing" / f"{key_id}.pem"
        if file.exists():
            file.rename(file.with_suffix(".revoked.pem"))
        return found

    def _root(self) -> Ed25519PrivateKey:
        file = self.path / "root" / "root.pem"
        if not file.exists():
            raise ConfigError(
                f"{file}: the root's private key is not here; bring it back for this change"
            )
        return private_key_from_pem(read_file(file), str(file))

    def _issue(self, root: Ed25519PrivateKey, keys: Sequence[KeyEntry], now_us: int) -> "Keyring":
        serial = self.document.serial + 1
        document = sign_document(root, keys, serial=serial, issued_us=now_us)
        write_public(self.path / "keys.json", document)
        return Keyring.load(self.path)


@dataclass(frozen=True, slots=True)
class ServiceKeys:
    """The keys of a service: its signer, the document it publishes, the root for devices."""

    signer: Signer
    document: bytes
    root: bytes

    @property
    def root_pem(self) -> bytes:
        """The root's public key as PEM."""
        return public_pem(self.root)

    @classmethod
    def ephemeral(cls, *statuses: Status, now_us: int | None = None) -> "ServiceKeys":
        """A root and a key for one run, in memory; never for ``actual``."""
        now_us = time.time_ns() // 1000 if now_us is None else now_us
        root = Ed25519PrivateKey.generate()
        signer = Signer.ephemeral(may_sign=statuses or ("exercise", "test"))
        return cls._of(root, signer, now_us)

    @classmethod
    def beside(cls, database: Path, now_us: int) -> "ServiceKeys":
        """The root and key for drills beside a database, made at the first start.

        A restarted service has the same root and key, so its devices trust it as before. The
        document is issued anew once half its life is over. Never for ``actual``.

        Raises:
            ConfigError: a file holds no key.
            InputError: a file can't be read or written.
        """
        root_file = database.with_suffix(".root.pem")
        key_file = database.with_suffix(".key.pem")
        root = _kept_key(root_file)
        signer = Signer(_kept_key(key_file), f"drill-{_short(key_file)}", ("exercise", "test"))
        write_public(
            database.with_suffix(".root.pub.pem"),
            public_pem(root.public_key().public_bytes_raw()),
        )
        file = database.with_suffix(".keys.json")
        payload, serial = _kept_document(file, root, signer, now_us)
        if payload is not None:
            return cls(signer, payload, root.public_key().public_bytes_raw())
        made = cls._of(root, signer, now_us, after=serial)
        write_public(file, made.document)
        return made

    @classmethod
    def _of(
        cls, root: Ed25519PrivateKey, signer: Signer, now_us: int, after: int = 0
    ) -> "ServiceKeys":
        # Seconds as serial: they rise by themselves, also where the last document was lost; else
        # above the last, since devices would refuse the new one of a clock that was set back
        serial = max(now_us // US_PER_S, after + 1)
        document = sign_document(
            root, [KeyEntry.of(signer, now_us)], serial=serial, issued_us=now_us
        )
        return cls(signer, document, root.public_key().public_bytes_raw())

    @classmethod
    def configured(
        cls, key_file: Path, key_id: str, document: Path, root: Path, mode: Status, now_us: int
    ) -> "ServiceKeys":
        """A signing key with the finished document that lists it.

        Raises:
            ConfigError: the document is not the root's, has expired, or does not let this key sign
                messages of ``mode`` now; the message says which.
            InputError: a file can't be read.
        """
        public = root_from_pem(read_file(root), str(root))
        payload = read_file(document)
        try:
            read = read_document(payload, [public])
        except MessageError as error:
            raise ConfigError(f"{document}: {error}") from error
        signer = Signer.from_pem(read_file(key_file), key_id, (mode,))
        entry = next((key for key in read.keys if key.key_id == key_id), None)
        reason = _unfit(read, entry, signer, mode, now_us)
        if reason:
            raise ConfigError(f"{document}: {reason}")
        return cls(signer, payload, public)


def _unfit(
    document: Document, entry: KeyEntry | None, signer: Signer, mode: Status, now_us: int
) -> str:
    """The reason why devices would refuse this signer by this document; empty if they would not."""
    if document.expires_us <= now_us:
        return "the document has expired; issue a new one with `ew keys rotate`"
    if entry is None:
        known = ", ".join(key.key_id for key in document.keys)
        return f"service.key_id {signer.key_id!r} is not in it; it lists {known}"
    return _unfit_entry(entry, signer, mode, now_us)


def _unfit_entry(entry: KeyEntry, signer: Signer, mode: Status, now_us: int) -> str:
    if entry.public_key != signer.public_key():
        return f"key {signer.key_id!r} is another one than service.key_file holds"
    if not entry.not_before_us <= now_us <= entry.not_after_us:
        return f"key {signer.key_id!r} is not valid now"
    may_sign = ", ".join(entry.statuses)
    if mode not in entry.statuses:
        return f"key {signer.key_id!r} may sign {may_sign}, not {mode}"
    if mode != "actual" and "actual" in entry.statuses:
        return f"key {signer.key_id!r} may sign {may_sign}; what is no real alert must not reach it"
    return ""


def _kept_document(
    file: Path, root: Ed25519PrivateKey, signer: Signer, now_us: int
) -> tuple[bytes | None, int]:
    """The document in a file, if it is still usable, and its serial."""
    if not file.exists():
        return None, 0
    payload = read_file(file)
    try:
        document = read_document(payload, [root.public_key().public_bytes_raw()])
    except MessageError:
        return None, 0  # another root's, or damaged
    lists = any(key.public_key == signer.public_key() for key in document.keys)
    is_fresh = document.issued_us <= now_us < document.expires_us - DOCUMENT_LIFE_US // 2
    return payload if lists and is_fresh else None, document.serial


def _kept_key(file: Path) -> Ed25519PrivateKey:
    """The key in a file, made if there is none: in one step, and once if two services start."""
    if not file.exists():
        part = file.with_name(f"{file.name}.{secrets.token_hex(4)}.part")
        write_private(part, private_key_to_pem(Ed25519PrivateKey.generate()))
        try:
            with contextlib.suppress(FileExistsError):  # another service was a moment earlier
                os.link(part, file)
        except OSError as error:
            raise InputError(f"{file}: can't be written: {error.strerror}") from error
        finally:
            part.unlink()
    return private_key_from_pem(read_file(file), str(file))


def _short(key_file: Path) -> str:
    """A few letters of the key, so that two services' keys have two names."""
    key = private_key_from_pem(read_file(key_file), str(key_file))
    return key.public_key().public_bytes_raw().hex()[:8]


def _new_key(path: Path, key_id: str, statuses: tuple[Status, ...], now_us: int) -> KeyEntry:
    signer = Signer(Ed25519PrivateKey.generate(), key_id, statuses)
    write_private(path / "signing" / f"{key_id}.pem", signer.to_pem())
    return KeyEntry.of(signer, now_us)


def _make_directory(path: Path, *, private: bool = False) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700 if private else 0o755)
    except OSError as error:
        raise InputError(f"{path}: can't make the directory: {error.strerror}") from error


def read_file(path: Path) -> bytes:
    """The bytes of a file of keys.

    Raises:
        InputError: it can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def write_private(path: Path, data: bytes) -> None:
    """Write a file that its owner alone can read; it must not exist."""
    _write(path, data, os.O_EXCL, 0o600)


def write_public(path: Path, data: bytes) -> None:
    """Write a file in one step: a reader gets the old or the new content whole.

    A file with equal content is left as it is, so that a full disk does no harm.
    """
    if path.exists() and read_file(path) == data:
        return
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        _write(part, data, os.O_EXCL, 0o644)
        part.replace(path)
    except InputError:
        part.unlink(missing_ok=True)  # a full disk leaves half of it
        raise


def _write(path: Path, data: bytes, flag: int, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | flag, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
    except OSError as error:
        raise InputError(f"{path}: can't be written: {error.strerror}") from error


def load_service_keys(
    mode: Status,
    database: Path,
    *,
    key_file: Path | None,
    key_id: str,
    document: Path | None,
    root: Path | None,
    is_again: bool = False,
) -> ServiceKeys:
    """The keys the service signs with: as configured, else its own for drills beside the database.

    Where nothing can be written beside the database (a full disk), keys for this run alone are
    made: a drill goes on, and devices that pinned the old root report that they refuse it. With
    ``is_again`` (a service that has keys looks at them once more) it is an error instead.

    Raises:
        ConfigError: the mode is ``actual`` without a key and its document, or they do not fit.
        InputError: a configured file can't be read; with ``is_again`` any of the keys' files.
    """
    now_us = time.time_ns() // 1000
    if key_file is not None:
        if document is None:
            raise ConfigError(
                "service.keys_document: devices believe only keys in a document that a root "
                "signed; "
                "make one with `ew keys init DIR` and name DIR/keys.json"
            )
        where = root or document.with_name("root.pub.pem")
        return ServiceKeys.configured(key_file, key_id, document, where, mode, now_us)
    if mode == "actual":
        raise ConfigError(
            "service.key_file: mode 'actual' needs the key that may sign actual alerts"
        )
    try:
        return ServiceKeys.beside(database, now_us)
    except EwError as error:
        if is_again:
            raise
        log.warning("%s; keys for this run alone are made", error)
        return ServiceKeys.ephemeral(mode, now_us=now_us)
