"""The one compiled part: the detection core. Where it can't be built, its twin in NumPy and SciPy runs instead.

All else about the package stands in pyproject.toml. ``EW_SANITIZE=1`` builds with the address and undefined-behaviour
sanitizers, for scripts/sanitize.
"""

import os
from pathlib import Path

import numpy as np
from setuptools import Extension, find_namespace_packages, setup

# Fused operations would round once where two operations round twice: triggers would differ from machine to machine
FLAGS = ["-std=gnu11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra"]
LINK = []
if os.environ.get("EW_SANITIZE"):
    FLAGS += ["-g", "-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"]
    FLAGS += ["-fno-sanitize-recover=all"]
    LINK += ["-fsanitize=address,undefined"]
STEPS = ("module", "read", "continuity", "lanes", "channel", "history", "onset")

# Data travels with the wheel; ew/seeds.py finds it in either place
SEEDS = [
    ".".join(["ew._seeds", *path.relative_to("seeds").parts])
    for path in Path("seeds").rglob("*")
    if path.is_dir()
]

setup(
    packages=[*find_namespace_packages(include=["ew*", "simulators*"]), "ew._seeds", *SEEDS],
    package_dir={"ew._seeds": "seeds"},
    ext_modules=[
        Extension(
            "ew.detect._core",
            [f"ew/detect/core/{step}.c" for step in STEPS],
            depends=["ew/detect/core/bank.h", "ew/detect/core/lanes.h", "setup.py"],
            include_dirs=[np.get_include()],
            extra_compile_args=FLAGS,
            extra_link_args=LINK,
            optional=True,
        )
    ],
)
