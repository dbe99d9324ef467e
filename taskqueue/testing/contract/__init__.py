"""The suite that every storage backend passes: each sentence of the protocol, as a test.

    class TestMine(StorageContract):
        @pytest.fixture
        async def storage(self, tmp_path):
            storage = MyStorage(tmp_path)
            await storage.migrate()
            await storage.open()
            yield storage
            await storage.close()

Needs pytest with pytest-asyncio in auto mode.
"""

from typing import cast

import msgspec
import pytest

from taskqueue.errors import StorageUnavailable
from taskqueue.rules.tasks import (
    ENDED,
    Acceptance,
    Attempt,
    AttemptOutcome,
    Complete,
    NewTask,
    Postpone,
    Release,
    SettleBy,
    Settled,
    Settlement,
    Statement,
    Status,
    Task,
)
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.cancel import CancelContract
from taskqueue.testing.contract.handler_sql import TransactionContract
from taskqueue.testing.contract.insert_and_claim import InsertAndClaimContract
from taskqueue.testing.contract.keys import KeyContract
from taskqueue.testing.contract.operation import OperationContract
from taskqueue.testing.contract.started import StartedContract
from taskqueue.testing.contract.steps import (
    BURIAL,
    CANCEL,
    CRASH,
    DONE,
    EARLIER_ME,
    ENDS,
    FAILURE,
    LATER,
    ME,
    SETTLEMENTS,
    SOMEBODY,
    STALE,
    add,
    attempts_of,
    claim,
    ids,
    new_task,
    settle,
    task_of,
)


