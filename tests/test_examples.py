"""The examples do what they say: what their handlers return, and what they print."""

import asyncio
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from examples import limits
from taskqueue import Settings
from taskqueue.testing.engine import Engine
from taskqueue.testing.process import ServiceProcess
from tests.forked.service import ForkedService

ROOT = Path(__file__).parents[1]

HEALED = """\
kill root/consumers/consumer-1
kill root/queue
kill root/database
kill root/consumers
kill root/gateway

restarts, as the log tells them:
  consumers/consumer-1: killed
  root/queue: killed
  root/database: killed
  root/consumers: killed
  root/gateway: killed

100 tasks accepted, 100 completed
"""

CHAT = """\
* anna joins
* ben joins
<anna> hello ben
* ben leaves: RuntimeError: cable pulled
* ben joins
<anna> supervisor: 10 letters
* anna yawns
* anna leaves
<room> good night
"""


HANG = """\
find_the_hang.py, in download
find_the_hang.py, in read_answer
logged so far: connects url='https://example.org/prices.csv'
enqueued by: nightly
contents of https://example.org/prices.csv
enqueued lately: 2
"""

IMPORTED = """\
100% of 6 rows
completed 5, dead 1
row '?': the only attempt failed: ValueError: '?' is no fruit
all rows of import-17 have ended
"""


async def test_the_actions_of_the_tutorial_end_as_it_says(tmp_path: Path) -> None:
    flags = ("--app", "examples.tutorial:app", "--retry-initial-s", "0.01")

    async with ForkedService(tmp_path, *flags) as service, aiohttp.ClientSession() as http:
        tasks = [
            await _outcome(service, http, "uppercase", {"text": "hello world"}),
            await _outcome(service, http, "sum", {"numbers": [1, 2, 3.5]}),
            await _outcome(service, http, "crash", {}),
            await _outcome(service, http, "decline", {}),
        ]

    assert [(task["status"], task["attempt"], task["result"]) for task in tasks] == [
        ("completed", 1, {"output": "HELLO WORLD"}),
        ("completed", 1, {"output": 6.5}),
        ("completed", 2, {"output": "survived"}),
        ("dead", 5, None),
    ]


async def test_the_api_gets_no_more_calls_than_it_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(limits.app, settings=Settings(consumers=2, slots=8, drain_s=0.0))
    began: list[float] = []
    asked: list[str] = []
    running, most = 0, 0

    async def call_api(text: str) -> str:
        nonlocal running, most
        began.append(engine.clock.now())
        asked.append(text)
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return text

    monkeypatch.setattr(limits, "call_api", call_api)
    async with engine:
        questions = [limits.ask.prepare("acme", str(n)) for n in range(60)]
        texts = [limits.translate.prepare("acme", str(n)) for n in range(38)]
        others = [limits.ask.prepare("tiny", "first"), limits.ask.prepare("tiny", "second")]
        await limits.app.enqueue(*questions, *texts)
        await engine.advance(30)  # the burst and more have begun
        begun = len(asked)
        await limits.app.enqueue(*others)
        await engine.drain()

    assert [asked.index(text) - begun for text in ("first", "second")] == [0, 2]
    assert len(began) == 100
    assert max(sum(at <= each < at + 60 for each in began) for at in began) <= 70
    assert began[-1] - began[0] == pytest.approx(90)
    assert most <= 4


async def test_watch_it_heal_restarts_every_part_and_completes_every_task() -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "examples.watch_it_heal"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout == HEALED
    assert done.returncode == 0


def test_the_chat_survives_a_crash_as_the_guide_shows() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.chat"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    guide = (ROOT / "docs/actors.md").read_text()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == CHAT
    assert f"```\n{CHAT}```" in guide


def test_a_program_runs_the_service_in_its_own_loop() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.embedded"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == 'count_words: completed, {"words":9}\n'


def test_a_trace_goes_from_a_request_over_two_tasks() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.traced_orders"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    spans = ["POST /orders", "send default", "process default", "send mail", "process mail"]
    assert done.stdout.splitlines() == spans


async def test_a_script_enqueues_through_the_file_and_prints_the_result(tmp_path: Path) -> None:
    path = tmp_path / "data" / "tasks.db"

    async with ForkedService(tmp_path, "--app", "examples.tutorial:app"):
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "examples.enqueue_through_the_file", f"sqlite:///{path}", "hey"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "{'output': 'HEY'}\n"


async def test_what_happens_to_a_task_is_followed_to_its_end(tmp_path: Path) -> None:
    async with ForkedService(tmp_path, "--app", "examples.tutorial:app") as service:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "examples.follow_events", service.url, "hey"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"\d\d:\d\d:\d\d task_completed [0-9a-f-]{36}( succeeded)?\n\Z", done.stdout)


