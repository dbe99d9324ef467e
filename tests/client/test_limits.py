"""Both clients show, change and take limits of a real service."""

import asyncio
import time
from pathlib import Path

import pytest

from taskqueue import AsyncClient, CallRefused, Client, RateSpent
from taskqueue.client.views import Allowed, TaskLimit
from taskqueue.client.waiting import TakePatience
from taskqueue.testing.process import ServiceProcess
from tests.client import shop

TWO = Allowed(running=2, starts=None, per_s=None, burst=None)


def the_program(url: str) -> None:
    with Client(url) as queue:
        smtp = queue.limit("smtp")
        assert [each.name for each in queue.limits()] == ["smtp"]
        assert (smtp.info().allows, list(smtp.by_key())) == (TWO, [])

        changed = smtp.change(running=4, starts=100, per_s=60)
        assert changed.allows == Allowed(running=4, starts=100, per_s=60, burst=1)
        smtp.reset()
        assert smtp.info().allows == TWO

        api = queue.limit("api")
        api.change(starts=1, per_s=0.2, burst=2)
        began = time.monotonic()
        for _ in range(4):
            api.take(key="acme", timeout_s=20)
        assert time.monotonic() - began >= 0.35
        assert [each.key for each in api.by_key()] == ["acme"]

        api.change(starts=1, per_s=3600)
        api.take(1)
        with pytest.raises(RateSpent) as spent:
            api.take(1, timeout_s=60)
        assert 3500 < spent.value.retry_after_s <= 3600
        api.reset()
        with pytest.raises(CallRefused, match="no such limit"):
            api.take()


async def test_a_program_with_threads_uses_limits(service: ServiceProcess) -> None:
    await asyncio.to_thread(the_program, service.url)


async def test_a_program_on_asyncio_uses_limits(service: ServiceProcess) -> None:
    async with AsyncClient(service.url) as queue:
        smtp, api = queue.limit("smtp"), queue.limit("api")
        assert [each.name for each in await queue.limits()] == ["smtp"]

        await smtp.change(running=1)
        assert (await smtp.info()).changed_at is not None
        await smtp.reset()
        assert (await smtp.info()).allows == TWO

        await api.change(starts=1, per_s=3600, burst=2)
        for key in ("acme", "acme", None):
            await api.take(key=key, timeout_s=0)
        assert [each.key async for each in api.by_key()] == [None, "acme"]
        with pytest.raises(RateSpent):
            await api.take(key="acme", timeout_s=1)


@pytest.mark.parametrize("through", ["http", "file"])
async def test_a_task_that_an_app_has_prepared_has_its_limits_on_every_way(
    service: ServiceProcess, tmp_path: Path, through: str
) -> None:
    url = service.url if through == "http" else f"sqlite:///{tmp_path}/data/tasks.db"

    def script() -> object:
        with Client(url) as queue:
            [task] = queue.enqueue_many([shop.post.prepare("example.org")])
            return task.wait(20).limits

    assert await asyncio.to_thread(script) == [TaskLimit(name="smtp", key="example.org", cost=1.0)]


def test_what_would_take_too_long_is_not_waited_for() -> None:
    clock = iter([100.0, 103.0, 106.0]).__next__
    patience = TakePatience("api", 10.0, clock)

    assert patience.pause_s(6.0) == 6.0
    with pytest.raises(RateSpent) as spent:
        patience.pause_s(6.0)
    assert str(spent.value) == "limit 'api' allows this in 6 s, more than timeout_s=10"
