"""No earthquake waits for the compiler, and a read-only installation starts as well."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRESH = """
import numpy as np, ew
from ew.detect import continuity, kernels, onset, reader
ew.PickerBank.warm_up()
compiled = (continuity.plan, kernels.run, onset.judge, reader._read)
def versions():
    return [(len(f.signatures), sum(f.stats.cache_misses.values())) for f in compiled]
before = versions()
rng = np.random.default_rng(0)
wave = rng.normal(size=(20, 4000)) * 100
wave[:, 3000:] *= 30
bank, picks = ew.PickerBank(), 0
for rate, form in ((100.0, "f4"), (31.25, "f8"), (250.0, "i4")):
    for at in range(0, 4000, 100):
        picks += len(bank.process([
            ew.Packet(f"XX.{form}{c}..HHZ", round(at * 1e9 / rate), rate, wave[c, at:at+100].astype(form))
            for c in range(20)
        ]))
assert picks >= 50, picks
assert versions() == before, (versions(), before)
print("misses", sum(misses for _, misses in before))
"""


def _run(root: Path, **environment: str) -> str:
    call = [sys.executable, "-c", FRESH]
    settings = {**os.environ, "PYTHONPATH": str(root), **environment}
    done = subprocess.run(
        call, env=settings, cwd=root, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_nothing_is_compiled_once_warm_up_is_done() -> None:
    _run(ROOT)
    assert _run(ROOT) == "misses 0\n"  # nor in a second process


@pytest.mark.slow
def test_read_only_installation_keeps_its_compiled_code_with_the_user(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "ew", tmp_path / "ew", ignore=shutil.ignore_patterns("__pycache__"))
    folders = [tmp_path / "ew", *(p for p in (tmp_path / "ew").rglob("*") if p.is_dir())]
    for folder in folders:
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    if os.access(tmp_path / "ew", os.W_OK):
        pytest.skip("this user may write to read-only folders")
    home = tmp_path / "home"
    home.mkdir()
    try:
        environment = {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
        _run(tmp_path, **environment)
        assert _run(tmp_path, **environment) == "misses 0\n"
    finally:
        for folder in folders:
            folder.chmod(stat.S_IRWXU)
