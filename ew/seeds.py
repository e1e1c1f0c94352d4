"""SHELL: finds the files of ``seeds/``, which are part of the wheel."""

from pathlib import Path

from ew.errors import InputError

_PACKAGE = Path(__file__).resolve().parent


def seed_path(*parts: str) -> Path:
    """The path of one seed file or folder, in the wheel or in a checkout.

    Raises:
        InputError: there is no such seed file.
    """
    for root in (_PACKAGE / "_seeds", _PACKAGE.parent / "seeds"):
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise InputError(f"seeds/{'/'.join(parts)} is missing: reinstall ew")
