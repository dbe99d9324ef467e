"""Faults on command: each hits whom it names, and nobody else."""

import json
from pathlib import Path

import pytest

from taskqueue import App, Context
from taskqueue.api.loading import load_app
from taskqueue.errors import ActorUnavailable
from taskqueue.testing import faults
from taskqueue.testing.engine import Engine
from taskqueue.testing.events import EventLog
from tests.executors.procs import noted


@pytest.fixture
def app() -> App:
    app = App()

    @app.task("quick")
    async def quick(ctx: Context) -> None: ...

    return app


@pytest.mark.parametrize("path", ["consumers/consumer-1", "root/consumers/consumer-1"])
async def test_a_crash_ends_the_actor_with_its_error(app: App, events: EventLog, path: str) -> None:
    async with Engine(app) as engine:
        await faults.crash(engine.system, path, ZeroDivisionError("a bug"))
        restarted = await events.wait_for("child_restarted")

    assert restarted["child_id"] == "consumer-1"
    assert "a bug" in restarted["reason"]
    assert len(events.select("child_restarted")) == 1


async def test_a_whole_supervisor_can_be_killed(app: App, events: EventLog) -> None:
    async with Engine(app) as engine:
        await faults.kill(engine.system, "consumers")
        await events.wait_for("child_restarted", child_id="consumers")
        await app.enqueue(app.prepare("quick"))
        await engine.drain()

        assert len(await engine.tasks(status="completed")) == 1


@pytest.mark.parametrize("fault", [faults.kill, faults.freeze])
async def test_nobody_is_hit_where_nobody_is(app: App, fault: object) -> None:
    async with Engine(app) as engine:
        with pytest.raises(ActorUnavailable, match="consumers/consumer-7"):
            await fault(engine.system, "consumers/consumer-7")  # type: ignore[operator]


async def test_who_shares_the_thread_of_the_test_cannot_be_frozen(app: App) -> None:
    async with Engine(app) as engine:
        with pytest.raises(ValueError, match="queue lives on the main thread"):
            await engine.freeze("queue")


async def test_the_process_of_a_handler_is_killed_and_its_task_tried_again(
    tmp_path: Path, events: EventLog
) -> None:
    app = load_app("tests.executors.processes:app")
    gate, note = tmp_path / "gate", tmp_path / "pid"
    async with Engine(app) as engine:
        task = app.prepare("hold", json.dumps({"into": str(note), "until": str(gate)}).encode())
        await app.enqueue(task)
        [pid] = await noted(note)

        killed = await engine.kill_processes("consumer-1")
        await events.wait_for("task_requeued", task_id=task.id)
        gate.touch()
        await engine.drain()

        history = await engine.history(task.id)

    assert killed == (pid,)
    assert [str(each.outcome) for each in history.attempts] == ["crashed", "completed"]
    assert "signal 9 (SIGKILL)" in str(history.attempts[0].error)
