"""A root, documents of keys signed by it, and receivers that believe it, for tests."""

import time
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ew.alerts.signing import Signer
from ew.alerts.trust import KeyEntry, Verifier, public_pem, sign_document

ROOT = Ed25519PrivateKey.generate()
ROOT_PUBLIC = ROOT.public_key().public_bytes_raw()


def document(signers: Sequence[Signer], now_us: int | None = None, *, serial: int = 1) -> bytes:
    """The root's document that lists the signers' keys."""
    now_us = time.time_ns() // 1000 if now_us is None else now_us
    keys = [KeyEntry.of(signer, now_us) for signer in signers]
    return sign_document(ROOT, keys, serial=serial, issued_us=now_us)


def trusting(signers: Sequence[Signer], now_us: int | None = None) -> Verifier:
    """A receiver that pinned the root and has its document."""
    verifier = Verifier([ROOT_PUBLIC])
    verifier.update(document(signers, now_us))
    return verifier


def root_file(folder: Path) -> Path:
    """The public root key as a file."""
    path = folder / "root.pub.pem"
    path.write_bytes(public_pem(ROOT_PUBLIC))
    return path
