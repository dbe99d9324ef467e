"""The examples for web frameworks: the application in one process, the service in another."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from taskqueue import AsyncClient
from tests.forked.service import ForkedService

ROOT = Path(__file__).parents[2]
MOST_LINES = 45


@asynccontextmanager
async def web_process(
    *arguments: str, env: dict[str, str] | None = None, cwd: Path = ROOT, workers: int = 0
) -> AsyncIterator[str]:
    """Run `python -m …`; yield the URL that it announces on standard error.

    So many `workers` of uvicorn have started then.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        cwd=cwd,
        env=os.environ | (env or {}),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        said = ""
        while (
            not (found := re.search(r"http://127\.0\.0\.1:\d+", said))
            or said.count("startup complete") < workers
        ):
            line = await process.stderr.readline()
            assert line, said
            said += line.decode()
        yield found[0]
    finally:
        process.terminate()
        await process.wait()


async def test_a_flask_application_enqueues_and_shows_what_became_of_it(tmp_path: Path) -> None:
    flags = ("--app", "examples.flask_app:jobs")
    async with (
        ForkedService(tmp_path, *flags) as service,
        web_process(
            *("flask", "--app", "examples.flask_app", "run", "--port", "0"),
            env={"TASKQUEUE_URL": service.url},
        ) as url,
        aiohttp.ClientSession(url) as http,
    ):
        image = await posted(http, "/images", url="a.png", width=400)
        report = await posted(http, "/reports", to="ann@example.org")
        async with AsyncClient(service.url) as queue:
            await queue.task(image).wait(timeout_s=30)
            await queue.task(report).wait(timeout_s=30)
            [mail] = [task async for task in queue.tasks(action="mail")]
            mailed = await queue.task(mail.id).wait(timeout_s=30)
        shown = [await (await http.get(f"/tasks/{each}")).json() for each in (image, report)]

    assert [each["status"] for each in shown] == ["completed", "completed"]
    assert shown[0]["result"] == {"thumbnail": "a.png?width=400"}
    assert (shown[1]["progress"], shown[1]["result"]) == ({"pages": 3}, 3)
    assert mailed.status == "completed"
    assert lines_of("flask_app.py") <= MOST_LINES


async def test_a_fastapi_application_runs_the_service_and_shows_what_became_of_its_tasks(
    tmp_path: Path,
) -> None:
    command = ("uvicorn", "--app-dir", str(ROOT), "--port", "0", "examples.fastapi_app:web")
    async with (
        web_process(*command, cwd=tmp_path) as url,
        aiohttp.ClientSession(url) as http,
    ):
        image = await posted(http, "/images", url="a.png", width=400)
        report = await posted(http, "/reports", to="ann@example.org")
        async with AsyncClient((tmp_path / "data/tasks.db.service").read_text().strip()) as queue:
            await queue.task(image).wait(timeout_s=30)
            await queue.task(report).wait(timeout_s=30)
            [mail] = [task async for task in queue.tasks(action="mail")]
            mailed = await queue.task(mail.id).wait(timeout_s=30)
        shown = [await (await http.get(f"/tasks/{each}")).json() for each in (image, report)]

    assert [each["status"] for each in shown] == ["completed", "completed"]
    assert shown[0]["result"] == {"thumbnail": "a.png?width=400"}
    assert (shown[1]["progress"], shown[1]["result"]) == ({"pages": 3}, 3)
    assert mailed.status == "completed"
    assert lines_of("fastapi_app.py") <= MOST_LINES


@pytest.mark.long
async def test_all_workers_of_an_application_use_the_service_that_one_of_them_runs(
    tmp_path: Path,
) -> None:
    command = ("uvicorn", "--app-dir", str(ROOT), "--workers", "2", "examples.fastapi_app:web")
    async with web_process(*command, "--port", "0", cwd=tmp_path, workers=2) as url:
        async with asyncio.TaskGroup() as orders:
            ordered = [orders.create_task(posted_alone(url, f"{n}@example.org")) for n in range(20)]
        service = (tmp_path / "data/tasks.db.service").read_text().strip()
        async with AsyncClient(service) as queue:
            found = {task.id async for task in queue.tasks(action="report")}

    assert {order.result() for order in ordered} == found


async def posted_alone(url: str, to: str) -> str:
    """Order a report on a connection of its own, which any worker may accept."""
    async with aiohttp.ClientSession(url) as http:
        return await posted(http, "/reports", to=to)


def lines_of(example: str) -> int:
    """Return the number of lines of an example, and print it."""
    lines = len((ROOT / "examples" / example).read_text().splitlines())
    print(f"examples/{example}: {lines} lines")  # noqa: T201 - a figure to compare
    return lines


async def posted(http: aiohttp.ClientSession, path: str, **data: Any) -> str:
    """Post `data`; return the id in the answer."""
    async with http.post(path, json=data) as response:
        assert response.status == 200, await response.text()
        return str((await response.json())["id"])
