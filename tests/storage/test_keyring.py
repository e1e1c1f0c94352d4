"""Keys on disk: `ew keys`, and the keys a service makes for itself."""

import json
import stat
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ew.alerts.signing import Signer
from ew.alerts.trust import Verifier, public_pem, root_from_pem
from ew.errors import ConfigError, InputError
from ew.storage.keyring import OVERLAP_US, Keyring, ServiceKeys, load_service_keys
from tests import trust
from tests.command import ew

NOW_US = 1_800_000_000_000_000


def verifier_of(folder: Path) -> Verifier:
    return Verifier([root_from_pem((folder / "root.pub.pem").read_bytes(), "root")])


def test_new_keyring_has_a_key_for_real_alerts_and_one_for_drills(tmp_path: Path) -> None:
    made = Keyring.init(tmp_path / "keys", NOW_US)
    assert made.document.serial == 1
    assert {key.key_id: key.statuses for key in made.document.keys} == {
        "actual-1": ("actual",),
        "drill-1": ("exercise", "test"),
    }
    private = [*(tmp_path / "keys" / "signing").iterdir(), tmp_path / "keys" / "root" / "root.pem"]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in private)
    with pytest.raises(ConfigError, match="holds a keyring already"):
        Keyring.init(tmp_path / "keys", NOW_US)


def test_rotation_overlaps_and_revocation_does_not(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    Keyring.init(folder, NOW_US)
    rotated = Keyring.load(folder).rotate(NOW_US + 10)
    until = {key.key_id: key.not_after_us for key in rotated.document.keys}
    assert rotated.document.serial == 2
    assert set(until) == {"actual-1", "drill-1", "actual-2", "drill-2"}
    assert until["actual-1"] == NOW_US + 10 + OVERLAP_US < until["actual-2"]
    revoked = Keyring.load(folder).revoke("actual-1", NOW_US + 20)
    assert revoked.document.serial == 3
    assert "actual-1" not in {key.key_id for key in revoked.document.keys}
    assert not (folder / "signing" / "actual-1.pem").exists()
    with pytest.raises(ConfigError, match="no key 'actual-1'; there are drill-1"):
        revoked.revoke("actual-1", NOW_US + 30)


def test_change_without_the_root_says_what_is_missing(tmp_path: Path) -> None:
    keyring = Keyring.init(tmp_path / "keys", NOW_US)
    (tmp_path / "keys" / "root" / "root.pem").unlink()
    with pytest.raises(ConfigError, match=r"root.pem: the root's private key is not here"):
        keyring.rotate(NOW_US)


def test_service_that_comes_back_has_its_root_and_key(tmp_path: Path) -> None:
    first = ServiceKeys.beside(tmp_path / "ew.sqlite", NOW_US)
    again = ServiceKeys.beside(tmp_path / "ew.sqlite", NOW_US + 5_000_000)
    assert (again.root, again.document) == (first.root, first.document)
    assert (tmp_path / "ew.root.pub.pem").read_bytes() == first.root_pem
    later = ServiceKeys.beside(tmp_path / "ew.sqlite", NOW_US + 20 * 86_400_000_000)
    devices = Verifier([first.root])
    devices.update(first.document)
    assert devices.update(later.document).serial > json.loads(first.document)["serial"]
    assert "actual" not in first.signer.may_sign


def test_keys_that_are_there_need_nothing_written(tmp_path: Path) -> None:
    """A disk that is full by now costs a running service nothing."""
    first = ServiceKeys.beside(tmp_path / "ew.sqlite", NOW_US)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = ServiceKeys.beside(tmp_path / "ew.sqlite", NOW_US + 60_000_000)
    assert again.document == first.document
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_keys_for_a_run_alone_are_made_at_its_start_and_not_amid_it(tmp_path: Path) -> None:
    nowhere = tmp_path / "missing" / "ew.sqlite"
    files: dict[str, Any] = {"key_file": None, "key_id": "a", "document": None, "root": None}
    assert load_service_keys("exercise", nowhere, **files).document
    with pytest.raises(InputError, match="missing"):
        load_service_keys("exercise", nowhere, **files, is_again=True)


def test_services_that_start_at_one_time_share_one_root_and_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        begin = threading.Barrier(8)

        def start() -> ServiceKeys:
            begin.wait()
            return ServiceKeys.beside(tmp_path / "ew.sqlite", NOW_US)

        made = [one.result() for one in [threads.submit(start) for _ in range(8)]]
    assert len({(one.root, one.signer.public_key()) for one in made}) == 1
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("key_id", "mode", "reason"),
    [
        ("drill-1", "actual", "may sign exercise, test, not actual"),
        ("actual-9", "actual", "'actual-9' is not in it; it lists actual-1, drill-1"),
        ("actual-1", "exercise", "may sign actual, not exercise"),
    ],
)
def test_key_that_no_device_would_believe_is_refused_at_the_start(
    tmp_path: Path, key_id: str, mode: str, reason: str
) -> None:
    folder = tmp_path / "keys"
    Keyring.init(folder, NOW_US)
    name = key_id if key_id.endswith("-1") else "actual-1"
    with pytest.raises(ConfigError, match=reason):
        ServiceKeys.configured(
            folder / "signing" / f"{name}.pem", key_id, folder / "keys.json",
            folder / "root.pub.pem", mode, NOW_US,  # type: ignore[arg-type]
        )  # fmt: skip


def test_key_that_may_sign_actual_signs_nothing_else(tmp_path: Path) -> None:
    """One key for all would be reached by drills and tests as well."""
    signer = Signer(Ed25519PrivateKey.generate(), "all", ("actual", "exercise", "test"))
    (tmp_path / "all.pem").write_bytes(signer.to_pem())
    (tmp_path / "keys.json").write_bytes(trust.document([signer], NOW_US))
    (tmp_path / "root.pub.pem").write_bytes(public_pem(trust.ROOT_PUBLIC))
    files = (tmp_path / "keys.json", tmp_path / "root.pub.pem")
    ServiceKeys.configured(tmp_path / "all.pem", "all", *files, "actual", NOW_US)
    with pytest.raises(ConfigError, match="'all' may sign actual, exercise, test; what is"):
        ServiceKeys.configured(tmp_path / "all.pem", "all", *files, "exercise", NOW_US)


def test_mode_actual_needs_a_key_and_its_document(tmp_path: Path) -> None:
    database = tmp_path / "ew.sqlite"
    with pytest.raises(ConfigError, match=r"service\.key_file"):
        load_service_keys("actual", database, key_file=None, key_id="a", document=None, root=None)
    with pytest.raises(ConfigError, match=r"service\.keys_document"):
        load_service_keys(
            "actual", database, key_file=tmp_path / "k", key_id="a", document=None, root=None
        )


def test_command_makes_rotates_revokes_and_shows(tmp_path: Path) -> None:
    def keys(word: str, *words: str) -> subprocess.CompletedProcess[str]:
        return ew("keys", word, str(tmp_path / "k"), *words)

    assert "actual-1" in keys("init").stdout
    assert "serial 2" in keys("rotate").stdout
    assert "serial 3" in keys("revoke", "drill-1").stdout
    shown = keys("show").stdout
    assert "drill-1" not in shown
    assert "drill-2" in shown
    wrong = keys("revoke", "none")
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (2, False)
    verifier_of(tmp_path / "k").update((tmp_path / "k" / "keys.json").read_bytes())
