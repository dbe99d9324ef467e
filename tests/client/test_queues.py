"""The consumers of a queue, as both clients show and change them."""

from pathlib import Path

import pytest

from taskqueue import AsyncClient, CallRefused, Client
from taskqueue.rules.sizes import Capacity, PoolSize
from tests.client.rooms import SEATS
from tests.client.test_client import in_thread
from tests.forked.service import ForkedService

FLAGS = ("--app", "tests.client.rooms:app", "--queues", "rooms=1", "--slots", "1")
CONFIGURED = Capacity(count=1, slots=1)


async def test_consumers_and_slots_of_a_queue_are_kept_over_a_restart_of_the_service(
    tmp_path: Path,
) -> None:
    async with ForkedService(tmp_path, *FLAGS) as service, AsyncClient(service.url) as queue:
        before = await queue.queue("rooms").consumers()
        changed = await queue.queue("rooms").resize(count=3, slots=2)
    async with ForkedService(tmp_path, *FLAGS) as service, AsyncClient(service.url) as queue:
        kept = await queue.queue("rooms").consumers()
        tasks = await queue.enqueue_many([("meet", {})] * SEATS)
        for task in tasks:
            await task.result(timeout_s=60)
        served = {each.queue: each.consumers for each in await queue.queues()}
        back = await queue.queue("rooms").resize(count=None, slots=None)

    assert (
        before
        == back
        == PoolSize(queues=("rooms",), count=1, slots=1, configured=CONFIGURED, is_changed=False)
    )
    assert (
        changed
        == kept
        == PoolSize(queues=("rooms",), count=3, slots=2, configured=CONFIGURED, is_changed=True)
    )
    assert served["rooms"] == 3


async def test_both_clients_change_one_number_and_leave_the_other(tmp_path: Path) -> None:
    def script(url: str) -> tuple[PoolSize, PoolSize]:
        with Client(url) as queue:
            rooms = queue.queue("rooms")
            return rooms.resize(slots=4), rooms.consumers()

    async with ForkedService(tmp_path, *FLAGS) as service, AsyncClient(service.url) as queue:
        counted = await queue.queue("rooms").resize(count=2)
        slotted, shown = await in_thread(lambda: script(service.url))
        with pytest.raises(CallRefused, match="no such queue"):
            await queue.queue("elsewhere").resize(count=2)

    assert (counted.count, counted.slots) == (2, 1)
    assert (slotted.count, slotted.slots) == (2, 4)
    assert shown == slotted
