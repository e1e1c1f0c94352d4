"""Run ``python -m ew`` as ``ew``."""

from ew.cli.main import main

if __name__ == "__main__":
    main()
