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

from taskqueue import AsyncClient
from taskqueue.testing.process import ServiceProcess

ROOT = Path(__file__).parents[2]
MOST_LINES = 45


@asynccontextmanager
async def web_process(*arguments: str, env: dict[str, str]) -> AsyncIterator[str]:
    """Run `python -m …`; yield the URL that it announces on standard error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        cwd=ROOT,
        env=os.environ | env,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        said = ""
        while not (found := re.search(r"http://127\.0\.0\.1:\d+", said)):
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
        ServiceProcess(tmp_path, *flags) as service,
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
