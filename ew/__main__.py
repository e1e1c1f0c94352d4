"""Run ``python -m ew`` as ``ew``."""

from ew.cli.main import app

if __name__ == "__main__":
    app()
