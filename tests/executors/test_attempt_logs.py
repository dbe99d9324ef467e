"""What handlers log is kept with the attempt, on every executor and however it ends."""

import msgspec
import pytest

from taskqueue.actors.messages import DATABASE
from taskqueue.actors.storage_client import StorageClient
from taskqueue.api.loading import load_app
from taskqueue.attempt_log import MAX_LINES, KeptLog
from taskqueue.storage.protocol import Storage
from taskqueue.testing.engine import Engine

APP = load_app("tests.executors.logging_app:app")
KINDS = ("loop", "thread", "process", "async_process")
IN_PROCESS = ("process", "async_process")


async def logged(action: str, how: str) -> tuple[str, KeptLog]:
    """Return how the only attempt at a task ends, and what it has logged."""
    async with Engine(APP) as engine:
        [task_id] = await APP.enqueue(APP.prepare(action, msgspec.json.encode({"how": how})))
        await engine.drain()
        storage = StorageClient(engine.system.address(DATABASE))
        page = await storage.use(Storage.logs, task_id, max_bytes=1 << 20)
    assert page is not None
    [attempt] = page.attempts
    return attempt.outcome, msgspec.json.decode(attempt.log, type=KeptLog)


def lines(log: KeptLog) -> list[tuple[str, str]]:
    return [(line.level, line.message) for line in log.lines]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("how", "outcome"), [("end", "completed"), ("fail", "failed")])
async def test_the_lines_of_an_attempt_are_kept(kind: str, how: str, outcome: str) -> None:
    ended, log = await logged(kind, how)

    assert ended == outcome
    assert lines(log) == [("info", f"began how='{how}'"), ("warning", "goes on")]
    assert log.dropped == 0


@pytest.mark.parametrize(
    ("kind", "how", "outcome"),
    [
        *((kind, "hang", "timed_out") for kind in ("loop", *IN_PROCESS)),
        *((kind, how, "crashed") for kind in IN_PROCESS for how in ("exit", "kill")),
        *((kind, "crash", "crashed") for kind in KINDS),
    ],
)
async def test_an_attempt_that_is_cut_keeps_what_it_had_logged(
    kind: str, how: str, outcome: str
) -> None:
    ended, log = await logged(kind, how)

    assert ended == outcome
    assert lines(log) == [("info", f"began how='{how}'"), ("warning", "goes on")]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_handler_that_logs_much_keeps_its_last_lines(kind: str) -> None:
    ended, log = await logged(kind, "flood")

    assert ended == "completed"
    assert lines(log)[-1] == ("info", "again number=4999")
    assert len(log.lines) == MAX_LINES
    assert len(log.lines) + log.dropped == 5_002
