"""In which flow a task takes its turns, however it is enqueued."""

import asyncio
from pathlib import Path

import pytest

from taskqueue import Client
from taskqueue.testing.process import ServiceProcess
from tests.client import fair_shop


@pytest.mark.parametrize(("through", "by_name"), [("http", "tenant=acme"), ("file", None)])
async def test_a_prepared_task_has_its_flow_on_every_way_and_a_named_one_over_http(
    tmp_path: Path, through: str, by_name: str | None
) -> None:
    def script(url: str) -> list[str | None]:
        with Client(url) as queue:
            [prepared] = queue.enqueue_many([fair_shop.report.prepare("acme")])
            named = queue.enqueue("report", tenant="acme")
            return [each.info().flow for each in (prepared, named)]

    async with ServiceProcess(tmp_path, "--app", "tests.client.fair_shop:app") as service:
        url = service.url if through == "http" else f"sqlite:///{tmp_path}/data/tasks.db"
        flows = await asyncio.to_thread(script, url)

    assert flows == ["tenant=acme", by_name]
