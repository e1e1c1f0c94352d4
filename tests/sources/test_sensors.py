"""Raspberry Shakes and OpenEEW sensors: real packets in, the same samples out, and nothing from
strangers."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiomqtt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ew.broker_address import BrokerAddress
from ew.config.sources import OpenEewSource, ShakeSource
from ew.detect.bank import PickerBank
from ew.errors import MessageError
from ew.records import Packet
from ew.sources import openeew, shake
from ew.sources.openeew import OpenEew
from ew.sources.sample_clock import SampleClock
from ew.sources.shake import Shakes
from ew.times import NS_PER_S
from tests.casts import CAST, free_udp_port

FIRST = {
    "country_code": "mx",
    "device_id": "001",
    "device_t": 1592925900.478,
    "cloud_t": 1592925900.822,
    "sr": 31.25,
    "x": [0.07, -0.03, -0.02, 0.06],
    "y": [0.04, 0.06, 0.07, 0],
    "z": [-0.15, -0.04, 0, 0.03],
}
"""The head of a record of the M 7.4 of 2020-06-23, in openeew-detection."""


def test_cast_as_documented_is_read() -> None:
    found = shake.parse(CAST)
    assert found is not None
    assert (found.channel, found.start_ns) == ("EHZ", 1582315130_292_000_000)
    assert found.samples.tolist()[:3] == [14168, 14927, 16112]
    assert (len(found.samples), found.samples.dtype) == (25, np.int32)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"{}",
        b"{'EHZ', 1582315130.292}",
        b"{'EHZ', nan, 1, 2}",
        b"{'EHZ', 1e300, 1, 2}",
        b"{'EHZ', 1582315130.292, 1, 3000000000}",
        b"{'EHZ', 1582315130.292, 1, 2.5}",
        b"{'EHZZZ', 1582315130.292, 1, 2}",
        b"{'EHZ', 1582315130.292, 1, 2",
        CAST + CAST,
        CAST.replace(b"EHZ", b"../"),
    ],
)
def test_what_is_no_cast_is_refused(datagram: bytes) -> None:
    assert shake.parse(datagram) is None


@given(st.binary(max_size=200), st.integers(0, len(CAST)))
def test_no_datagram_does_worse_than_to_be_refused(noise: bytes, at: int) -> None:
    shake.parse(noise)
    shake.parse(CAST[:at] + noise + CAST[at:])
    shake.parse(CAST[:at] + noise[:1] + CAST[at + 1 :])


@contextlib.asynccontextmanager
async def listening(*sources: ShakeSource) -> AsyncIterator[tuple[Shakes, list[Packet]]]:
    taken: list[Packet] = []
    shakes = Shakes(sources, taken.append)
    running = asyncio.create_task(shakes.run())
    try:
        yield shakes, taken
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_two_shakes_on_one_port_are_told_apart_and_a_stranger_is_refused() -> None:
    port = free_udp_port()
    first = ShakeSource(station="AM.R3BCF.00", sender="127.0.0.2", port=port)
    second = ShakeSource(station="AM.RFFFF.00", sender="127.0.0.3", sampling_rate=50, port=port)
    with contextlib.ExitStack() as stack:
        senders = []
        for address in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
            sender = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sender.bind((address, 0))
            senders.append(sender)
        async with listening(first, second) as (shakes, taken):

            def cast() -> bool:
                for sender in senders:
                    sender.sendto(CAST, ("127.0.0.1", port))
                senders[0].sendto(b"{'EHZ'", ("127.0.0.1", port))
                return len(taken) > 1 and shakes.strangers.refused > 0

            await until(cast)  # the port may not be open yet at the first
            await until(lambda: shakes.status["AM.R3BCF.00"].refused > 0)
    found = {packet.seed_id: packet for packet in taken}
    assert set(found) == {"AM.R3BCF.00.EHZ", "AM.RFFFF.00.EHZ"}
    assert found["AM.R3BCF.00.EHZ"].sampling_rate == 100
    assert found["AM.RFFFF.00.EHZ"].sampling_rate == 50
    assert found["AM.R3BCF.00.EHZ"].start_ns == 1582315130_292_000_000
    assert shakes.strangers.refused_from == "127.0.0.4"


AXES = {axis: FIRST[axis] for axis in "xyz"}
FORMS: dict[str, bytes] = {
    "recorded": json.dumps(FIRST).encode(),
    "a JSON string": json.dumps(json.dumps(FIRST)).encode(),
    "firmware": json.dumps(
        {
            "device_id": "001",
            "sr": 31.25,
            "user": "u",
            "network": "OE",
            "device_t": 1592925900.478,
            "traces": AXES,
        }
    ).encode(),
    "blocks": json.dumps(
        {
            "device_id": "001",
            "cloud_t": 1592925902.0,
            "traces": [{"t": 1592925900.478, "sr": 31.25, **AXES}],
        }
    ).encode(),
    "Watson": json.dumps({"d": FIRST}).encode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_openeew_gives_the_same_samples(form: str) -> None:
    device, (block,) = openeew.parse(FORMS[form])
    assert (device, block.t, block.sr) == ("001", 1592925900.478, 31.25)
    assert (block.x, block.y, block.z) == (FIRST["x"], FIRST["y"], FIRST["z"])


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"sr": None}, "sr"),
        ({"sr": 1e9}, "sr"),
        ({"device_t": -1}, "device_t"),
        ({"device_t": 1e300}, "device_t"),
        ({"x": [0.0]}, "different length"),
        ({"x": ["a"]}, "x.0"),
        ({"x": [1e30]}, "x.0"),
        ({"device_id": ""}, "device_id"),
        ({"traces": 7}, "form"),
    ],
)
def test_message_that_can_not_be_is_refused(changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(MessageError, match=complaint):
        openeew.parse(json.dumps(FIRST | changed).encode())


@given(st.binary(max_size=300))
def test_no_payload_does_worse_than_to_be_refused(payload: bytes) -> None:
    for one in (payload, b'"' + payload + b'"', b"[" * 100_000):
        with pytest.raises(MessageError):
            openeew.parse(one)


async def test_openeew_sensors_are_read_from_a_broker(embedded: BrokerAddress) -> None:
    taken: list[Packet] = []
    source = OpenEewSource(
        broker=f"mqtt://{embedded.host}:{embedded.port}", devices={"001": "OE.001..BN:ZNE"}
    )
    reading = OpenEew(source, taken.append)
    running = asyncio.create_task(reading.run())
    stranger = json.dumps(FIRST | {"device_id": "999"})
    async with aiomqtt.Client(embedded.host, embedded.port) as client, asyncio.timeout(30):
        while not (taken and reading.unknown and reading.refused > 1):
            await client.publish("traces", FORMS["recorded"])
            await client.publish("/traces", stranger)
            await client.publish("iot-2/evt/status/fmt/json", b"{}")
            await asyncio.sleep(0.05)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert reading.unknown == {"999"}
    assert {packet.seed_id for packet in taken} == {"OE.001..BNZ", "OE.001..BNN", "OE.001..BNE"}
    vertical = next(packet for packet in taken if packet.seed_id == "OE.001..BNZ")
    np.testing.assert_allclose(vertical.samples, FIRST["x"], rtol=1e-6)
    # The stamp is that of the last sample
    assert vertical.start_ns == pytest.approx((1592925900.478 - 3 / 31.25) * NS_PER_S, abs=1e6)


@pytest.mark.parametrize("true_rate", [31.06, 31.25, 31.33])
def test_jitter_and_a_rate_off_the_nominal_one_leave_no_gap_and_no_overlap(
    true_rate: float,
) -> None:
    rng = np.random.default_rng(1)
    clock, bank = SampleClock(), PickerBank()
    begins_s = 1.6e9 + np.arange(600) * 32 / true_rate
    off_s = []
    for begin_s in begins_s:
        late_s = rng.exponential(0.004)
        start_s, rate = clock.follow(begin_s + late_s, 32, 31.25)
        off_s.append(start_s - begin_s)
        samples = rng.normal(0, 1, 32).astype(np.float32)
        bank.process([Packet("OE.A..BNZ", round(start_s * NS_PER_S), rate, samples)])
    counters = bank.counters.as_dict()
    assert counters["samples"] == 600 * 32
    for name in ("gaps_bridged", "gaps_restarted", "overlaps", "duplicates", "rate_changes"):
        assert counters[name] == 0, name
    assert np.max(np.abs(off_s[60:])) < 0.016  # half a sample


def test_a_clock_that_was_set_and_a_gap_are_followed_at_once() -> None:
    clock = SampleClock()
    for second in range(50):
        clock.follow(1.6e9 + second, 32, 32.0)
    assert clock.follow(1.6e9 + 60, 32, 32.0)[0] == 1.6e9 + 60
    assert clock.follow(1.6e9 + 30, 32, 32.0)[0] == 1.6e9 + 30


def test_configuration_that_can_not_be_meant_is_refused() -> None:
    with pytest.raises(ValueError, match="IPv4 or IPv6"):
        ShakeSource(station="AM.R3BCF.00", sender="my-shake")
    with pytest.raises(ValueError, match=r"OE\.001\.\.BN:ZNE"):
        OpenEewSource(broker="mqtt://x", devices={"001": "OE.001"})
