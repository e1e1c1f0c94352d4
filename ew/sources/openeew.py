"""SHELL: reads accelerations (gal) that OpenEEW sensors publish as JSON over MQTT.

A message has the time of its last sample. Its forms (openeew/openeew-firmware, openeew-detection,
openeew-python): axes beside ``device_t`` and ``sr``; axes in an object ``traces``; a list
``traces`` of blocks, each with its ``t`` and ``sr``. All may be in a member ``d``, as in Watson
IoT, or in a JSON string. A message without a sampling rate or a time is refused: some firmwares
write whole seconds or none.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import orjson
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from ew.broker_address import parse_url
from ew.config.sources import OpenEewSource
from ew.errors import MessageError
from ew.records import Packet
from ew.sources.listen import listen
from ew.sources.sample_clock import SampleClock
from ew.times import ns_from_seconds

log = logging.getLogger("ew.openeew")

AXES = "ENZ"
"""Last letters of x, y and z where the configuration names none."""
LONGEST_BYTES = 256 * 1024
LATEST_S = 4.1e9  # 2099
Axis = Annotated[
    list[Annotated[float, Field(ge=-1e5, le=1e5)]], Field(min_length=1, max_length=5000)
]
NAMED = 20
"""Most unknown devices that are named."""


class Block(BaseModel):
    """Samples of the three axes in gal, the time of the last one in epoch s, and the rate in Hz."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    x: Axis
    y: Axis
    z: Axis
    sr: float = Field(ge=10, le=500)
    t: float = Field(validation_alias=AliasChoices("t", "device_t"), gt=0, lt=LATEST_S)


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    device_id: str = Field(min_length=1, max_length=64)


def parse(payload: bytes) -> tuple[str, list[Block]]:
    """The device of a message, and its blocks by time.

    Raises:
        MessageError: it has none of OpenEEW's forms.
    """
    try:
        body: Any = orjson.loads(payload[: LONGEST_BYTES + 1])
        body = orjson.loads(body) if isinstance(body, str) else body
        body = body.get("d", body)
        traces = body.get("traces")
        parts = traces if isinstance(traces, list) else [traces if traces is not None else {}]
        device = _Message.model_validate(body).device_id
        blocks = [Block.model_validate({**body, **part}) for part in parts]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MessageError(f"{where}: {first['msg']}") from error
    except (ValueError, AttributeError, TypeError) as error:
        raise MessageError(f"not in a form of OpenEEW's: {error}") from error
    if any(not len(block.x) == len(block.y) == len(block.z) for block in blocks):
        raise MessageError("axes of different length")
    return device, sorted(blocks, key=lambda block: block.t)


@dataclass(slots=True)
class _Device:
    """The three channels of a sensor, and its clock."""

    seed_ids: tuple[str, str, str]
    clock: SampleClock

    def packets(self, block: Block) -> Iterator[Packet]:
        count = len(block.x)
        start_s, rate = self.clock.follow(block.t - (count - 1) / block.sr, count, block.sr)
        for seed_id, axis in zip(self.seed_ids, (block.x, block.y, block.z), strict=True):
            yield Packet(seed_id, ns_from_seconds(start_s), rate, np.array(axis, np.float32))


class OpenEew:
    """Reads from one broker; ``run`` passes packets on until it is cancelled.

    Raises:
        ConfigError: the broker's address, password or certificates can't be used.
    """

    def __init__(self, source: OpenEewSource, take: Callable[[Packet], None]) -> None:
        self.packets = self.refused = 0
        self.unknown: set[str] = set()
        """Devices that are not configured."""
        self.address = parse_url(
            source.broker, ca_file=source.ca_file, password_file=source.password_file
        )
        self._topics, self._take = source.topics, take
        self._devices = {name: _device(channels) for name, channels in source.devices.items()}

    async def run(self) -> None:
        """Read until cancelled; a lost broker is tried again each second."""
        await listen(self.address, [(topic, 0) for topic in self._topics], self.take, "openeew")

    def take(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Take messages as (topic, payload)."""
        for topic, payload in messages:
            try:
                name, blocks = parse(payload)
            except MessageError as error:
                if not self.refused:
                    log.warning("openeew: message on %s refused: %s", topic, error)
                self.refused += 1
                continue
            self._take_blocks(name, blocks)

    def _take_blocks(self, name: str, blocks: Sequence[Block]) -> None:
        device = self._devices.get(name)
        if device is None:
            if name not in self.unknown and len(self.unknown) < NAMED:
                self.unknown.add(name)
                log.warning("openeew: device %r is not configured", name)
            self.refused += 1
            return
        for block in blocks:
            for packet in device.packets(block):
                self.packets += 1
                self._take(packet)


def _device(channels: str) -> _Device:
    stem, _, axes = channels.partition(":")
    x, y, z = (f"{stem}{letter}" for letter in axes or AXES)
    return _Device((x, y, z), SampleClock())