class StorageContract(
    TransactionContract,
    CancelContract,
    KeyContract,
    InsertAndClaimContract,
    OperationContract,
    StartedContract,
):
    """Every backend passes this; a subclass gives `storage`, migrated, open and empty."""

    @pytest.fixture
    def storage(self) -> Storage:
        """Give the backend under test; an async generator fixture closes it afterwards."""
        raise NotImplementedError

    # --- open, close, migrate ---------------------------------------------------------------------

    async def test_migrating_again_beside_an_open_storage_takes_no_step(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")

        taken = await storage.migrate()

        assert taken == ()
        assert ids(await claim(storage)) == ["a"]

    async def test_what_was_written_is_there_after_close_and_open(self, storage: Storage) -> None:
        await add(storage, "a")
        before = await storage.get("a", now=0.0)

        await storage.close()
        await storage.open()

        assert await storage.get("a", now=0.0) == before

    async def test_every_verb_of_a_closed_storage_is_unavailable(self, storage: Storage) -> None:
        await storage.close()

        verbs = (
            storage.insert([new_task("a")], now=0.0),
            storage.insert_and_claim(
                [new_task("a")], room={"default": 1}, owner=ME, lease_s=1.0, now=0.0
            ),
            claim(storage),
            storage.start(["token"], now=0.0),
            storage.extend(["token"], lease_s=1.0, now=0.0),
            storage.report({STALE: "1"}, now=0.0),
            storage.dry_run((), Statement(sql="SELECT 1"), limit_s=1.0),
            storage.settle([SettleBy(token=STALE, settlement=DONE)], now=0.0),
            storage.cancel(["a"], reason="not wanted", now=0.0),
            storage.held(ME),
            storage.rescue(ME, now=0.0),
            storage.next_due("default"),
            storage.all_due(),
            storage.get("a", now=0.0),
            storage.find(limit=1, now=0.0),
            storage.counts(),
            storage.redrive(["a"], now=0.0),
            storage.expire(Status.DEAD, ended_before=0.0, limit=1),
        )

        for verb in verbs:
            with pytest.raises(StorageUnavailable):
                await verb

    async def test_opening_and_closing_twice_is_harmless(self, storage: Storage) -> None:
        await storage.open()
        await add(storage, "a")

        await storage.close()
        await storage.close()
        await storage.open()

        assert ids(await claim(storage)) == ["a"]

    # --- insert -----------------------------------------------------------------------------------

    async def test_an_inserted_task_is_queued_as_it_was_given(self, storage: Storage) -> None:
        await add(storage, "a", now=5.0, queue="images", priority=3, max_attempts=7)

        history = await storage.get("a", now=5.0)

        assert history is not None
        assert history.attempts == ()
        assert history.task == Task(
            id="a",
            action="uppercase",
            payload='{"action": "uppercase", "data": {"text": "hi"}}',
            queue="images",
            priority=3,
            status=Status.QUEUED,
            attempt=0,
            max_attempts=7,
            crashes=0,
            deliveries=0,
            run_at=5.0,
            created_at=5.0,
            started_at=None,
            processed_at=None,
            result=None,
            reason=None,
        )

    async def test_text_comes_back_as_it_was_whatever_it_holds(self, storage: Storage) -> None:
        payload = '{"data": "Grüße, 火, 🧵, \\u0000 and \'quotes\'"}'
        await add(storage, "a", payload=payload, action="dröhn", queue="ö")

        [delivery] = await claim(storage, queue="ö")

        assert (delivery.task.payload, delivery.task.action) == (payload, "dröhn")

    async def test_a_task_is_scheduled_only_if_its_time_lies_ahead(self, storage: Storage) -> None:
        await add(storage, "past", run_at=4.0, now=5.0)
        await add(storage, "now", run_at=5.0, now=5.0)
        await add(storage, "future", run_at=5.5, now=5.0)

        found = {task.id: task for task in await storage.find(limit=10, now=5.0)}

        assert {task_id: task.status for task_id, task in found.items()} == {
            "past": Status.QUEUED,
            "now": Status.QUEUED,
            "future": Status.SCHEDULED,
        }
        assert [found[name].run_at for name in ("past", "now", "future")] == [4.0, 5.0, 5.5]

    async def test_an_insert_is_all_or_none(self, storage: Storage) -> None:
        no_task = cast("NewTask", None)

        with pytest.raises(AttributeError):
            await storage.insert([new_task("a"), new_task("b"), no_task], now=0.0)

        assert await storage.find(limit=10, now=0.0) == ()
        assert sum((await storage.counts()).values()) == 0

    async def test_a_task_whose_id_is_there_is_left_as_it_is(self, storage: Storage) -> None:
        await add(storage, "a", now=1.0)
        [delivery] = await claim(storage, now=1.0)
        await settle(storage, delivery, DONE, now=2.0)
        before = await storage.get("a", now=2.0)

        await storage.insert([new_task("a", priority=9), new_task("b")], now=3.0)

        assert await storage.get("a", now=2.0) == before
        assert ids(await claim(storage, now=3.0)) == ["b"]
        counts = await storage.counts()
        assert (counts[Status.COMPLETED], counts[Status.QUEUED]) == (1, 1)

    async def test_the_first_of_two_equal_ids_in_one_insert_wins(self, storage: Storage) -> None:
        twice = [new_task("a", run_at=9.0), new_task("b"), new_task("a", run_at=0.0)]

        await storage.insert(twice, now=0.0)

        assert (await task_of(storage, "a")).run_at == 9.0
        counts = await storage.counts()
        assert (counts[Status.SCHEDULED], counts[Status.QUEUED]) == (1, 1)

    async def test_inserting_nothing_is_harmless(self, storage: Storage) -> None:
        await storage.insert([], now=0.0)

        assert sum((await storage.counts()).values()) == 0

    # --- claim ------------------------------------------------------------------------------------

    async def test_a_claim_counts_an_attempt_and_a_delivery_and_leaves_the_status(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")

        [delivery] = await claim(storage, lease_s=30.0, now=2.0)

        assert (delivery.started, delivery.expires_at) == (False, 32.0)
        assert (delivery.task.attempt, delivery.task.deliveries) == (1, 1)
        assert delivery.task.status is Status.QUEUED
        assert delivery.task == await task_of(storage, "a", now=2.0)

    async def test_claims_go_by_priority_then_run_at_then_id(self, storage: Storage) -> None:
        await add(storage, "d", priority=0, run_at=3.0)
        await add(storage, "c", "b", priority=0, run_at=2.0)
        await add(storage, "a", priority=7, run_at=1.0)
        await add(storage, "e", priority=-1, run_at=4.0)

        claimed = await claim(storage, now=5.0)

        assert ids(claimed) == ["e", "b", "c", "d", "a"]

    async def test_a_claim_takes_no_more_than_its_limit_and_the_best_first(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", "b", priority=1)
        await add(storage, "c", priority=0)

        assert await claim(storage, limit=0) == ()
        assert ids(await claim(storage, limit=2)) == ["c", "a"]
        assert ids(await claim(storage, limit=2)) == ["b"]
        assert await claim(storage, limit=2) == ()

    async def test_a_claim_takes_what_is_due_and_nothing_that_lies_ahead(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", run_at=10.0, priority=0)
        await add(storage, "b", run_at=10.5, priority=0)
        await add(storage, "c", run_at=9.0, priority=1)

        assert ids(await claim(storage, now=9.9)) == ["c"]
        assert ids(await claim(storage, now=10.0)) == ["a"]

    async def test_a_claim_sees_only_its_own_queue(self, storage: Storage) -> None:
        await add(storage, "a", queue="mail")
        await add(storage, "b", queue="default")

        assert ids(await claim(storage, queue="mail")) == ["a"]
        assert await claim(storage, queue="other") == ()

    async def test_what_is_held_is_not_claimed_again_even_past_its_lease(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")
        await claim(storage, lease_s=30.0, now=0.0)

        assert await claim(storage, owner=SOMEBODY, now=30.0) == ()
        assert await claim(storage, owner=SOMEBODY, now=1000.0) == ()

    async def test_each_delivery_has_a_token_of_its_own(self, storage: Storage) -> None:
        await add(storage, "a", "b")
        first = await claim(storage)
        for delivery in first:
            await settle(storage, delivery, Release())

        second = await claim(storage)

        assert len({delivery.token for delivery in first + second}) == 4

    async def test_the_instants_of_a_claimed_task_are_what_they_were_to_the_last_bit(
        self, storage: Storage
    ) -> None:
        odd = (-1763795434.1, -3.3, 0.0, 1e-300, 0.1, 1 / 3, 1763795434.123456, 2.0**31 + 0.1, 1e18)
        for n, instant in enumerate(odd):
            await add(storage, f"{n}-due", run_at=instant, now=1763795434.25 + n / 7)
            await add(storage, f"{n}-new", run_at=-1e19, now=instant)
        first = await claim(storage, limit=100, now=1e19)
        for delivery, instant in zip(first, odd + odd, strict=True):
            await storage.start([delivery.token], now=instant)
            await settle(storage, delivery, Release(), now=1e19)
        stored = [await task_of(storage, delivery.task.id, now=1e19) for delivery in first]

        again = await claim(storage, limit=100, now=1e19)

        assert [task.run_at for task in stored] == [-1e19] * 9 + sorted(odd)
        assert sorted(task.created_at for task in stored[:9]) == sorted(odd)
        assert [task.started_at for task in stored] == [*odd, *odd]
        for before, delivery in zip(stored, again, strict=True):
            counted = {"attempt": 1, "deliveries": before.deliveries + 1}
            assert delivery.task == msgspec.structs.replace(before, **counted)

    @pytest.mark.parametrize("length", [15, 16, 17, 33, 255, 256, 257, 600])
    async def test_a_batch_may_have_any_length(self, storage: Storage, length: int) -> None:
        names = [f"{n:03}" for n in range(length)]
        known = new_task(names[-1], queue="other")
        await storage.insert([known], now=0.0)

        accepted = await storage.insert([*map(new_task, names)], now=0.0)
        claimed = await claim(storage, limit=length)
        tokens = [delivery.token for delivery in claimed]
        await storage.start(tokens[::2], now=1.0)
        lost = await storage.extend([*tokens, STALE], lease_s=30.0, now=1.0)
        await storage.report(dict.fromkeys(tokens[1::2], "1"), now=1.0)
        settled = await storage.settle(
            [
                SettleBy(token=token, settlement=DONE if n % 3 else FAILURE, started_at=2.0)
                for n, token in enumerate(tokens)
            ],
            now=3.0,
        )

        assert [answer.acceptance for answer in accepted] == [
            *[Acceptance.ACCEPTED] * (length - 1),
            Acceptance.REPEATED,
        ]
        assert ids(claimed) == names[:-1]
        assert lost == (STALE,)
        assert settled == (Settled.WRITTEN,) * (length - 1)
        failed = len(tokens[::3])
        assert await storage.counts() == {
            **dict.fromkeys(Status, 0),
            Status.QUEUED: 1,
            Status.RETRYING: failed,
            Status.COMPLETED: length - 1 - failed,
        }
        for name, started_at, progress in zip(names, (1.0, 2.0), (None, None), strict=False):
            task = await task_of(storage, name, now=3.0)
            assert (task.started_at, task.progress) == (started_at, progress)

    async def test_a_batch_that_completes_is_completed_whatever_its_tasks_were(
        self, storage: Storage
    ) -> None:
        await add(storage, "again", "queued", "running", "to be cancelled")
        [first] = await claim(storage, limit=1)
        await settle(storage, first, FAILURE)
        await add(storage, "scheduled", run_at=10.0)
        held = await claim(storage, now=10.0)
        tokens = {delivery.task.id: delivery.token for delivery in held}
        await storage.start([tokens["running"]], now=10.5)
        await storage.cancel(["to be cancelled"], reason="not wanted", now=10.5)
        follow_up = Complete(result="1", follow_ups=(new_task("follow-up", run_at=20.0),))
        batch = [
            SettleBy(token=token, settlement=follow_up if name == "queued" else DONE)
            for name, token in tokens.items()
        ]

        answers = await storage.settle(batch, now=11.0)
        repeated = await storage.settle(batch, now=12.0)

        assert answers == (Settled.WRITTEN,) * 5
        assert repeated == (Settled.REPEATED,) * 5
        assert await storage.counts() == {
            **dict.fromkeys(Status, 0),
            Status.SCHEDULED: 1,
            Status.COMPLETED: 5,
        }
        assert (await task_of(storage, "running")).started_at == 10.5
        assert (await task_of(storage, "queued")).started_at is None

    async def test_what_ended_is_never_claimed_again(self, storage: Storage) -> None:
        await add(storage, "a", "b", "c")
        for delivery, end in zip(await claim(storage), ENDS, strict=True):
            await settle(storage, delivery, end)

        assert await claim(storage, now=1e9) == ()

    # --- start ------------------------------------------------------------------------------------

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

    # --- report ----------------------------------------------------------------------------------

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

    # --- extend -----------------------------------------------------------------------------------

    async def test_an_extended_lease_holds_from_now_on(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage, lease_s=30.0, now=0.0)

        lost = await storage.extend([delivery.token], lease_s=30.0, now=20.0)

        assert lost == ()
        [held] = await storage.held(ME)
        assert held.expires_at == 50.0
        assert await storage.rescue(SOMEBODY, now=50.0) == ()

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
        assert await storage.rescue(SOMEBODY, now=101.0) == ()

    # --- settle: what each settlement writes ------------------------------------------------------

    async def test_complete_ends_the_task_with_its_result(self, storage: Storage) -> None:
        await add(storage, "a", now=0.0)
        [first] = await claim(storage)
        await settle(storage, first, FAILURE, now=1.0)
        [second] = await claim(storage, now=10.0)
        await storage.start([second.token], now=11.0)

        settled = await settle(storage, second, DONE, now=12.0)

        assert settled is Settled.WRITTEN
        task = await task_of(storage, "a")
        assert (task.status, task.result) == (Status.COMPLETED, DONE.result)
        assert (task.attempt, task.started_at, task.processed_at) == (2, 11.0, 12.0)
        assert task.reason is None

    async def test_the_completing_attempt_is_the_last_line_of_the_history(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", now=0.0)
        [first] = await claim(storage)
        await storage.start([first.token], now=0.5)
        await settle(storage, first, FAILURE, now=1.0)
        [second] = await claim(storage, now=10.0)
        await storage.start([second.token], now=11.0)
        await settle(storage, second, DONE, now=12.0)

        assert await attempts_of(storage, "a") == (
            Attempt(
                attempt=1,
                outcome=AttemptOutcome.FAILED,
                error="ValueError: no",
                traceback="Traceback …",
                started_at=0.5,
                ended_at=1.0,
            ),
            Attempt(
                attempt=2,
                outcome=AttemptOutcome.COMPLETED,
                error=None,
                traceback=None,
                started_at=11.0,
                ended_at=12.0,
            ),
        )

    async def test_requeue_waits_for_its_time_with_the_attempt_used(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await storage.start([delivery.token], now=0.0)

        await settle(storage, delivery, FAILURE)

        task = await task_of(storage, "a")
        assert (task.status, task.run_at, task.attempt) == (Status.RETRYING, 10.0, 1)
        assert (task.reason, task.processed_at) == ("ValueError: no", None)
        assert await claim(storage, now=9.9) == ()
        [again] = await claim(storage, now=10.0)
        assert (again.task.attempt, again.task.deliveries) == (2, 2)
        assert again.task.status is Status.RETRYING

    async def test_only_a_crash_counts_as_a_crash(self, storage: Storage) -> None:
        burial = msgspec.structs.replace(BURIAL, outcome=AttemptOutcome.CRASHED)
        await add(storage, "a")
        crashes = []
        settlements: tuple[Settlement, ...] = (FAILURE, CRASH, LATER, Release(), CRASH, burial)
        for settlement in settlements:
            [delivery] = await claim(storage, now=10.0)
            await settle(storage, delivery, settlement, now=10.0)
            crashes.append((await task_of(storage, "a")).crashes)

        assert crashes == [0, 1, 1, 1, 2, 3]

    async def test_postpone_returns_the_attempt_and_schedules(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await storage.start([delivery.token], now=0.5)

        await settle(storage, delivery, LATER, now=1.0)

        task = await task_of(storage, "a", now=1.0)
        assert (task.status, task.run_at) == (Status.SCHEDULED, 10.0)
        assert (task.attempt, task.deliveries) == (0, 1)
        [line] = await attempts_of(storage, "a")
        assert (line.attempt, line.outcome) == (1, AttemptOutcome.SNOOZED)
        assert (line.started_at, line.ended_at) == (0.5, 1.0)

    async def test_what_is_postponed_says_why_in_its_history(self, storage: Storage) -> None:
        conflict = Postpone(
            run_at=10.0, outcome=AttemptOutcome.CONFLICTED, error="the balance has changed"
        )
        await add(storage, "a")
        [delivery] = await claim(storage)

        await settle(storage, delivery, conflict, now=1.0)

        [line] = await attempts_of(storage, "a")
        assert (line.outcome, line.error) == (conflict.outcome, conflict.error)
        assert (await task_of(storage, "a")).reason is None

    async def test_a_dead_letter_ends_the_task_and_says_why(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await storage.start([delivery.token], now=0.0)

        await settle(storage, delivery, BURIAL, now=4.0)

        task = await task_of(storage, "a")
        assert (task.status, task.reason) == (Status.DEAD, "all attempts failed")
        assert (task.attempt, task.processed_at, task.result) == (1, 4.0, None)
        [line] = await attempts_of(storage, "a")
        assert (line.outcome, line.error) == (AttemptOutcome.FAILED, "ValueError: no")

    async def test_cancel_ends_the_task_and_says_why(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)

        await settle(storage, delivery, CANCEL, now=4.0)

        task = await task_of(storage, "a")
        assert (task.status, task.reason) == (Status.CANCELLED, "not wanted")
        assert (task.attempt, task.processed_at) == (1, 4.0)
        [line] = await attempts_of(storage, "a")
        assert (line.outcome, line.error) == (AttemptOutcome.CANCELLED, "not wanted")
        assert line.started_at is None

    @pytest.mark.parametrize("waits_as", ["queued", "scheduled", "retrying", "retried"])
    async def test_handing_back_what_never_started_leaves_nothing(
        self, storage: Storage, waits_as: str
    ) -> None:
        await self._waiting(storage, waits_as)
        before = await storage.get("a", now=20.0)
        counts = await storage.counts()
        [delivery] = await claim(storage, now=20.0)

        await settle(storage, delivery, Release(), now=21.0)

        assert await storage.get("a", now=20.0) == before
        assert await storage.counts() == counts
        [again] = await claim(storage, now=20.0)
        assert again.task.attempt == delivery.task.attempt

    @pytest.mark.parametrize("waits_as", ["queued", "scheduled", "retrying", "retried"])
    async def test_handing_back_what_had_started_adds_an_interrupted_line(
        self, storage: Storage, waits_as: str
    ) -> None:
        await self._waiting(storage, waits_as)
        before = await storage.get("a", now=20.0)
        counts = await storage.counts()
        [delivery] = await claim(storage, now=20.0)
        await storage.start([delivery.token], now=20.5)

        await settle(storage, delivery, Release(), now=21.0)

        after = await storage.get("a", now=20.0)
        assert before is not None
        assert after is not None
        assert (after.task.status, after.task.attempt) == (before.task.status, before.task.attempt)
        assert after.attempts == (
            *before.attempts,
            Attempt(
                attempt=delivery.task.attempt,
                outcome=AttemptOutcome.INTERRUPTED,
                error=None,
                traceback=None,
                started_at=20.5,
                ended_at=21.0,
            ),
        )
        assert await storage.counts() == counts

    @pytest.mark.parametrize(("counts", "deliveries"), [(False, 0), (True, 1)])
    async def test_a_hand_back_returns_the_delivery_unless_it_counts(
        self, storage: Storage, counts: bool, deliveries: int
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)

        await settle(storage, delivery, Release(delivery_counts=counts))

        task = await task_of(storage, "a")
        assert (task.attempt, task.deliveries) == (0, deliveries)

    async def _waiting(self, storage: Storage, waits_as: str) -> None:
        run_at = 10.0 if waits_as == "scheduled" else None
        await add(storage, "a", run_at=run_at, now=0.0)
        if waits_as in ("retrying", "retried"):
            [failed] = await claim(storage)
            await storage.start([failed.token], now=0.5)
            await settle(storage, failed, FAILURE)
        if waits_as == "retried":  # and snoozed after that
            [snoozed] = await claim(storage, now=10.0)
            await settle(storage, snoozed, Postpone(run_at=15.0), now=10.0)

    async def test_an_attempt_that_never_started_has_no_start_of_an_earlier_one(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")
        [first] = await claim(storage)
        await storage.start([first.token], now=0.5)
        await settle(storage, first, FAILURE)
        [second] = await claim(storage, now=10.0)

        await settle(storage, second, DONE, now=12.0)

        assert [line.started_at for line in await attempts_of(storage, "a")] == [0.5, None]
        assert (await task_of(storage, "a")).started_at is None

    async def test_follow_ups_are_accepted_with_the_ack(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        follow_ups = (new_task("b"), new_task("c", run_at=99.0), new_task("a", priority=5))

        await settle(storage, delivery, Complete(result="1", follow_ups=follow_ups), now=3.0)

        assert (await task_of(storage, "a")).status is Status.COMPLETED
        follow_up = await task_of(storage, "b")
        assert (follow_up.status, follow_up.created_at) == (Status.QUEUED, 3.0)
        counts = await storage.counts()
        assert (counts[Status.QUEUED], counts[Status.SCHEDULED], counts[Status.COMPLETED]) == (
            1,
            1,
            1,
        )

    # --- settle: who may --------------------------------------------------------------------------

    async def test_settlements_are_answered_in_the_order_given(self, storage: Storage) -> None:
        await add(storage, "a", "b", "c")
        a, b, c = await claim(storage)
        await settle(storage, c, FAILURE)
        batch = [
            SettleBy(token=c.token, settlement=FAILURE),
            SettleBy(token=b.token, settlement=BURIAL),
            SettleBy(token=STALE, settlement=DONE),
            SettleBy(token=a.token, settlement=DONE),
        ]

        answers = await storage.settle(batch, now=2.0)

        assert answers == (
            Settled.REPEATED,
            Settled.WRITTEN,
            Settled.LEASE_LOST,
            Settled.WRITTEN,
        )
        assert (await task_of(storage, "a")).status is Status.COMPLETED
        assert (await task_of(storage, "b")).status is Status.DEAD

    @pytest.mark.parametrize("settlement", SETTLEMENTS, ids=lambda each: type(each).__name__)
    async def test_settling_twice_the_same_way_is_repeated_and_writes_once(
        self, storage: Storage, settlement: Settlement
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await settle(storage, delivery, settlement, now=1.0)
        after = await storage.get("a", now=1.0)
        counts = await storage.counts()

        answer = await settle(storage, delivery, settlement, now=2.0)

        assert answer is Settled.REPEATED
        assert await storage.get("a", now=1.0) == after
        assert await storage.counts() == counts

    @pytest.mark.parametrize("settlement", SETTLEMENTS, ids=lambda each: type(each).__name__)
    async def test_settling_twice_in_different_ways_loses_the_lease(
        self, storage: Storage, settlement: Settlement
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await settle(storage, delivery, settlement, now=1.0)
        after = await storage.get("a", now=1.0)
        others = [other for other in SETTLEMENTS if type(other) is not type(settlement)]

        answers = [await settle(storage, delivery, other, now=2.0) for other in others]

        assert answers == [Settled.LEASE_LOST] * len(others)
        assert await storage.get("a", now=1.0) == after

    async def test_a_token_settles_once_within_a_batch_too(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        batch = [
            SettleBy(token=delivery.token, settlement=settlement)
            for settlement in (FAILURE, FAILURE, DONE)
        ]

        answers = await storage.settle(batch, now=1.0)

        assert answers == (Settled.WRITTEN, Settled.REPEATED, Settled.LEASE_LOST)
        assert len(await attempts_of(storage, "a")) == 1

    async def test_a_repeated_settlement_is_known_while_another_holds_the_task(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")
        [first] = await claim(storage)
        await settle(storage, first, FAILURE)
        [second] = await claim(storage, now=10.0)

        while_held = await settle(storage, first, FAILURE, now=11.0)
        await settle(storage, second, DONE, now=12.0)
        afterwards = await settle(storage, first, FAILURE, now=13.0)

        assert (while_held, afterwards) == (Settled.REPEATED, Settled.LEASE_LOST)

    async def test_only_the_latest_settlement_is_remembered_within_a_batch_too(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")
        [first] = await claim(storage)
        await settle(storage, first, FAILURE)
        [second] = await claim(storage, now=10.0)
        batch = [
            SettleBy(token=first.token, settlement=FAILURE),
            SettleBy(token=second.token, settlement=DONE),
            SettleBy(token=first.token, settlement=FAILURE),
        ]

        answers = await storage.settle(batch, now=11.0)

        assert answers == (Settled.REPEATED, Settled.WRITTEN, Settled.LEASE_LOST)

    async def test_a_lease_that_ran_out_still_settles_while_nobody_else_did(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage, lease_s=1.0)
        await storage.rescue(SOMEBODY, now=100.0)

        assert await settle(storage, delivery, DONE, now=100.0) is Settled.WRITTEN

    async def test_who_lost_the_task_to_a_rescue_writes_nothing(self, storage: Storage) -> None:
        await add(storage, "a")
        [late] = await claim(storage, lease_s=1.0, owner=ME)
        [rescued] = await storage.rescue(SOMEBODY, now=2.0)
        await settle(storage, rescued, CRASH, now=2.0)
        [current] = await claim(storage, owner=SOMEBODY, now=10.0)
        before = await storage.get("a", now=11.0)
        with_follow_up = Complete(result="1", follow_ups=(new_task("b"),))

        answer = await settle(storage, late, with_follow_up, now=11.0)

        assert answer is Settled.LEASE_LOST
        assert await storage.get("a", now=11.0) == before
        assert await storage.get("b", now=11.0) is None
        assert await settle(storage, current, DONE, now=12.0) is Settled.WRITTEN

    # --- held, rescue, next_due -------------------------------------------------------------------

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
        await claim(storage, owner=SOMEBODY, limit=1, now=3.0)

        held = await storage.held(ME)

        assert ids(held) == ["c", "d", "a", "b"]
        assert held == (oldest, *newer)

    async def test_what_is_settled_is_not_held(self, storage: Storage) -> None:
        await add(storage, *"abcdef")
        for delivery, settlement in zip(await claim(storage), SETTLEMENTS, strict=True):
            await settle(storage, delivery, settlement)

        assert await storage.held(ME) == ()
        assert await storage.rescue(SOMEBODY, now=1e9) == ()

    async def test_a_lease_holds_at_its_expiry_and_not_after(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage, lease_s=30.0, now=0.0)

        at_expiry = await storage.rescue(SOMEBODY, now=delivery.expires_at)
        after = await storage.rescue(SOMEBODY, now=delivery.expires_at + 0.001)
        by_its_owner = await storage.rescue(ME, now=delivery.expires_at + 0.001)

        assert at_expiry == ()
        assert after == by_its_owner == (delivery,)

    async def test_what_an_earlier_life_of_the_node_holds_is_rescued_whatever_its_lease_says(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage, owner=EARLIER_ME, lease_s=1000.0, now=0.0)
        await storage.start([delivery.token], now=0.5)
        await add(storage, "b")
        await claim(storage, owner=ME, now=0.0)
        await add(storage, "c")
        await claim(storage, owner=SOMEBODY, now=0.0)

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

    async def test_next_due_is_the_earliest_time_of_what_nobody_holds(
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

    # --- get, find, counts ------------------------------------------------------------------------

    async def test_a_task_that_was_never_accepted_is_none(self, storage: Storage) -> None:
        assert await storage.get("nobody", now=0.0) is None

    async def test_find_returns_the_newest_first_page_by_page(self, storage: Storage) -> None:
        await add(storage, "b", "d", "a", "e", "c")

        first = await storage.find(limit=2, now=0.0)
        second = await storage.find(limit=2, before=first[-1].id, now=0.0)
        last = await storage.find(limit=2, before=second[-1].id, now=0.0)

        assert [ids(page) for page in (first, second, last)] == [["e", "d"], ["c", "b"], ["a"]]
        assert await storage.find(limit=2, before="a", now=0.0) == ()
        assert await storage.find(limit=0, now=0.0) == ()

    async def test_find_pages_through_each_status(self, storage: Storage) -> None:
        expected = await self._one_life_of_each_status(storage)

        for status, newest_first in expected.items():
            whole = await storage.find(status=status, limit=10, now=5.0)
            page = await storage.find(status=status, limit=1, now=5.0)
            rest = await storage.find(status=status, limit=9, before=page[0].id, now=5.0)

            assert (status, ids(whole)) == (status, newest_first)
            assert page + rest == whole
            assert {task.status for task in whole} == {status}

    async def test_find_and_get_tell_the_same(self, storage: Storage) -> None:
        await self._one_life_of_each_status(storage)

        for now in (0.0, 5.0, 50.0):
            for task in await storage.find(limit=100, now=now):
                assert await task_of(storage, task.id, now=now) == task

    async def test_counts_tell_how_many_stand_where(self, storage: Storage) -> None:
        empty = await storage.counts()
        expected = await self._one_life_of_each_status(storage)

        assert empty == dict.fromkeys(Status, 0)
        assert await storage.counts() == {status: len(ids) for status, ids in expected.items()}

    async def _one_life_of_each_status(self, storage: Storage) -> dict[Status, list[str]]:
        """Bring two tasks into each status, but three are queued."""
        await add(storage, *(f"{n}-ended" for n in range(6)), priority=-2)
        ends = await claim(storage)
        for delivery, end in zip(ends, ENDS * 2, strict=True):
            await settle(storage, delivery, end)
        await add(storage, "6-retry", "7-retry", priority=-1)
        for delivery in await claim(storage):
            await settle(storage, delivery, FAILURE)
        await add(storage, "1-run", "8-run", priority=-1)
        running = await claim(storage)
        await storage.start([delivery.token for delivery in running], now=0.0)
        await add(storage, "2-later", "9-later", run_at=40.0)
        await add(storage, "3-queued", "5-queued", "4-queued")
        return {
            Status.COMPLETED: ["3-ended", "0-ended"],
            Status.DEAD: ["4-ended", "1-ended"],
            Status.CANCELLED: ["5-ended", "2-ended"],
            Status.RETRYING: ["7-retry", "6-retry"],
            Status.RUNNING: ["8-run", "1-run"],
            Status.SCHEDULED: ["9-later", "2-later"],
            Status.QUEUED: ["5-queued", "4-queued", "3-queued"],
        }

    async def test_a_scheduled_task_whose_time_has_come_reads_queued(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", run_at=10.0)
        await add(storage, "b")
        await add(storage, "c", run_at=10.5)

        early = await storage.find(status=Status.SCHEDULED, limit=10, now=9.9)
        ahead = await storage.find(status=Status.SCHEDULED, limit=10, now=10.0)
        queued = await storage.find(status=Status.QUEUED, limit=10, now=10.0)
        page = await storage.find(status=Status.QUEUED, limit=1, before="b", now=10.0)

        assert (ids(early), ids(ahead)) == (["c", "a"], ["c"])
        assert (ids(queued), ids(page)) == (["b", "a"], ["a"])
        assert {task.status for task in queued} == {Status.QUEUED}
        assert (await task_of(storage, "a", now=10.0)).status is Status.QUEUED
        assert (await task_of(storage, "a", now=9.9)).status is Status.SCHEDULED
        assert (await storage.counts())[Status.SCHEDULED] == 2

    async def test_what_was_accepted_is_found_in_the_counts_whatever_happens_to_it(
        self, storage: Storage
    ) -> None:
        await add(storage, *"abcdefg")
        for delivery, settlement in zip(await claim(storage, limit=6), SETTLEMENTS, strict=True):
            await storage.start([delivery.token], now=0.0)
            await settle(storage, delivery, settlement)

            assert sum((await storage.counts()).values()) == 7

    # --- redrive, expire ---------------------------------------------------------------------

    async def test_a_redriven_task_has_all_its_attempts_before_it_and_its_history(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", max_attempts=3)
        for settlement in (CRASH, BURIAL):
            [delivery] = await claim(storage, now=10.0)
            await settle(storage, delivery, settlement, now=10.0)
        history = await attempts_of(storage, "a")

        redriven = await storage.redrive(["a"], now=20.0)

        task = await task_of(storage, "a")
        assert redriven == ("a",)
        assert (task.status, task.run_at, task.processed_at) == (Status.QUEUED, 20.0, None)
        assert (task.attempt, task.crashes, task.deliveries) == (0, 0, 0)
        assert (task.max_attempts, task.reason) == (3, None)
        assert len(history) == 2
        assert await attempts_of(storage, "a") == history
        assert await claim(storage, now=19.9) == ()
        assert ids(await claim(storage, now=20.0)) == ["a"]

    async def test_the_history_grows_on_after_a_redrive(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await settle(storage, delivery, BURIAL)
        await storage.redrive(["a"], now=2.0)
        [again] = await claim(storage, now=2.0)

        await settle(storage, again, DONE)

        assert [(line.attempt, line.outcome) for line in await attempts_of(storage, "a")] == [
            (1, AttemptOutcome.FAILED),
            (1, AttemptOutcome.COMPLETED),
        ]

    async def test_redrive_returns_those_that_were_dead_and_touches_no_other(
        self, storage: Storage
    ) -> None:
        await add(storage, *"abcd")
        a, b, c = await claim(storage, limit=3)
        await settle(storage, a, BURIAL)
        await settle(storage, b, DONE)
        await settle(storage, c, BURIAL)
        others = [await storage.get(task_id, now=0.0) for task_id in "bd"]

        redriven = await storage.redrive(["c", "b", "nobody", "a", "d", "a"], now=5.0)

        assert redriven == ("c", "a")
        assert [await storage.get(task_id, now=0.0) for task_id in "bd"] == others
        counts = await storage.counts()
        assert (counts[Status.QUEUED], counts[Status.DEAD], counts[Status.COMPLETED]) == (3, 0, 1)

    async def test_prune_deletes_what_ended_before_that_instant_first_ended_first(
        self, storage: Storage
    ) -> None:
        await add(storage, *"abcd")
        a, b, c, d = await claim(storage)
        for delivery, ended_at in ((c, 1.0), (a, 2.0), (d, 3.0), (b, 4.0)):
            await settle(storage, delivery, DONE, now=ended_at)

        first = await storage.expire(Status.COMPLETED, ended_before=4.0, limit=2)
        left = await storage.find(limit=10, now=0.0)
        second = await storage.expire(Status.COMPLETED, ended_before=4.0, limit=2)

        assert (first, ids(left), second) == (2, ["d", "b"], 1)
        assert ids(await storage.find(limit=10, now=0.0)) == ["b"]
        assert (await storage.counts())[Status.COMPLETED] == 1

    async def test_prune_touches_only_its_status(self, storage: Storage) -> None:
        await add(storage, *"abcdefg")
        for delivery, settlement in zip(await claim(storage, limit=6), SETTLEMENTS, strict=True):
            await settle(storage, delivery, settlement)

        expired = await storage.expire(Status.DEAD, ended_before=1e9, limit=100)

        assert expired == 1
        assert await storage.get("d", now=0.0) is None
        assert ids(await storage.find(limit=10, now=0.0)) == list("gfecba")

    async def test_a_pruned_task_takes_its_history_along(self, storage: Storage) -> None:
        await add(storage, "a")
        [delivery] = await claim(storage)
        await settle(storage, delivery, BURIAL)
        await storage.expire(Status.DEAD, ended_before=1e9, limit=1)

        await add(storage, "a")

        assert await attempts_of(storage, "a") == ()
        assert await settle(storage, delivery, BURIAL) is Settled.LEASE_LOST

    @pytest.mark.parametrize("status", sorted(set(Status) - ENDED))
    async def test_what_has_not_ended_cannot_be_pruned(
        self, storage: Storage, status: Status
    ) -> None:
        await add(storage, "a")

        with pytest.raises(ValueError, match=f"{status} is not an end"):
            await storage.expire(status, ended_before=1e9, limit=1)

        assert await storage.get("a", now=0.0) is not None
