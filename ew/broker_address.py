"""The address of a broker and the login there, for publisher, sources and simulated devices.

``mqtt://host[:port]`` or, over TLS, ``mqtts://host[:port]``; ``user@`` before the first host,
further nodes of a cluster after commas. The password comes from a file or from the environment: in
a URL, process lists and logs would show it.
"""

import os
import ssl
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from ew.errors import ConfigError

PORTS = {"mqtt": 1883, "mqtts": 8883}
"""Ports by scheme (IANA: mqtt, secure-mqtt)."""
PASSWORD = "EW_BROKER_PASSWORD"  # noqa: S105 - a variable's name
"""The environment variable of the password, used where no file is named."""
FORMS = "embedded, mosquitto, nats, mqtt://[USER@]HOST[:PORT] or mqtts://[USER@]HOST[:PORT]"


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker listens, and how to log in there.

    ``pid``: its process if it is our child; ``others``: the further nodes of a cluster;
    ``ca_file``: certificates (PEM) that are trusted instead of the system's; ``tls_port``: where an
    embedded broker also serves devices over TLS.
    """

    host: str
    port: int
    pid: int | None = None
    others: tuple[tuple[str, int], ...] = ()
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls_port: int | None = None
    is_tls: bool = False
    ca_file: Path | None = None

    @property
    def url(self) -> str:
        """The address as ``mqtt://host:port``, nodes of a cluster with commas, no user."""
        nodes = ",".join(f"{host}:{port}" for host, port in self.nodes)
        return f"mqtts://{nodes}" if self.is_tls else f"mqtt://{nodes}"

    @property
    def nodes(self) -> tuple[tuple[str, int], ...]:
        """All nodes as (host, port); a client that loses one tries the next."""
        return ((self.host, self.port), *self.others)

    def for_devices(self) -> "BrokerAddress":
        """This address without the service's login, as given to a phone or a TV."""
        return replace(self, username=None, password=None)

    def tls_context(self) -> ssl.SSLContext | None:
        """A context that verifies the broker's certificate and name; ``None`` without TLS.

        Raises:
            ConfigError: ``ca_file`` can't be read or holds no certificate.
        """
        return tls_context(self.ca_file) if self.is_tls else None


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """A context that verifies a server's certificate by ``ca_file``, else the system's authorities.

    Raises:
        ConfigError: ``ca_file`` can't be read or holds no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{ca_file}: no certificates to trust: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def parse_url(
    url: str, *, ca_file: Path | None = None, password_file: Path | None = None
) -> BrokerAddress:
    """The address in a URL, with certificates and password from files.

    Raises:
        ConfigError: the URL has another form or contains a password, or the user's can't be read.
    """
    scheme, _, rest = url.partition("://")
    user, at, hosts = rest.rpartition("@")
    if ":" in user:
        raise ConfigError(
            "broker: no password in the URL, please, where others could read it: "
            f"name a file (password_file) or set {PASSWORD}"
        )
    if scheme not in PORTS or (at and not user):
        raise ConfigError(f"broker {url!r}: give {FORMS}")
    if ca_file is not None and scheme != "mqtts":
        raise ConfigError(f"broker {url!r}: certificates are for mqtts:// only")
    first, *others = [_node(url, scheme, one) for one in hosts.split(",")]
    return BrokerAddress(
        *first,
        others=tuple(others),
        username=user or None,
        password=_password(user, password_file) if user else None,
        is_tls=scheme == "mqtts",
        ca_file=ca_file,
    )


def _node(url: str, scheme: str, one: str) -> tuple[str, int]:
    parts = urlsplit(f"{scheme}://{one}")
    try:
        port = parts.port or PORTS[scheme]
    except ValueError as error:
        raise ConfigError(f"broker {url!r}: {error}") from error
    if not parts.hostname:
        raise ConfigError(f"broker {url!r}: give {FORMS}")
    return parts.hostname, port


def _password(user: str, file: Path | None) -> str:
    if file is None:
        word = os.environ.get(PASSWORD, "")
        where = f"{PASSWORD} is not set"
    else:
        where = f"{file} is empty"
        try:
            word = file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file}: can't read the broker's password: {error}") from error
    if not word:
        raise ConfigError(
            f"broker: user {user!r} needs a password: name a file (password_file) or set "
            f"{PASSWORD}; {where}"
        )
    return word
