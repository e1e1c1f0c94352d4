"""``python -m mqtt_broker [--host HOST] [--port PORT] …``: run a broker without users and rules.

Every client that reaches it may do everything: for tests and closed networks. A program with rules
of its own passes an ``Access`` to ``mqtt_broker.program.run`` instead.
"""

import argparse
import sys

from mqtt_broker import program
from mqtt_broker.access import OPEN
from mqtt_broker.connection import Limits


def main() -> None:
    """Parse the command line and run the broker."""
    parser = argparse.ArgumentParser(prog="python -m mqtt_broker", description=__doc__)
    program.add_options(parser)
    parser.add_argument(
        "--urgent",
        action="append",
        default=[],
        metavar="PREFIX",
        help="topics that begin so are handled before all others; may be repeated",
    )
    options = parser.parse_args()
    try:
        program.run(options, OPEN, Limits(urgent=tuple(options.urgent)))
    except OSError as error:
        sys.exit(f"can't listen on {options.host}:{options.port}: {error.strerror or error}")
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
