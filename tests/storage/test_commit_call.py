"""A commit travels to the process that writes, and its answer back, as what was sent."""

import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from taskqueue.rules.tasks import (
    Acceptance,
    Accepted,
    Complete,
    Delivery,
    NewTask,
    Owner,
    SettleBy,
    Settled,
)
from taskqueue.storage.sqlite.commit.batch import Committed, Operation, Result
from taskqueue.storage.sqlite.commit.call import BatchOperation, CommitCall, settle_call
from taskqueue.storage.sqlite.connections import pickling
from taskqueue.storage.sqlite.connections.pickling import Batch
from taskqueue.storage.sqlite.disk.file import FileWatch
from taskqueue.storage.sqlite.operations import administration
from taskqueue.storage.task_rows import first_delivery
from taskqueue.testing.contract.steps import new_task

OWNER = Owner(node="local", incarnation="first")
COMPLETION = SettleBy(token="1-a", settlement=Complete(result="null"), started_at=2.0)


class Name(str):
    """Text of a type of the user's own."""

    __slots__ = ()


@pytest.fixture
def watch(tmp_path: Path) -> FileWatch:
    path = tmp_path / "tasks.db"
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}").touch()
    return FileWatch(path).with_log()


def insert(*tasks: NewTask) -> Operation:
    return BatchOperation("insert", Batch(tasks), now=1.0)


def insert_and_claim(*tasks: NewTask) -> Operation:
    options = {"room": {"default": 2}, "owner": OWNER, "expires_at": 9.0, "now": 1.0}
    return BatchOperation("insert_and_claim", Batch(tasks), **options)


def sent(call: CommitCall) -> Any:
    """Return what the other process calls."""
    return pickling.requested(memoryview(pickling.request(call))[4:])


def came_back(call: CommitCall, answer: Committed) -> Any:
    """Return the answer that the other process has given to a call."""
    frame = pickling.answer(answer, None, to=sent(call))
    return pickling.answered(memoryview(frame)[4:], to=call)


def calls_of(call: CommitCall, monkeypatch: pytest.MonkeyPatch) -> list[Operation]:
    """Return the operations that a call commits."""
    seen: list[Operation] = []

    def commit(operations: list[Operation], *_: object) -> Committed:
        seen.extend(operations)
        return Committed([], [], [], 0, None)

    monkeypatch.setattr("taskqueue.storage.sqlite.commit.call.commit", commit)
    call(sqlite3.connect(":memory:"))
    return seen


def test_what_each_task_needs_arrives_as_it_was_sent(
    watch: FileWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, odd = new_task("a"), new_task("\N{SNOWMAN}", priority=7, run_at=5.5, group="g")
    operations = [insert(task, odd), insert_and_claim(odd), settle_call([COMPLETION], now=3.0)]
    call = CommitCall(operations, watch, 1.0)

    arrived = calls_of(sent(call), monkeypatch)

    assert call.packed() is not None
    assert [(each.verb, tuple(each.batch), each.options) for each in arrived] == [  # type: ignore[attr-defined]
        (each.verb, tuple(each.batch), each.options)  # type: ignore[attr-defined]
        for each in operations
    ]


def test_its_answer_comes_back_as_it_was_given(watch: FileWatch) -> None:
    task = new_task("a")
    accepted = Accepted(id=task.id, acceptance=Acceptance.ACCEPTED)
    delivery: Delivery = first_delivery(task, "1-a", expires_at=9.0, now=1.0)
    operations = [insert(task), insert_and_claim(task), settle_call([COMPLETION], now=3.0)]
    values = [(accepted,), ((accepted,), (delivery,)), (Settled.WRITTEN,)]
    answer = Committed([*map(Result, values)], [], [], 12, 3)

    assert came_back(CommitCall(operations, watch, 1.0), answer) == (answer, None)


@pytest.mark.parametrize(
    "odd",
    [
        settle_call([SettleBy(token="1-a", settlement=Complete(result="\ud800"))], now=3.0),
        insert(new_task("a", priority=1 << 70)),
        partial(administration.resume, queue="default"),
    ],
)
def test_a_commit_that_messagepack_cannot_say_is_pickled(
    watch: FileWatch, odd: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = CommitCall([insert(new_task("a")), odd], watch, 1.0)
    accepted = Accepted(id="a", acceptance=Acceptance.ACCEPTED)
    answer = Committed([Result((accepted,)), Result(())], [], [], 1, 2)

    assert call.packed() is None
    assert len(calls_of(sent(call), monkeypatch)) == 2
    assert came_back(call, answer) == (answer, None)


def test_an_answer_that_says_more_is_pickled(watch: FileWatch) -> None:
    call = CommitCall([insert(new_task("a"))], watch, 1.0)
    answer = Committed([Result(error=ValueError("no"))], [], [], 0, None)

    (value, error) = came_back(call, answer)

    assert (repr(value.results[0].error), error) == ("ValueError('no')", None)


def test_an_answer_that_messagepack_cannot_say_is_pickled(watch: FileWatch) -> None:
    task = new_task("a", priority=1 << 70)
    call = CommitCall([insert_and_claim(task)], watch, 1.0)
    delivery = first_delivery(task, "1-a", expires_at=9.0, now=1.0)
    answer = Committed([Result(((), (delivery,)))], [], [], 1, 2)

    assert came_back(call, answer) == (answer, None)


def test_text_of_a_type_of_the_users_own_arrives_as_text(
    watch: FileWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = CommitCall([insert(new_task("a", unique_key=Name("k")))], watch, 1.0)

    [operation] = calls_of(sent(call), monkeypatch)

    [arrived] = operation.batch  # type: ignore[attr-defined]
    assert (type(arrived.unique_key), arrived.unique_key) == (str, "k")
