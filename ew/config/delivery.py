"""How alerts reach the broker."""

from pydantic import BaseModel, ConfigDict, Field


class DeliveryConfig(BaseModel):
    """The broker, the publisher's connections and how it tries again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    broker: str = Field(
        default="embedded", description="embedded, mosquitto, nats or mqtt://HOST[:PORT]"
    )
    broker_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="port of an embedded broker or our own Mosquitto; 0: a free one",
    )
    qos: int = Field(default=1, ge=0, le=1, description="MQTT QoS of alerts")
    retain: bool = Field(default=True, description="alerts are retained until they expire")
    connections: int = Field(default=2, ge=1, le=64, description="publisher connections")
    window: int = Field(
        default=64, ge=1, le=1000, description="unacknowledged publishes a connection"
    )
    retry_first_s: float = Field(default=0.1, gt=0, description="first wait before a reconnect, s")
    retry_most_s: float = Field(default=5.0, gt=0, description="longest wait before a reconnect, s")
