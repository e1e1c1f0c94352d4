"""Builds the compiled parts and puts seeds/ and the systemd units into the wheel.

Where they can't be built, their twins in NumPy and SciPy run instead. ``EW_SANITIZE=1`` builds with
the address and undefined-behaviour sanitizers, for scripts/sanitize.
"""

import os
import shutil
from pathlib import Path

import numpy as np
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

# Fused operations would round once where two operations round twice: triggers would differ from
# machine to machine
FLAGS = ["-std=gnu11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra"]
LINK = []
if os.environ.get("EW_SANITIZE"):
    FLAGS += ["-g", "-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"]
    FLAGS += ["-fno-sanitize-recover=all"]
    LINK += ["-fsanitize=address,undefined"]
STEPS = (
    *("module", "read", "continuity", "stalta", "vector", "history", "onset", "quality", "memory"),
)


# Nobody reads the flags of floating-point exceptions, and shortcuts between branches keep a loop
# from running in vectors
STRAIGHT = ["-fno-trapping-math", "-fno-thread-jumps", "-Wno-maybe-uninitialized"]


def compiled(name: str, sources: list[str], headers: list[str], *more: str) -> Extension:
    return Extension(
        name,
        sources,
        depends=[*headers, "setup.py"],
        include_dirs=[np.get_include()],
        extra_compile_args=[*FLAGS, *more],
        extra_link_args=LINK,
        optional=True,
    )


PARTS = [
    compiled(
        "ew.detect._core",
        [f"ew/detect/core/{step}.c" for step in STEPS],
        ["ew/detect/core/bank.h", "ew/detect/core/vector_loop.h"],
    ),
    compiled("ew.locate._core", ["ew/locate/core.c"], ["ew/arrays.h"]),
    compiled("ew.shaking._core", ["ew/shaking/core.c"], ["ew/arrays.h"], *STRAIGHT),
]


class BuildWithSeeds(build_py):
    """Puts a copy of seeds/ beside the code; a checkout has its own (ew/seeds.py finds either)."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            shutil.copytree("seeds", Path(self.build_lib, "ew", "_seeds"), dirs_exist_ok=True)
            units = Path(self.build_lib, "ew", "_deploy", "systemd")
            shutil.copytree("deploy/systemd", units, dirs_exist_ok=True)


setup(
    cmdclass={"build_py": BuildWithSeeds},
    ext_modules=PARTS,
)
