"""SHELL: loads what a service needs before it starts: its channels and its keys."""

import logging
from pathlib import Path

from ew.config import Config
from ew.errors import ConfigError
from ew.records import Channel
from ew.sources import fdsn
from ew.sources.inventory import read_inventory
from ew.storage.keyring import ServiceKeys, load_service_keys

log = logging.getLogger("ew.service")


def inventory_location(config: Config) -> str:
    """The file or URL of the configured inventory.

    Raises:
        ConfigError: none is configured.
    """
    where = config.service.inventory
    if where is None:
        raise ConfigError(
            "service.inventory names no stations: a StationXML file, a stations.csv or a station "
            "service's URL\n`ew init DIR --inventory FILE` writes a configuration; then "
            "`ew serve --config DIR/ew.toml`"
        )
    return where


def load_inventory(config: Config) -> dict[str, Channel]:
    """The channels of the configured inventory.

    Raises:
        ConfigError: none is configured.
        InputError: the file or the station service can't be used.
    """
    where = inventory_location(config)
    if fdsn.is_url(where):
        kept = config.service.files.with_suffix(".stations.xml")
        stations = fdsn.read_stations(where, kept)
    else:
        stations = read_inventory(Path(where))
    for note in stations.notes:
        log.warning("%s", note)
    return stations.channels


def load_keys(config: Config, *, is_again: bool = False) -> ServiceKeys:
    """The keys the service signs with: as configured, or, for exercises and tests, keys of its own.

    ``is_again``: the service has its keys and looks whether a document was issued anew.

    Raises:
        ConfigError: the mode is ``actual`` and no key is named, or key and document do not fit.
        InputError: a configured file can't be read.
    """
    service = config.service
    return load_service_keys(
        config.policy.mode,
        service.files,
        key_file=service.key_file,
        key_id=service.key_id,
        document=service.keys_document,
        root=service.root,
        is_again=is_again,
    )
