"""The part of the storage contract about settlements that carry the start of their attempt."""

import msgspec
import pytest

from taskqueue.rules.tasks import (
    Attempt,
    AttemptOutcome,
    Complete,
    Delivery,
    NotApplied,
    Release,
    SettleBy,
    Settled,
    Settlement,
    Statement,
    Status,
    TaskHistory,
)
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    BURIAL,
    CANCEL,
    CRASH,
    DONE,
    FAILURE,
    LATER,
    SETTLEMENTS,
    add,
    attempts_of,
    claim,
    settle,
    task_of,
)

OF_ALL_KINDS = (*SETTLEMENTS, CRASH, Release(delivery_counts=True))
WRONG = Complete(result="1", statements=(Statement(sql="NONSENSE"),))


def kind(settlement: Settlement) -> str:
    """Return a name for what is parametrized by it."""
    return type(settlement).__name__


async def settle_begun(
    storage: Storage,
    delivery: Delivery,
    settlement: Settlement,
    *,
    started_at: float = 20.5,
    now: float = 21.0,
) -> Settled | NotApplied:
    """Settle one delivery with the instant at which its attempt began."""
    by = SettleBy(token=delivery.token, settlement=settlement, started_at=started_at)
    [settled] = await storage.settle([by], now=now)
    return settled


async def history_of(storage: Storage, task_id: str) -> TaskHistory:
    """Return a task that is there with its attempts, under a name that all have in common."""
    history = await storage.get(task_id, now=21.0)
    assert history is not None
    task = msgspec.structs.replace(history.task, id="")
    return msgspec.structs.replace(history, task=task)


async def let_wait(storage: Storage, *task_ids: str, as_status: str) -> None:
    """Accept tasks, and bring them to that status; what is retried has reported progress."""
    run_at = 10.0 if as_status == "scheduled" else None
    await add(storage, *task_ids, run_at=run_at, now=0.0)
    if as_status == "retrying":
        failing = await claim(storage)
        tokens = [each.token for each in failing]
        await storage.start(tokens, now=0.5)
        await storage.report(dict.fromkeys(tokens, "1"), now=0.75)
        for each in failing:
            await settle(storage, each, FAILURE)


class StartedContract:
    """What `started_at` of a settlement means."""

    @pytest.mark.parametrize("waits_as", ["queued", "scheduled", "retrying"])
    @pytest.mark.parametrize("settlement", OF_ALL_KINDS, ids=kind)
    async def test_a_start_told_with_the_settlement_counts_as_one_just_before_it(
        self, storage: Storage, settlement: Settlement, waits_as: str
    ) -> None:
        await let_wait(storage, "noted", "told", as_status=waits_as)
        noted, told = sorted(await claim(storage, now=20.0), key=lambda each: each.task.id)
        await storage.start([noted.token], now=20.5)

        assert await settle(storage, noted, settlement, now=21.0) is Settled.WRITTEN
        assert await settle_begun(storage, told, settlement) is Settled.WRITTEN

        assert await history_of(storage, "told") == await history_of(storage, "noted")
        counts = await storage.counts()
        assert counts[(await task_of(storage, "told")).status] == sum(counts.values()) == 2

    @pytest.mark.parametrize(
        "settlement", [DONE, FAILURE, LATER, BURIAL, CANCEL, Release()], ids=kind
    )
    async def test_the_attempt_began_when_its_settlement_says(
        self, storage: Storage, settlement: Settlement
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage, now=20.0)

        await settle_begun(storage, delivery, settlement, started_at=20.25, now=21.0)

        [line] = await attempts_of(storage, "a")
        assert (line.started_at, line.ended_at) == (20.25, 21.0)
        assert (await task_of(storage, "a")).started_at == 20.25

    async def test_a_release_of_a_started_attempt_keeps_the_delivery_and_is_in_the_history(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)

        await settle_begun(storage, delivery, Release(), started_at=1.0, now=2.0)

        task = await task_of(storage, "a")
        assert (task.status, task.attempt, task.deliveries) == (Status.QUEUED, 0, 1)
        assert await attempts_of(storage, "a") == (
            Attempt(
                attempt=1,
                outcome=AttemptOutcome.INTERRUPTED,
                error=None,
                traceback=None,
                started_at=1.0,
                ended_at=2.0,
            ),
        )

    @pytest.mark.parametrize("settlement", OF_ALL_KINDS, ids=kind)
    async def test_what_start_has_noted_stays(
        self, storage: Storage, settlement: Settlement
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await storage.start([delivery.token], now=1.0)
        await storage.report({delivery.token: "1"}, now=1.5)

        await settle_begun(storage, delivery, settlement, started_at=2.0, now=3.0)

        task = await task_of(storage, "a")
        assert (task.started_at, task.progress) == (1.0, "1")
        assert [line.started_at for line in await attempts_of(storage, "a")] == [1.0]

    @pytest.mark.parametrize("settlement", [DONE, FAILURE, BURIAL], ids=kind)
    async def test_the_progress_of_an_earlier_attempt_ends_with_it(
        self, storage: Storage, settlement: Settlement
    ) -> None:
        await let_wait(storage, "begun", "never_begun", as_status="retrying")
        begun, never_begun = sorted(await claim(storage, now=20.0), key=lambda each: each.task.id)

        await settle_begun(storage, begun, settlement)
        await settle(storage, never_begun, settlement)

        assert (await task_of(storage, "begun")).progress is None
        assert (await task_of(storage, "never_begun")).progress == "1"

    async def test_a_token_that_no_longer_holds_starts_nothing(self, storage: Storage) -> None:
        await add(storage, "a")
        [lost] = await claim(storage)
        await settle(storage, lost, Release())
        [held] = await claim(storage)
        before = await storage.get("a", now=0.0)

        answers = [await settle_begun(storage, lost, each) for each in (DONE, Release())]

        assert answers == [Settled.LEASE_LOST, Settled.REPEATED]
        assert await storage.get("a", now=0.0) == before
        assert (await storage.extend([held.token], lease_s=1.0, now=0.0)) == ()

    async def test_what_cannot_be_applied_is_not_started_either(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        before = await storage.get("a", now=0.0)

        answer = await settle_begun(storage, delivery, WRONG)

        assert isinstance(answer, NotApplied)
        assert await storage.get("a", now=0.0) == before
        assert await settle_begun(storage, delivery, DONE) is Settled.WRITTEN

    @pytest.mark.parametrize("settlement", [FAILURE, LATER, Release()], ids=kind)
    async def test_what_began_and_was_to_be_cancelled_ends_with_its_line(
        self, storage: Storage, settlement: Settlement
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await storage.cancel(["a"], reason="not wanted", now=20.75)

        assert await settle_begun(storage, delivery, settlement) is Settled.CANCELLED

        task = await task_of(storage, "a")
        assert (task.status, task.started_at) == (Status.CANCELLED, 20.5)
        assert [line.started_at for line in await attempts_of(storage, "a")] == [20.5]
        assert (await storage.counts())[Status.CANCELLED] == 1
