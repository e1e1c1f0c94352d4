"""How the service runs: addresses, files, sources."""

from pydantic import BaseModel, ConfigDict, Field


class ServiceConfig(BaseModel):
    """How the service runs: addresses, files, sources."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    http_host: str = Field(default="127.0.0.1", description="address of the HTTP API")
    http_port: int = Field(default=8080, ge=0, le=65535, description="port of the HTTP API")
