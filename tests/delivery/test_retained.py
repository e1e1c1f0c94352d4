"""What a broker holds for who comes later, where two earthquakes concern one place."""

import asyncio
import json
from dataclasses import replace

import aiomqtt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ew.alerts.lanes import Due
from ew.alerts.planner import AlertPlan
from ew.alerts.signing import Signer
from ew.broker_address import BrokerAddress
from ew.delivery.publisher import Publisher
from ew.delivery.retained import Published, RetainedAlerts, SendRecord
from tests.delivery.conftest import PlanMaker

DEVICE = ["tv-1"]
TOPIC = "ew/v1/alert/device/tv-1"


def of(plan: AlertPlan, version: int, kind: str, intensity: float) -> AlertPlan:
    told = replace(plan.version, version=version, kind=kind)  # type: ignore[arg-type]
    return replace(plan, version=told, intensity=plan.intensity * 0 + intensity)  # type: ignore[arg-type]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.floats(1, 9), st.booleans(), st.floats(0, 400)),
        max_size=12,
    )
)
def test_slot_holds_the_most_urgent_alert_that_is_neither_cancelled_nor_expired(
    make_plan: PlanMaker, steps: list[tuple[str, float, bool, float]]
) -> None:
    plans = {name: make_plan(DEVICE, event_id=name) for name in "abc"}
    alerts, slot, living = RetainedAlerts(), None, {}
    now_s = plans["a"].version.issued_s
    for version, (name, intensity, is_cancel, lasts_s) in enumerate(steps, 1):
        now_s += 1.0
        for again in alerts.expire(now_s)[1]:
            slot = again
        plan = of(plans[name], version, "cancel" if is_cancel else "update", intensity)
        alert = Published(
            SendRecord(TOPIC, name, version, 0, 0, intensity), Due(plan, 0), now_s + lasts_s
        )
        again = alerts.note(alert, now_s)
        if alert.is_retained:
            slot = alert
        if again is not None:
            assert again.is_retained
            slot = again
        living[name] = alert
        held = [one for one in living.values() if not one.is_cancel and one.expires_s > now_s]
        if held:
            assert slot is not None
            assert slot.urgency(now_s) == max(one.urgency(now_s) for one in held)
            assert slot in held
        for other, newest in living.items():
            if newest.expires_s > now_s:
                assert alerts.newest(TOPIC, other) is newest
    alerts.expire(now_s + 1000.0)
    assert len(alerts) == 0


@pytest.mark.parametrize("cancelled", ["near", "far"])
async def test_who_comes_after_a_cancel_finds_the_other_earthquake(
    broker: BrokerAddress, signer: Signer, make_plan: PlanMaker, cancelled: str
) -> None:
    plans = {
        "far": make_plan(DEVICE, event_id="far", magnitude=7.6),
        "near": make_plan(DEVICE, event_id="near", magnitude=6.0),
    }
    async with Publisher(broker, signer) as publisher:
        for plan in plans.values():
            publisher.submit(plan)
            await publisher.drain()
        assert await retained(broker) == ("far", "alert"), "the more urgent one"
        plan = plans[cancelled]
        async with aiomqtt.Client(broker.host, broker.port) as phone:
            await phone.subscribe(TOPIC, qos=1)
            publisher.submit(replace(plan, version=replace(plan.version, version=2, kind="cancel")))
            await publisher.drain()
            async with asyncio.timeout(10):
                heard = [json.loads((await anext(phone.messages)).payload) for _ in range(2)]
        assert {"event_id": cancelled, "kind": "cancel"}.items() <= heard[1].items()
        left = "far" if cancelled == "near" else "near"
        assert await retained(broker) == (left, "alert")


async def retained(broker: BrokerAddress) -> tuple[str, str]:
    async with aiomqtt.Client(broker.host, broker.port) as late:
        await late.subscribe(TOPIC, qos=1)
        async with asyncio.timeout(10):
            body = json.loads((await anext(late.messages)).payload)
    return body["event_id"], body["kind"]
