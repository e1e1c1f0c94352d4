"""Settings of sources that speak neither SeedLink nor miniSEED."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

DEVICE = re.compile(r"[A-Z0-9]{1,8}\.[A-Z0-9]{1,8}\.[A-Z0-9]{0,8}\.[A-Z0-9]{2}(:[A-Z0-9]{3})?")
"""A sensor's channels: NET.STA.LOC.BI, and after a colon the last letters of x, y and z."""


class ShakeSource(BaseModel):
    """One Raspberry Shake that sends its data cast to this machine by UDP."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    station: str = Field(
        pattern=r"^[A-Z0-9]{1,8}\.[A-Z0-9]{1,8}\.[A-Z0-9]{0,8}$",
        description="NET.STA.LOC of its channels, as in AM.R3BCF.00; the data cast does not tell",
    )
    sender: str = Field(description="IP address it sends from; packets of others are refused")
    # Open to all: the senders are named
    host: str = Field(default="0.0.0.0", description="own address to listen on")  # noqa: S104
    port: int = Field(default=8888, ge=1, le=65535, description="UDP port; several may share one")
    sampling_rate: float = Field(
        default=100.0, ge=10, le=500, description="in Hz; the data cast does not tell"
    )

    @field_validator("sender")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return str(ip_address(value))


class OpenEewSource(BaseModel):
    """OpenEEW sensors that publish their accelerations as JSON on a broker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    broker: str = Field(description="mqtt://[USER@]HOST[:PORT] the sensors publish to, or mqtts://")
    ca_file: Path | None = Field(default=None, description="certificates (PEM) to trust")
    password_file: Path | None = Field(
        default=None, description="password of the broker's USER; none: EW_BROKER_PASSWORD"
    )
    topics: tuple[str, ...] = Field(
        default=("traces", "/traces", "iot-2/evt/+/fmt/json"),
        min_length=1,
        description="topic filters to read",
    )
    devices: dict[str, str] = Field(
        min_length=1,
        description="by device_id the channels of its axes: NET.STA.LOC.BI, or NET.STA.LOC.BI:ENZ "
        "with the last letters of x, y and z; other devices are refused",
    )

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        for device, channels in self.devices.items():
            if not DEVICE.fullmatch(channels):
                raise ValueError(
                    f"{channels!r} of {device!r} in devices is not NET.STA.LOC.BI or "
                    "NET.STA.LOC.BI:ENZ, as in OE.001..BN:ZNE"
                )
        return self
