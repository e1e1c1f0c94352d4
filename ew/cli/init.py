"""``ew init``: makes a directory with configuration, keys and systemd unit that fit together."""

import re
import secrets
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ew.config import load_config
from ew.config.service import api_key_lines
from ew.errors import ConfigError, InputError
from ew.records import Status
from ew.storage.keyring import Keyring

_PACKAGE = Path(__file__).resolve().parents[1]
OPERATORS = ("first", "second")
"""Names of the operators: a drill and a cancel by hand need a second one's confirmation."""


@dataclass(frozen=True, slots=True)
class InitOptions:
    """The values given on the command line."""

    directory: Path
    mode: Status
    inventory: str
    seedlink: tuple[str, ...]
    broker: str
    database: str | None
    http_host: str
    http_port: int


def run_init(options: InitOptions) -> None:
    """Write the files and print how to use them.

    Raises:
        ConfigError: there is a configuration already, or an option is wrong.
        InputError: a file can't be written.
    """
    directory = options.directory.absolute()
    config = directory / "ew.toml"
    if config.exists():
        raise ConfigError(f"{config}: is there already; ew init makes new ones alone")
    passwords = {f"operator-{name}": secrets.token_urlsafe(32) for name in OPERATORS}
    text = _configuration(options, directory, passwords)
    try:
        for folder in (directory, directory / "data"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        config.write_text(text, encoding="utf-8")
        config.chmod(0o640)
    except OSError as error:
        raise InputError(f"{error.filename}: can't be written: {error.strerror}") from error
    try:
        load_config(config)
    except ConfigError:
        config.unlink()
        raise
    Keyring.init(directory / "keys", time.time_ns() // 1000)
    unit = directory / "ew.service"
    unit.write_text(_unit(config), encoding="utf-8")
    print(f"""{config}  the configuration: `ew doctor --config {config}` looks it over
{directory}/keys  root key and signing keys; take keys/root/ to a safe place, away from this machine
{directory}/keys/root.pub.pem  what devices and bridges are given as --root
{unit}  for systemd: install -m 644 {unit} /etc/systemd/system/ && systemctl enable --now ew

The keys of two operators for the HTTP API, shown once and kept nowhere:""")
    for name, password in passwords.items():
        print(f"  {name}  {password}")
    print(f"\nStart it by hand: ew serve --config {config}")


def _configuration(options: InitOptions, directory: Path, passwords: dict[str, str]) -> str:
    key_id = "actual-1" if options.mode == "actual" else "drill-1"
    inventory = options.inventory
    if "://" not in inventory:
        inventory = str(Path(inventory).absolute())
    lines = [
        "# Made by `ew init`. `ew config default` prints every key, explained.",
        "[service]",
        f"inventory = {_quoted(inventory)}",
        f"database = {_quoted(options.database or str(directory / 'data' / 'ew.sqlite'))}",
        f"http_host = {_quoted(options.http_host)}",
        f"http_port = {options.http_port}",
        f"key_file = {_quoted(str(directory / 'keys' / 'signing' / f'{key_id}.pem'))}",
        f"key_id = {_quoted(key_id)}",
        f"keys_document = {_quoted(str(directory / 'keys' / 'keys.json'))}",
    ]
    if options.seedlink:
        lines.append("seedlink = [")
        for server in options.seedlink:
            found = re.fullmatch(r"([A-Za-z0-9.-]+)(?::(\d{1,5}))?", server)
            if found is None:
                raise ConfigError(f"--seedlink {server!r} is not HOST or HOST:PORT")
            lines.append(f"  {{ host = {_quoted(found[1])}, port = {found[2] or 18000} }},")
        lines.append("]")
    for name, password in passwords.items():
        lines += ["", *api_key_lines(name, password, ["operator"])]
    lines += ["", "[delivery]", f"broker = {_quoted(options.broker)}"]
    if options.broker == "embedded":
        lines.append("broker_port = 1883")
    lines += ["", "[policy]", f"mode = {_quoted(options.mode)}", ""]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    if any(ord(letter) < 32 for letter in text):
        raise ConfigError(f"{text!r} holds a control character")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unit(config: Path) -> str:
    """The systemd unit of deploy/systemd for this program and this configuration."""
    for root in (_PACKAGE / "_deploy", _PACKAGE.parent / "deploy"):
        file = root / "systemd" / "ew.service"
        if file.exists():
            break
    else:
        raise InputError("deploy/systemd/ew.service is missing: reinstall ew")
    program = Path(sys.executable).with_name("ew")
    unit = file.read_text(encoding="utf-8")
    unit = re.sub(r"(?m)^ExecStart=.*$", f"ExecStart={program} serve --config {config}", unit)
    unit = re.sub(r"(?m)^WorkingDirectory=.*$", f"WorkingDirectory={config.parent}/data", unit)
    # Its directory is the one place it may write to
    return unit.replace(
        "ProtectSystem=strict\n", f"ProtectSystem=strict\nReadWritePaths={config.parent}/data\n"
    )
