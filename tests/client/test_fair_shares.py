"""In which flow a task takes its turns, however it is enqueued."""

import asyncio
from pathlib import Path

import pytest

from taskqueue import AsyncClient, Client
from taskqueue.client.views import FlowInfo
from tests.client import fair_shop
from tests.forked.service import ForkedService


@pytest.mark.parametrize(("through", "by_name"), [("http", "tenant=acme"), ("file", None)])
async def test_a_prepared_task_has_its_flow_on_every_way_and_a_named_one_over_http(
    tmp_path: Path, through: str, by_name: str | None
) -> None:
    def script(url: str) -> list[str | None]:
        with Client(url) as queue:
            [prepared] = queue.enqueue_many([fair_shop.report.prepare("acme")])
            named = queue.enqueue("report", tenant="acme")
            return [each.info().flow for each in (prepared, named)]

    async with ForkedService(tmp_path, "--app", "tests.client.fair_shop:app") as service:
        url = service.url if through == "http" else f"sqlite:///{tmp_path}/data/tasks.db"
        flows = await asyncio.to_thread(script, url)

    assert flows == ["tenant=acme", by_name]


async def test_both_clients_list_all_flows_of_a_queue(tmp_path: Path) -> None:
    def listed(url: str) -> list[FlowInfo]:
        with Client(url) as queue:
            return list(queue.queue("default").flows())

    tenants = [f"{number:03}" for number in range(120)]  # more than a page
    flags = ("--app", "tests.client.fair_shop:app", "--consumers", "0")
    async with (
        ForkedService(tmp_path, *flags) as service,
        AsyncClient(service.url) as queue,
    ):
        await queue.enqueue_many([("report", {"tenant": each}) for each in [*tenants, "007"]])
        flows = [each async for each in queue.queue("default").flows()]
        alike = await asyncio.to_thread(listed, service.url)

    assert flows == alike
    assert [each.flow for each in flows] == [f"tenant={each}" for each in tenants]
    assert {each.flow: each.waiting for each in flows if each.waiting > 1} == {"tenant=007": 2}
