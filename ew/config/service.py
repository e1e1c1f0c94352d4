"""Settings of the service: addresses, files, sources."""

import hashlib
import ipaddress
import re
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ew.config.sources import OpenEewSource, ShakeSource

SELECTOR = re.compile(
    r"!?(?:(?:[A-Z0-9?-]{2})?[A-Z0-9?]{3}(?:\.[A-Z])?|[A-Z0-9?*]*_[A-Z0-9?*]_[A-Z0-9?*]_[A-Z0-9?*])"
)
"""A SeedLink selector: the form of version 3, or a stream id as in version 4."""


class SeedLinkSource(BaseModel):
    """One SeedLink server and the streams to read from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(description="name or address of the server")
    port: int = Field(default=18000, ge=1, le=65535, description="18000 is usual, with TLS 18500")
    others: tuple[str, ...] = Field(
        default=(),
        description="HOST:PORT of further servers, tried in turn when one is lost or silent",
    )
    tls: bool = Field(
        default=False, description="over TLS; the server's certificate and name are checked"
    )
    ca_file: Path | None = Field(
        default=None, description="certificates (PEM) to trust with tls instead of the system's"
    )
    select: tuple[str, ...] = Field(
        default=("*_*",),
        min_length=1,
        description=(
            "NET_STA or NET_STA:SELECTORS, wildcards * and ? allowed; selectors are CCC, LLCCC or "
            "LOC_B_S_SS"
        ),
    )
    protocol: Literal["auto", 3, 4] = Field(
        default="auto", description="SeedLink version; auto: 4 where the server speaks it, else 3"
    )

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if self.ca_file is not None and not self.tls:
            raise ValueError("ca_file is for tls = true only")
        for one in self.others:
            host, _, port = one.rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 65536:
                raise ValueError(f"{one!r} in others is not HOST:PORT")
        for one in self.select:
            if one.split(":")[0].count("_") != 1:
                raise ValueError(f"{one!r} is not NET_STA or NET_STA:SELECTORS, as in XS_*:HHZ")
            for selector in one.partition(":")[2].split():
                if not SELECTOR.fullmatch(selector):
                    raise ValueError(
                        f"{selector!r} in {one!r} is no selector: CCC, LLCCC or LOC_B_S_SS, as in "
                        "HHZ, 00HH?, 00_H_H_Z"
                    )
        return self

    @property
    def servers(self) -> tuple[tuple[str, int], ...]:
        """All servers as (host, port), the first one first."""
        nodes = (one.rpartition(":") for one in self.others)
        return ((self.host, self.port), *((host, int(port)) for host, _, port in nodes))


class Partner(BaseModel):
    """Another agency whose origins are taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        pattern=r"^[A-Za-z0-9._-]{1,32}$",
        description="the source it names in its origins; not 'ew'",
    )
    trusted_alone: bool = Field(
        default=False,
        description=(
            "in mode actual: its origins are published even where our stations do not support them"
        ),
    )

    @model_validator(mode="after")
    def _is_not_us(self) -> Self:
        if self.name == "ew":
            raise ValueError("'ew' is our own source")
        return self


Scope: TypeAlias = Literal["viewer", "vendor", "partner", "operator"]


