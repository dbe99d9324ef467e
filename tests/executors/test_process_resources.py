"""The app's resources in worker processes: one for each, from its first task to its end."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from taskqueue.api.handler import ExecutorKind
from taskqueue.api.loading import load_app
from taskqueue.executors.attempt import attempt
from taskqueue.executors.process.pool import START_RETRY_S, ProcessExecutor
from taskqueue.rules.recycling import ProcessPolicy
from taskqueue.rules.tasks import Outcome, Snoozed, Succeeded
from taskqueue.testing.claims import claimed
from taskqueue.testing.events import EventLog
from tests.executors.procs import gone, until
from tests.executors.resourceful import FILE


class Pool:
    """An executor of the test app, and the file that says what became of its resources."""

    def __init__(self, file: Path) -> None:
        self.app = load_app("tests.executors.resourceful:app")
        self.file = file
        self.executor = ProcessExecutor(self.app, 1, ProcessPolicy(max_tasks=2))

    async def run(self, action: str) -> Outcome:
        task = claimed(self.app.prepare(action))
        return await attempt(self.app, task, {ExecutorKind.PROCESS: self.executor})

    async def pid(self, action: str) -> int:
        outcome = await self.run(action)
        assert isinstance(outcome, Succeeded), outcome
        pid: Any = msgspec.json.decode(outcome.result)
        assert isinstance(pid, int)
        return pid

    def mark(self, kind: str) -> None:
        """Have resources behave in another way from now on."""
        self.file.with_name(self.file.name + kind).touch()

    def unmark(self, kind: str) -> None:
        self.file.with_name(self.file.name + kind).unlink()

    @property
    def notes(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []


@pytest.fixture
async def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    monkeypatch.setenv(FILE, str(tmp_path / "notes"))
    pool = Pool(tmp_path / "notes")
    yield pool
    pool.executor.close()


async def test_each_process_opens_them_once_and_closes_them_when_it_is_replaced(
    pool: Pool,
) -> None:
    pids = [await pool.pid(each) for each in ("plain", "on_loop", "on_loop", "plain")]
    first, second = pids[0], pids[2]
    await gone(first)

    assert pids == [first, first, second, second]
    assert pool.notes.index(f"open {first}") < pool.notes.index(f"close {first}")
    assert pool.notes.count(f"open {second}") == 1


async def test_they_are_closed_when_the_consumer_ends(pool: Pool) -> None:
    pid = await pool.pid("plain")

    await pool.executor.retire()

    assert pool.notes == [f"open {pid}", f"close {pid}"]


async def test_while_they_cannot_be_opened_tasks_wait(pool: Pool, events: EventLog) -> None:
    pool.mark(".down")

    outcome = await pool.run("plain")
    pool.unmark(".down")

    assert outcome == Snoozed(delay_s=START_RETRY_S)
    [failure] = events.select("worker_start_failed")
    assert failure["reason"] == "resources not opened: ConnectionRefusedError: no database"
    assert await pool.pid("plain")


async def test_a_process_that_has_lost_them_is_replaced(pool: Pool) -> None:
    pool.mark(".frail")

    pids = [await pool.pid("on_loop") for _ in range(3)]

    assert len({*pids}) == 3


async def test_a_close_that_hangs_does_not_outlive_its_limit(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool.executor, "_retire_s", 0.1)
    pool.mark(".stuck")
    pid = await pool.pid("plain")

    await pool.executor.retire()

    await until(lambda: pool.notes == [f"open {pid}", f"close {pid}"])
    await gone(pid)
