"""Settings of the broker and of the publisher's connections."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ReceiptsConfig(BaseModel):
    """The share of receivers that is asked for a receipt of an alert; nobody by default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cells: float = Field(
        default=0.0, ge=0, le=1, description="share of a cell's devices that are asked, by lot"
    )
    devices: float = Field(
        default=0.0, ge=0, le=1, description="share of registered devices that are asked"
    )
    within_s: float = Field(
        default=30.0, gt=0, le=600, description="they answer at a random moment within, s"
    )


class DeliveryConfig(BaseModel):
    """The broker, the publisher's connections and their retries."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    broker: str = Field(
        default="embedded",
        description="embedded, mosquitto, nats, mqtt://[USER@]HOST[:PORT] or mqtts://… over TLS",
    )
    ca_file: Path | None = Field(
        default=None,
        description="certificates (PEM) to trust for mqtts:// instead of the system's",
    )
    password_file: Path | None = Field(
        default=None,
        description=(
            "file with the password of the URL's USER; none: the environment's EW_BROKER_PASSWORD"
        ),
    )
    broker_port: int = Field(
        default=1883,
        ge=0,
        le=65535,
        description="port of an embedded broker, our own Mosquitto or NATS; 0: a free one",
    )
    qos: int = Field(default=1, ge=0, le=1, description="MQTT QoS of alerts")
    retain: bool = Field(default=True, description="alerts are retained until they expire")
    connections: int = Field(default=2, ge=1, le=64, description="publisher connections")
    window: int = Field(
        default=64, ge=1, le=1000, description="unacknowledged publishes a connection"
    )
    receipts: ReceiptsConfig = Field(
        default_factory=ReceiptsConfig,
        description=(
            "shares of receivers asked for receipts; 60 million phones at 0.0001 within 30 s are "
            "200 a second"
        ),
    )
    retry_first_s: float = Field(default=0.1, gt=0, description="first wait before a reconnect, s")
    retry_most_s: float = Field(default=5.0, gt=0, description="longest wait before a reconnect, s")
    certificate: Path | None = Field(
        default=None,
        description=(
            "certificate chain (PEM) of the embedded broker; with it devices are also served over "
            "TLS"
        ),
    )
    private_key: Path | None = Field(default=None, description="the certificate's key (PEM)")
    tls_host: str = Field(
        default="0.0.0.0",  # noqa: S104 - devices are elsewhere
        description=(
            "address on which the embedded broker listens for TLS; without TLS it listens on "
            "127.0.0.1 only"
        ),
    )
    tls_port: int = Field(
        default=8883, ge=0, le=65535, description="port for TLS (IANA: secure-mqtt); 0: a free one"
    )
    users: Path | None = Field(
        default=None,
        description="file of the embedded broker's users, NAME:ROLE:HASH lines with hashed "
        "passwords; with "
        "it devices "
        "may only listen and send receipts",
    )
    anonymous: bool = Field(
        default=True, description="clients without a name are let in, as devices if there are users"
    )

    stations: Literal["password", "open"] = Field(
        default="password",
        description=(
            "whether stations and detectors need a name and a password on the embedded broker"
        ),
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key belong together: give both or none")
        if not self.anonymous and self.users is None:
            raise ValueError("anonymous = false needs a file of users: give users")
        if self.certificate is not None and self.users is None:
            raise ValueError(
                "certificate opens the broker to others: give users, so that only ew may alert"
            )
        if self.broker != "embedded" and (self.certificate or self.users):
            raise ValueError('certificate and users are for broker = "embedded" only')
        if self.ca_file is not None and not self.broker.startswith("mqtts://"):
            raise ValueError('ca_file is for broker = "mqtts://…" only')
        return self
