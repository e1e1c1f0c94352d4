"""Stations that an operator has silenced: nothing of theirs reaches the pickers."""

import os
import time

import numpy as np

from ew import Packet
from ew.components import station_of
from ew.service.runtime import Service
from ew.storage.store import Store


def send(service: Service) -> list[str]:
    """A packet of each channel that ends now; the stations whose data are handed on."""
    now_ns = time.time_ns()
    for seed_id in service.inventory:
        service.acquisition.take(Packet(seed_id, now_ns - 10**9, 100.0, np.zeros(100, np.float32)))
    return sorted({station_of(one.seed_id) for one in service.acquisition.hand_over()})


async def test_data_of_a_silenced_station_are_left_out_until_it_is_heard_again(
    service: Service,
) -> None:
    everyone = send(service)
    path = service.config.service.database
    async with Store(path) as store:
        await store.silence(everyone[0], "op", "a mast shakes it")
        await service.silenced.read()
        assert send(service) == everyone[1:]
        assert service.status()["silenced"] == {everyone[0]: "silenced by op: a mast shakes it"}
        whole = path.read_bytes()
        path.write_bytes(os.urandom(4096))
        await service.silenced.read()
        assert "silenced stations: " in service.health
        assert send(service) == everyone[1:]
        path.write_bytes(whole)
        await store.hear_again(everyone[0])
    await service.silenced.read()
    assert "silenced stations: " not in service.health
    assert send(service) == everyone