async def test_an_order_and_its_confirmation_are_there_together_or_not_at_all(
    tmp_path: Path,
) -> None:
    flags = ("--app", "examples.orders:app", "--lease-s", "1")
    path = tmp_path / "data" / "tasks.db"

    async with ForkedService(tmp_path, *flags) as service:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "examples.orders", path, "book", "pen", "", "never reached"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        confirmed = done.stdout.split()
        for task_id in confirmed:
            await service.wait_for("task_completed", task_id=task_id)
        await service.stop()

    assert done.stderr.endswith("ValueError: an order of nothing\n")
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT item FROM orders ORDER BY id").fetchall() == [("book",), ("pen",)]
        assert db.execute("SELECT id, result FROM tasks ORDER BY id").fetchall() == [
            (confirmed[0], '{"mail":"order 1: book"}'),
            (confirmed[1], '{"mail":"order 2: pen"}'),
        ]


async def test_the_tests_of_the_shop_pass() -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "examples/test_shop.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


async def test_pages_are_fetched_over_one_connection(tmp_path: Path) -> None:
    connections = set()

    async def page(request: web.Request) -> web.Response:
        assert request.transport is not None
        connections.add(request.transport.get_extra_info("peername"))
        return web.Response(text="hello")

    site = web.Application()
    site.router.add_get("/", page)
    flags = ("--app", "examples.fetch_pages:app", "--consumers", "1", "--slots", "1")

    async with (
        TestServer(site) as server,
        ForkedService(tmp_path, *flags) as service,
        aiohttp.ClientSession() as http,
    ):
        data = {"url": str(server.make_url("/"))}
        tasks = [await _outcome(service, http, "page_size", data) for _ in range(3)]

    assert [task["result"] for task in tasks] == [{"bytes": 5}] * 3
    assert len(connections) == 1


async def test_errors_are_reported_and_dead_tasks_alert(tmp_path: Path) -> None:
    alerts: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    async def alert(request: web.Request) -> web.Response:
        alerts.put_nowait(await request.json())
        return web.Response()

    site = web.Application()
    site.router.add_post("/", alert)

    async with TestServer(site) as server:
        env = {"ALERT_URL": str(server.make_url("/"))}
        flags = ("--app", "examples.report_errors:app")
        async with (
            ForkedService(tmp_path, *flags, env=env) as service,
            aiohttp.ClientSession() as http,
        ):
            data = {"dividend": 1, "divisor": 0}
            task = await _outcome(service, http, "divide", data)
            told = await asyncio.wait_for(alerts.get(), 20)
            reported = await service.wait_for("exception_reported", task_id=task["id"])

    assert task["status"] == "dead"
    assert told == {"task": task["id"], "action": "divide", "reason": task["reason"]}
    assert reported["kind"] == "ZeroDivisionError"


async def test_schedules_run_and_are_shown() -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "examples.schedules"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )

    assert [line for line in done.stdout.splitlines() if not line.startswith("{")] == [
        "nightly-report: At 03:00 every day (Europe/Berlin), next at 03:00",
        "run now: the report of",
        "check-shop: shop.example answers",
        "paused: the shop is closed",
    ], done.stderr


async def test_heavy_work_ends_as_its_handlers_say(tmp_path: Path) -> None:
    flags = ("--app", "examples.heavy:app", "--retry-initial-s", "0.01")

    async with ForkedService(tmp_path, *flags) as service, aiohttp.ClientSession() as http:
        primes = await _outcome(service, http, "primes", {"below": 1_000_000})
        endless = await _outcome(service, http, "endless", {})
        broken = await _outcome(service, http, "broken_library", {})

    assert primes["result"] == {"primes": 78498}
    assert endless["reason"] == "all 2 attempts failed; last: timed out after 0.5 s"
    assert broken["reason"].startswith(
        "poison: crashed 3 times; last: process killed by signal 11 (SIGSEGV) after "
    )


async def _outcome(
    service: ServiceProcess, http: aiohttp.ClientSession, action: str, data: dict[str, Any]
) -> dict[str, Any]:
    """Post a task, wait for its end, and return it."""
    async with http.post(f"{service.url}/tasks", json={"action": action, "data": data}) as response:
        assert response.status == 202, await response.text()
        task_id = (await response.json())["id"]
    dies = action in {"decline", "endless", "broken_library", "divide"}
    ended = "task_dead_lettered" if dies else "task_completed"
    await service.wait_for(ended, task_id=task_id)
    async with http.get(f"{service.url}/tasks/{task_id}") as response:
        return dict(await response.json())


def test_a_debounced_task_runs_once_with_the_latest_data_and_after_a_minute_at_the_latest() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.debounce"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        '"document 1: Hello", after 7 s\n'
        '"document 2: 56 s", after 60 s\n'
        '"document 2: 76 s", after 21 s\n'
    )


async def test_an_import_with_a_group_ends_with_its_report() -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "examples.import_with_group"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, IMPORTED)


async def test_a_handler_that_hangs_is_found_with_its_stack_its_log_and_its_origin() -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "examples.find_the_hang"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, HANG), done.stderr
