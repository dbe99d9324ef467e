"""In which flow a task takes its turns, however it is enqueued."""

import asyncio
from pathlib import Path

import pytest

from taskqueue import Client
from taskqueue.testing.process import ServiceProcess
from tests.client import shop


@pytest.mark.parametrize(("through", "by_name"), [("http", "tenant=acme"), ("file", None)])
async def test_a_prepared_task_has_its_flow_on_every_way_and_a_named_one_over_http(
    service: ServiceProcess, tmp_path: Path, through: str, by_name: str | None
) -> None:
    url = service.url if through == "http" else f"sqlite:///{tmp_path}/data/tasks.db"

    def script() -> list[str | None]:
        with Client(url) as queue:
            [prepared] = queue.enqueue_many([shop.report.prepare("acme")])
            named = queue.enqueue("report", tenant="acme")
            return [each.info().flow for each in (prepared, named)]

    assert await asyncio.to_thread(script) == ["tenant=acme", by_name]
