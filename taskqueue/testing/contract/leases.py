"""The part of the storage contract about leases: start, report, extend, held, rescue, due."""

from taskqueue.rules.tasks import Postpone, SettleBy, Settled, Status
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.claims import ClaimContract
from taskqueue.testing.contract.expiry import ExpiryContract
from taskqueue.testing.contract.insert_and_claim import InsertAndClaimContract
from taskqueue.testing.contract.settlements import SettlementContract
from taskqueue.testing.contract.started import StartedContract
from taskqueue.testing.contract.steps import (
    ANOTHER,
    CRASH,
    DONE,
    EARLIER_ME,
    FAILURE,
    ME,
    SETTLEMENTS,
    STALE,
    add,
    claim,
    ids,
    settle,
    task_of,
)
from taskqueue.testing.contract.tokens import TokenContract

EXACT = 1_796_044_946.084_952_4
"""An instant of our days, with all the digits that a number has."""


class LeasesContract(
    ExpiryContract,
    ClaimContract,
    InsertAndClaimContract,
    SettlementContract,
    StartedContract,
    TokenContract,
):
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_a_started_delivery_is_running_since_then(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)

        await storage.start([delivery.token], now=3.0)

        task = await task_of(storage, "a")
        assert (task.status, task.started_at, task.attempt) == (Status.RUNNING, 3.0, 1)
        [held] = await storage.held(ME)
        assert held.started
        assert held.task == task

    async def test_a_repeated_start_changes_nothing(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)

        await storage.start([delivery.token, delivery.token], now=3.0)
        await storage.start([delivery.token], now=4.0)

        assert (await task_of(storage, "a")).started_at == 3.0
        assert (await storage.counts())[Status.RUNNING] == 1

    async def test_a_start_passes_over_a_token_that_no_longer_holds(self, storage: Storage) -> None:
        await add(storage, "a", "b")
        ended, live = await claim(storage)
        await settle(storage, ended, DONE)

        await storage.start([ended.token, "unknown", "", live.token], now=3.0)

        assert (await task_of(storage, "a")).status is Status.COMPLETED
        assert (await task_of(storage, "b")).status is Status.RUNNING

    async def test_progress_is_told_with_the_task_until_its_next_attempt_is_started(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")
        [first] = await claim(storage)
        await storage.start([first.token], now=0.5)

        await storage.report({first.token: '{"done": 1}'}, now=1.0)
        await storage.report({first.token: '{"done": 2}'}, now=2.0)
        told = await task_of(storage, "a")
        [found] = await storage.find(limit=1, now=2.0)
        [held] = await storage.held(ME)
        await settle(storage, first, FAILURE, now=3.0)
        [second] = await claim(storage, now=10.0)
        before = await task_of(storage, "a")
        await storage.start([second.token], now=11.0)
        after = await task_of(storage, "a")

        assert told.progress == found.progress == held.task.progress == '{"done": 2}'
        assert (before.progress, after.progress) == ('{"done": 2}', None)

    async def test_a_repeated_start_leaves_the_progress(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await storage.start([delivery.token], now=0.5)
        await storage.report({delivery.token: "1"}, now=1.0)

        await storage.start([delivery.token], now=2.0)

        assert (await task_of(storage, "a")).progress == "1"

    async def test_a_report_passes_over_what_does_not_hold(self, storage: Storage) -> None:
        await add(storage, "a", "b")
        ended, live = await claim(storage)
        await settle(storage, ended, DONE)

        await storage.report({ended.token: "1", STALE: "2", "": "3", live.token: "4"}, now=1.0)

        assert (await task_of(storage, "a")).progress is None
        assert (await task_of(storage, "b")).progress == "4"

    async def test_an_extended_lease_holds_from_now_on(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage, lease_s=30.0, now=0.0)

        lost = await storage.extend([delivery.token], lease_s=30.0, now=20.0)

        assert lost == ()
        [held] = await storage.held(ME)
        assert held.expires_at == 50.0
        assert await storage.rescue(ANOTHER, now=50.0) == ()

    async def test_extend_returns_the_tokens_that_no_longer_hold(self, storage: Storage) -> None:
        await add(storage, "a", "b")
        ended, live = await claim(storage)
        await settle(storage, ended, DONE)

        lost = await storage.extend(["unknown", live.token, ended.token], lease_s=9.0, now=0.0)

        assert lost == ("unknown", ended.token)

    async def test_a_lease_that_ran_out_can_be_extended_while_it_is_not_settled(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage, lease_s=1.0)

        assert await storage.extend([delivery.token], lease_s=1.0, now=100.0) == ()
        assert await storage.rescue(ANOTHER, now=101.0) == ()

    async def test_held_is_what_exactly_this_owner_holds_oldest_claim_first(
        self, storage: Storage
    ) -> None:
        await add(storage, "c", run_at=0.0)
        [oldest] = await claim(storage, now=1.0)
        await add(storage, "b", "a", run_at=0.0)
        await add(storage, "d", priority=-1)
        newer = await claim(storage, now=2.0)
        await add(storage, "e", "f")
        await claim(storage, owner=EARLIER_ME, limit=1, now=3.0)
        await claim(storage, owner=ANOTHER, limit=1, now=3.0)

        held = await storage.held(ME)

        assert ids(held) == ["c", "d", "a", "b"]
        assert held == (oldest, *newer)

    async def test_what_is_settled_is_not_held(self, storage: Storage) -> None:
        await add(storage, *"abcdef")
        for delivery, settlement in zip(await claim(storage), SETTLEMENTS, strict=True):
            await settle(storage, delivery, settlement)

        assert await storage.held(ME) == ()
        assert await storage.rescue(ANOTHER, now=1e9) == ()

    async def test_a_lease_holds_at_its_expiry_and_not_after(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage, lease_s=30.0, now=0.0)

        at_expiry = await storage.rescue(ANOTHER, now=delivery.expires_at)
        after = await storage.rescue(ANOTHER, now=delivery.expires_at + 0.001)
        by_its_owner = await storage.rescue(ME, now=delivery.expires_at + 0.001)

        assert at_expiry == ()
        assert after == by_its_owner == (delivery,)

    async def test_a_lease_that_is_extended_after_a_rescue_was_decided_holds(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", now=EXACT)
        [delivery] = await claim(storage, lease_s=30.0, now=EXACT)
        [rescued] = await storage.rescue(ANOTHER, now=EXACT + 31.0)
        by = SettleBy(token=rescued.token, settlement=CRASH, lease_end=rescued.expires_at)

        assert await storage.extend([delivery.token], lease_s=30.0, now=EXACT + 32.0) == ()
        assert await storage.settle([by], now=EXACT + 33.0) == (Settled.LEASE_LOST,)
        assert ids(await storage.held(ME)) == ["a"]
        assert await settle(storage, delivery, DONE, now=EXACT + 34.0) is Settled.WRITTEN

    async def test_a_lease_that_was_not_extended_is_rescued(self, storage: Storage) -> None:
        await add(storage, "a", now=EXACT)
        await claim(storage, lease_s=30.0, now=EXACT)
        [rescued] = await storage.rescue(ANOTHER, now=EXACT + 31.0)
        by = SettleBy(token=rescued.token, settlement=CRASH, lease_end=rescued.expires_at)

        assert await storage.settle([by], now=EXACT + 32.0) == (Settled.WRITTEN,)

    async def test_what_an_earlier_life_of_the_node_holds_is_rescued_whatever_its_lease_says(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage, owner=EARLIER_ME, lease_s=1000.0, now=0.0)
        await storage.start([delivery.token], now=0.5)
        await add(storage, "b")
        await claim(storage, owner=ME, now=0.0)
        await add(storage, "c")
        await claim(storage, owner=ANOTHER, now=0.0)

        rescued = await storage.rescue(ME, now=1.0)

        assert ids(rescued) == ["a"]
        assert rescued[0].started
        assert rescued[0].token == delivery.token
        assert rescued[0].task.attempt == 1

    async def test_a_rescue_writes_nothing(self, storage: Storage) -> None:
        await add(storage, "a")
        await claim(storage, owner=EARLIER_ME)
        before = await storage.get("a", now=100.0)

        first = await storage.rescue(ME, now=100.0)
        second = await storage.rescue(ME, now=100.0)

        assert ids(first) == ["a"]
        assert first == second
        assert await storage.get("a", now=100.0) == before
        assert await storage.held(EARLIER_ME) == first

    async def test_next_due_is_the_earliest_time_of_the_tasks_without_a_lease(
        self, storage: Storage
    ) -> None:
        nothing = await storage.next_due("default")
        await add(storage, "a", run_at=30.0, priority=0)
        await add(storage, "b", run_at=20.0, priority=1)
        await add(storage, "c", run_at=25.0, priority=2)
        await add(storage, "d", run_at=1.0, queue="other")
        earliest = await storage.next_due("default")
        [delivery] = await claim(storage, now=20.0)
        of_the_rest = await storage.next_due("default")
        await settle(storage, delivery, DONE)
        after_its_end = await storage.next_due("default")

        assert (nothing, earliest, of_the_rest, after_its_end) == (None, 20.0, 25.0, 25.0)

    async def test_next_due_knows_of_retries_and_snoozes(self, storage: Storage) -> None:
        await add(storage, "a", "b")
        retried, snoozed = await claim(storage)
        while_held = await storage.next_due("default")
        await settle(storage, snoozed, Postpone(run_at=12.0))
        with_snooze = await storage.next_due("default")
        await settle(storage, retried, FAILURE)

        assert (while_held, with_snooze) == (None, 12.0)
        assert await storage.next_due("default") == 10.0

    async def test_all_due_has_the_next_due_of_each_queue_that_has_one(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", run_at=30.0, priority=0, queue="a")
        await add(storage, "b", run_at=20.0, priority=1, queue="a")
        await add(storage, "c", run_at=25.0, queue="c")
        await add(storage, "d", queue="held")
        await add(storage, "e", queue="paused")
        await claim(storage, queue="held")
        await storage.pause("paused", now=1.0)

        assert await storage.all_due() == {"a": 20.0, "c": 25.0}
