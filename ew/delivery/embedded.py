"""``python -m ew.delivery.embedded [--host HOST] [--port PORT] …``: run the embedded broker.

``mqtt_broker`` with the rules of ``ew.delivery.roles``, until it is stopped. A process of its
own keeps its fan-out clear of the pipeline's work. ``--hash-password NAME ROLE`` makes a line for
the file of users instead.
"""

import argparse
import getpass
import os
import sys
from pathlib import Path

from ew.delivery.roles import LIMITS, USER_ROLES, Role
from ew.errors import ConfigError
from mqtt_broker import program
from mqtt_broker.access import Access, User, hash_password, parse_users

SECRET = "EW_BROKER_SECRET"  # noqa: S105 - a variable's name
"""Environment variable with the service's password: a command line could be read by everybody."""
SERVICE_USER = "ew"


def access_of(options: argparse.Namespace, secret: str) -> Access:
    """Return the rules that the options ask for; ``secret``: the service's password, if any.

    Raises:
        ConfigError: the file of users can't be used.
    """
    users = {} if options.users is None else _users(options.users)
    if secret and SERVICE_USER in users:
        raise ConfigError(
            f"{options.users}: {SERVICE_USER} is the service's own name; take another"
        )
    if secret:
        users[SERVICE_USER] = User(Role.SERVICE, hash_password(secret.encode()))
    if options.users is not None and not users:
        raise ConfigError(f"{options.users}: no user stands in it")
    if options.no_anonymous:
        return Access(users, anonymous=None)
    return Access(users, anonymous=Role.OPEN_STATION if options.open_stations else Role.DEVICE)


def _users(path: Path) -> dict[str, User]:
    try:
        return parse_users(path.read_text(encoding="utf-8"), str(path), USER_ROLES)
    except OSError as error:
        raise ConfigError(f"{path}: can't read the users: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(
            f"{error}; make lines with `python -m ew.delivery.embedded --hash-password NAME ROLE`"
        ) from error


def _print_user(name: str, role: str) -> None:
    first = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if ":" in name or not first:
        raise ConfigError("a name has no colon, and a password is not empty")
    print(f"{name}:{Role(role).value}:{hash_password(first.encode())}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ew.delivery.embedded", description=__doc__)
    program.add_options(parser)
    add = parser.add_argument
    add("--users", type=Path, help="file of users: NAME:ROLE:HASH lines")
    add("--no-anonymous", action="store_true", help="every client needs a name and a password")
    add("--open-stations", action="store_true", help="stations need no name and password")
    add("--hash-password", nargs=2, metavar=("NAME", "ROLE"), help="make a line for --users")
    return parser.parse_args()


def main() -> None:
    """Parse the command line and run the broker."""
    options = _options()
    try:
        if options.hash_password:
            _print_user(*options.hash_password)
        else:
            program.run(options, access_of(options, os.environ.pop(SECRET, "")), LIMITS)
    except OSError as error:
        sys.exit(f"can't listen on {options.host}:{options.port}: {error.strerror or error}")
    except (ConfigError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
