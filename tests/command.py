"""``ew`` as a command, in a process of its own."""

import subprocess
import sys
from pathlib import Path


def ew(
    *words: str, cwd: Path | None = None, timeout: float = 100.0
) -> subprocess.CompletedProcess[str]:
    """Run ``ew`` with these words to its end."""
    return subprocess.run(
        [sys.executable, "-m", "ew", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