class ApiKey(BaseModel):
    """A key of the HTTP API, known by its hash."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,32}$", description="whose it is")
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the key, as `ew keys api` prints it"
    )
    scopes: tuple[Scope, ...] = Field(
        min_length=1,
        description=(
            "viewer looks on, vendor registers devices, partner sends origins, operator may do all"
        ),
    )

    def has(self, scope: Scope) -> bool:
        """Whether it may do what a scope allows."""
        return scope in self.scopes or "operator" in self.scopes


def hash_of(secret: str) -> str:
    """A key as the configuration has it: SHA-256, hexadecimal. Keys are long random texts."""
    return hashlib.sha256(secret.encode()).hexdigest()


def api_key_lines(name: str, secret: str, scopes: Sequence[str]) -> list[str]:
    """The lines of a configuration file for an API key with this secret."""
    listed = ", ".join(f'"{scope}"' for scope in scopes)
    return [
        "[[service.api_keys]]",
        f'name = "{name}"',
        f'sha256 = "{hash_of(secret)}"',
        f"scopes = [{listed}]",
    ]


class ServiceConfig(BaseModel):
    """Inventory, sources, key, database and HTTP address of ``ew serve``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Literal["all", "detect", "associate"] = Field(
        default="all",
        description=(
            "all in one process; or detect: picks go out on ew/v1/pick; or associate: they come in "
            "from there"
        ),
    )
    name: str = Field(
        default="ew",
        pattern=r"^[A-Za-z0-9_.-]{1,32}$",
        description="name of this process among others; detectors need one each",
    )
    http_host: str = Field(default="127.0.0.1", description="address of the HTTP API")
    http_port: int = Field(
        default=8080, ge=0, le=65535, description="port of the HTTP API; 0: a free one"
    )
    inventory: str | None = Field(
        default=None,
        description=(
            "StationXML (.xml), a stations.csv, or the http(s) URL of a query to an FDSN station "
            "service"
        ),
    )
    seedlink: tuple[SeedLinkSource, ...] = Field(
        default=(), description="SeedLink servers to read from"
    )
    mqtt_waveforms: bool = Field(
        default=False, description="take miniSEED records from ew/v1/waveform/+ on the broker"
    )
    watch: Path | None = Field(
        default=None,
        description=(
            "take miniSEED from the files of this directory and its folders, of any name, as they "
            "grow"
        ),
    )
    shakes: tuple[ShakeSource, ...] = Field(
        default=(), description="Raspberry Shakes that cast their data here by UDP"
    )
    openeew: tuple[OpenEewSource, ...] = Field(
        default=(), description="brokers on which OpenEEW sensors publish JSON"
    )
    database: Path | str = Field(
        default=Path("ew.sqlite"),
        description="registered devices and journal: an SQLite file, or "
        "postgresql://USER:PASSWORD@HOST/NAME (then what else is kept stands in the working "
        "directory, as ew.resume.json)",
    )
    key_file: Path | None = Field(
        default=None, description="PEM file of the Ed25519 key that signs alerts"
    )
    key_id: str = Field(
        default="actual-1", min_length=1, max_length=32, description="name of that key"
    )
    keys_document: Path | None = Field(
        default=None,
        description=(
            "document of keys signed by the root (DIR/keys.json of `ew keys`), needed with key_file"
        ),
    )
    root: Path | None = Field(
        default=None,
        description="public root key (PEM); none: root.pub.pem beside keys_document",
    )
    api_token: str | None = Field(
        default=None,
        description=(
            "bearer token of partners and of device registration; none: origins are refused"
        ),
    )
    partners: tuple[Partner, ...] = Field(
        default=(), description="what is known of agencies whose origins are taken"
    )
    api_keys: tuple[ApiKey, ...] = Field(default=(), description="further keys of the HTTP API")
    requests_per_s: float = Field(
        default=200.0, ge=0, description="HTTP requests a second of one address; 0: no limit"
    )
    tiles: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s;,']+/[^\s;,']*$",
        description=(
            "address of map tiles (Web Mercator, 256 pixels) with {z}, {x} and {y}, which the page "
            "then asks for; none: shapes that come with the page, and no other machine is asked"
        ),
    )
    tiles_attribution: str = Field(
        default="", max_length=200, description="whose tiles they are, as the page shows it"
    )
    link_secret: Path | None = Field(
        default=None,
        description="file of the secret that service and `ew web` share, made by whichever "
        "starts first "
        "(mode 0600); "
        "none: beside the database (ew.link.secret)",
    )
    log_level: Literal["debug", "info", "warning"] = Field(
        default="info", description="least level logged"
    )

    @field_validator("database", mode="before")
    @classmethod
    def _is_path_or_url(cls, given: object) -> object:
        if not isinstance(given, str):
            return given
        scheme, separator, _ = given.partition("://")
        if not separator:
            return Path(given)
        if scheme not in ("postgresql", "postgres"):
            raise ValueError(f"{scheme}:// is no database of ours: a path, or postgresql://")
        return given.replace("postgres://", "postgresql://", 1)

    @field_validator("tiles")
    @classmethod
    def _names_a_tile(cls, given: str | None) -> str | None:
        missing = [
            name for name in ("{z}", "{x}", "{y}") if given is not None and name not in given
        ]
        if missing:
            raise ValueError(f"no {' '.join(missing)} in the address of tiles")
        return given

    @model_validator(mode="after")
    def _partners_are_distinct(self) -> Self:
        for one, other in permutations((partner.name for partner in self.partners), 2):
            if one == other or one.startswith(f"{other}-"):
                raise ValueError(
                    f"partners {other!r} and {one!r}: their events' ids would be alike"
                )
        return self

    @model_validator(mode="after")
    def _is_not_open_to_all(self) -> Self:
        if not _is_loopback(self.http_host) and not self.api_keys and self.api_token is None:
            raise ValueError(
                f"http_host {self.http_host!r} is public: configure api_keys (`ew keys api NAME`), "
                "or listen on 127.0.0.1 behind a proxy"
            )
        return self

    @property
    def has_sources(self) -> bool:
        """Whether any source of waveforms is configured."""
        return bool(
            self.seedlink or self.mqtt_waveforms or self.watch or self.shakes or self.openeew
        )

    @property
    def link_secret_file(self) -> Path:
        """The file of the secret that service and web process share."""
        return self.link_secret or self.files.with_suffix(".link.secret")

    @property
    def files(self) -> Path:
        """The path beside which keys, secret and state are kept, each with a suffix of its own."""
        return self.database if isinstance(self.database, Path) else Path("ew.sqlite")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name may lead anywhere
