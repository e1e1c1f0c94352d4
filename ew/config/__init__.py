"""The typed configuration: every value an operator may change, with its default, unit and source.

One TOML file has a table for each stage; each stage is given its own section only. A mistake is
explained with file, key and allowed values (``ConfigError``).
"""

import tomllib
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ew.config.delivery import DeliveryConfig
from ew.config.explain import mistakes
from ew.config.locate import Layer, LocateConfig
from ew.config.picker import PickerConfig
from ew.config.policy import PolicyConfig
from ew.config.service import ServiceConfig
from ew.config.shaking import ShakingConfig
from ew.errors import ConfigError

__all__ = [
    "Config",
    "DeliveryConfig",
    "Layer",
    "LocateConfig",
    "PickerConfig",
    "PolicyConfig",
    "ServiceConfig",
    "ShakingConfig",
    "load_config",
]


class Config(BaseModel):
    """The whole configuration; the defaults suit the Sichuan-Yunnan region."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    picker: PickerConfig = Field(default_factory=PickerConfig)
    locate: LocateConfig = Field(default_factory=LocateConfig)
    shaking: ShakingConfig = Field(default_factory=ShakingConfig)
    policy: PolicyConfig = Field(default_factory=PolicyConfig)
    delivery: DeliveryConfig = Field(default_factory=DeliveryConfig)
    service: ServiceConfig = Field(default_factory=ServiceConfig)

    @model_validator(mode="after")
    def _roles_fit(self) -> Self:
        service = self.service
        sources = "seedlink, mqtt_waveforms, watch, shakes or openeew"
        if service.role == "detect" and "://" not in self.delivery.broker:
            raise ValueError(
                "service.role detect: delivery.broker must be the associators' broker, "
                "mqtt://HOST:PORT"
            )
        if service.role == "detect" and not service.has_sources:
            raise ValueError(f"service.role detect: needs {sources}")
        if service.role == "associate" and service.has_sources:
            raise ValueError(
                f"service.role associate: picks come from detectors; name {sources} there"
            )
        return self


def load_config(path: Path | None) -> Config:
    """The configuration in ``path``, or the defaults for ``None``.

    Raises:
        ConfigError: the file can't be read or a value is wrong; every mistake is named by its key.
    """
    if path is None:
        return Config()
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: can't read the configuration: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: not valid TOML: nested too deeply") from error
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        lines = [f"{path}: {mistake}" for mistake in mistakes(error, Config)]
        raise ConfigError("\n".join(lines)) from error
