"""The completer: what is written when the storage refuses some of it."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from taskqueue.actors.queue.completer import Completer
from taskqueue.actors.queue.dispatch import DispatchBuffer
from taskqueue.actors.queue.fetch_schedule import FetchSchedule
from taskqueue.actors.queue.handler_ends import HandlerEnds
from taskqueue.actors.storage_client import RetryingClient
from taskqueue.api.hooks import Hooks
from taskqueue.attempt_log import AttemptLog
from taskqueue.clock import SystemClock
from taskqueue.errors import OperationFailed, StorageBusy, StorageUnavailable
from taskqueue.executors.unfinished import UnfinishedHandlers
from taskqueue.rules.activity import Activity
from taskqueue.rules.leases.ledger import Leases
from taskqueue.rules.leases.values import Finished, Settle, Taken
from taskqueue.rules.measures import TaskMeasures
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.tasks import (
    Complete,
    Delivery,
    Failed,
    NewTask,
    Outcome,
    Requeue,
    SettleBy,
    Settled,
    Succeeded,
)
from taskqueue.runtime import System
from taskqueue.task_ends import TaskEnds
from taskqueue.testing.claims import claimed
from taskqueue.testing.events import EventLog


class Script(RetryingClient):
    """A storage that fails with every batch that holds certain tokens, and comes back at once."""

    def __init__(self, system: System, *unwritable: str) -> None:
        super().__init__(system.address("database"))
        self.unwritable = frozenset(unwritable)
        self.away: list[Exception] = []
        self.locked: set[str] = set()  # tokens whose rows another program holds
        self.batches: list[list[str]] = []
        self.patient: list[bool] = []
        self.written: dict[str, object] = {}
        self.answers: dict[str, Settled] = {}  # where it is another one than "written"

    async def use(self, verb: Callable[..., Any], *args: Any, **options: Any) -> Any:
        [batch] = args
        self.patient.append(options["patient"])
        self.batches.append([each.token for each in batch])
        if self.away:
            raise self.away.pop()
        if not self.locked.isdisjoint(each.token for each in batch):
            raise StorageBusy("process 7 of the server (shop) holds locks")
        if any(self._fails(each) for each in batch):
            raise OperationFailed("cannot be encoded")
        self.written.update((each.token, each.settlement) for each in batch)
        return [self.answers.get(each.token, Settled.WRITTEN) for each in batch]

    def _fails(self, each: SettleBy) -> bool:
        return each.token in self.unwritable and isinstance(each.settlement, Complete)

    async def again(self) -> None:
        if self.locked and self.written.keys() >= {"a", "c"}:
            self.locked.clear()
        await asyncio.sleep(0)


def finished(token: str, outcome: Outcome | None = None, **fields: Any) -> Finished:
    task = claimed(NewTask(id=token, action="work", payload="{}", **fields))
    delivery = Delivery(token=token, task=task, expires_at=30.0, started=True)
    return Finished(delivery=delivery, outcome=outcome or Succeeded(result="1"), started_at=0.0)


async def settle(
    storage: Script, tokens: str, activity: Activity | None = None
) -> tuple[Sequence[str], int]:
    """Settle attempts of a consumer; return what is not settled after that, and the answers."""
    return await settle_all(storage, [finished(each) for each in tokens], activity)


async def settle_all(
    storage: Script, reported: Sequence[Finished], activity: Activity | None = None
) -> tuple[Sequence[str], int]:
    answers: list[None] = []
    clock, queues = SystemClock(), ("default",)
    leases: Leases[Any] = Leases(queues, 5, RetryPolicy())
    leases.register("a", 9, queues, [Taken(each.delivery, 0.0, AttemptLog()) for each in reported])
    [action, *_] = leases.finished("a", reported)
    assert isinstance(action, Settle)

    def begin_task(work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        return asyncio.create_task(work)

    completer = Completer(
        storage,
        lambda action: RetryPolicy(),
        clock,
        jitter=lambda: 0.0,
        begin_task=begin_task,
        dispatch=DispatchBuffer(leases, clock),
        schedule=FetchSchedule(queues, clock),
        activity=activity or Activity(),
        measures=TaskMeasures(queues, ("quick",)),
        hooks=Hooks(),
        handler_ends=HandlerEnds(UnfinishedHandlers()),
    )
    await completer.settle(action.finished, lambda: answers.append(None))
    return leases.ours, len(answers)


@pytest.mark.parametrize("unwritable", ["a", "b", "c"])
async def test_a_result_that_cannot_be_stored_fails_its_own_attempt_only(unwritable: str) -> None:
    async with System() as system:
        storage = Script(system, unwritable)

        left, answers = await settle(storage, "abc")

    kinds = {token: type(settlement) for token, settlement in storage.written.items()}
    assert kinds == dict.fromkeys("abc", Complete) | {unwritable: Requeue}
    assert (left, answers) == ((), 1)


async def test_a_batch_is_sent_again_whole_while_the_storage_is_away() -> None:
    async with System() as system:
        storage = Script(system)
        storage.away = [StorageUnavailable("disk full"), StorageUnavailable("disk full")]

        left, answers = await settle(storage, "ab")

    assert storage.batches == [["a", "b"]] * 3
    assert (left, answers) == ((), 1)


async def test_an_outcome_whose_row_another_program_holds_keeps_no_other_waiting(
    events: EventLog,
) -> None:
    async with System() as system:
        storage = Script(system)
        storage.locked = {"b"}  # until the others are written

        left, answers = await settle(storage, "abc")

    assert [*storage.written] == ["a", "c", "b"]
    assert (left, answers) == ((), 1)
    postponed = events.select("settlement_postponed")[0]
    assert (postponed["tasks"], "(shop)" in postponed["reason"]) == (3, True)


async def test_what_is_written_is_counted_once_and_nothing_else() -> None:
    activity = Activity()
    async with System() as system:
        storage = Script(system, "b")  # whose attempt has failed then
        storage.away = [StorageUnavailable("disk full")]
        storage.answers = {
            "c": Settled.LEASE_LOST,
            "d": Settled.CANCELLED,
            "e": Settled.REPEATED,
        }

        await settle(storage, "abcde", activity)
        [last_minute, *_] = activity.recent("default", SystemClock().monotonic())

    assert (last_minute.completed_per_min, last_minute.failed_per_min) == (12.0, 6.0)


async def test_the_end_of_a_lone_task_that_nobody_waits_for_may_wait() -> None:
    async with System() as system:
        storage = Script(system)

        await settle(storage, "a")

    assert storage.patient == [True]


@pytest.mark.parametrize(
    "ended",
    [
        [finished("a"), finished("b")],
        [finished("a", limits='[["smtp", ""]]')],
        [finished("a", group="import")],
        [
            finished(
                "a", Succeeded(result="1", follow_ups=(NewTask(id="b", action="c", payload=""),))
            )
        ],
        [finished("a", Failed(error="no"))],
    ],
    ids=["several", "a slot", "a group", "a task that follows", "a retry"],
)
async def test_an_end_that_something_waits_for_is_written_at_once(ended: list[Finished]) -> None:
    async with System() as system:
        storage = Script(system)

        await settle_all(storage, ended)

    assert storage.patient == [False]


async def test_an_end_that_a_caller_waits_for_is_written_at_once() -> None:
    waits = TaskEnds()
    async with System() as system:
        storage = Script(system)

        with waits.registered("a"), waits.registered("a"):
            pass
        with waits.registered("a"):
            await settle(storage, "a")
        await settle(storage, "a")

    assert storage.patient == [False, True]
