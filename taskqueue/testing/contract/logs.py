"""The part of the storage contract about what attempts have logged."""

from taskqueue.rules.logs import LoggedAttempt, LogPage
from taskqueue.rules.tasks import (
    AttemptOutcome,
    Complete,
    Delivery,
    Release,
    SettleBy,
    Settlement,
    Statement,
    Status,
)
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.steps import (
    BURIAL,
    CANCEL,
    DONE,
    FAILURE,
    LATER,
    STALE,
    add,
    claim,
)

ROOM = 1 << 20


def text_of(name: str) -> str:
    """Return a log, as JSON text, that can be told from others."""
    return f'{{"lines":[{{"at":1.0,"level":"info","message":"é {name}"}}],"dropped":0}}'


async def end(
    storage: Storage, delivery: Delivery, settlement: Settlement, log: str | None, *, now: float
) -> None:
    """Settle one delivery that was started, with its log."""
    by = SettleBy(token=delivery.token, settlement=settlement, started_at=now, log=log)
    await storage.settle([by], now=now)


async def one_attempt(
    storage: Storage, settlement: Settlement, log: str | None, *, now: float
) -> None:
    """Make one attempt at the only task."""
    [delivery] = await claim(storage, now=now)
    await end(storage, delivery, settlement, log, now=now)


async def logs_of(storage: Storage, task_id: str = "a") -> list[str]:
    """Return the logs of a task, the latest first."""
    page = await storage.logs(task_id, max_bytes=ROOM)
    assert page is not None
    return [each.log for each in page.attempts]


class LogsContract:
    """A part of `StorageContract`, whose `storage` it is given."""

    async def test_the_log_of_each_attempt_is_kept_the_latest_first(self, storage: Storage) -> None:
        await add(storage, "a")
        settlements: tuple[Settlement, ...] = (FAILURE, LATER, Release(), DONE)
        for number, settlement in enumerate(settlements):
            await one_attempt(storage, settlement, text_of(str(number)), now=20.0 + number)

        page = await storage.logs("a", max_bytes=ROOM)

        assert page is not None
        assert page.next is None
        assert [(each.attempt, each.outcome, each.ended_at) for each in page.attempts] == [
            (2, AttemptOutcome.COMPLETED, 23.0),
            (2, AttemptOutcome.INTERRUPTED, 22.0),
            (2, AttemptOutcome.SNOOZED, 21.0),
            (1, AttemptOutcome.FAILED, 20.0),
        ]
        assert page.attempts[0] == LoggedAttempt(
            attempt=2,
            outcome=AttemptOutcome.COMPLETED,
            started_at=23.0,
            ended_at=23.0,
            log=text_of("3"),
        )
        assert await logs_of(storage) == [text_of(name) for name in "3210"]

    async def test_attempts_that_have_logged_nothing_are_left_out(self, storage: Storage) -> None:
        await add(storage, "a")
        await one_attempt(storage, FAILURE, None, now=10.0)
        await one_attempt(storage, FAILURE, text_of("b"), now=20.0)
        await one_attempt(storage, DONE, None, now=30.0)

        assert await logs_of(storage) == [text_of("b")]

    async def test_a_task_without_logs_has_an_empty_page_and_no_task_has_none(
        self, storage: Storage
    ) -> None:
        await add(storage, "a")

        assert await storage.logs("a", max_bytes=ROOM) == LogPage(attempts=(), next=None)
        assert await storage.logs("unknown", max_bytes=ROOM) is None

    async def test_a_page_ends_with_the_attempt_that_exceeds_its_bytes(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", max_attempts=9)
        names = "12345"
        for number, name in enumerate(names):
            settlement = DONE if name == "5" else FAILURE
            await one_attempt(storage, settlement, text_of(name), now=10.0 * (number + 1))
        two = len(text_of("1").encode()) + 1

        pages = [await storage.logs("a", max_bytes=two)]
        while pages[-1] is not None and pages[-1].next is not None:
            pages.append(await storage.logs("a", before=pages[-1].next, max_bytes=two))

        found = [[each.log for each in page.attempts] for page in pages if page is not None]
        assert found == [[text_of(n) for n in part] for part in ("54", "32", "1")]

    async def test_of_several_settlements_at_once_each_keeps_its_own_log(
        self, storage: Storage
    ) -> None:
        await add(storage, "a", "b", "c", "d")
        deliveries = await claim(storage)
        bad = Complete(result="1", statements=(Statement(sql="bad"),))
        ends: tuple[Settlement, ...] = (DONE, BURIAL, CANCEL, bad)
        await storage.settle(
            [
                SettleBy(token=d.token, settlement=e, started_at=1.0, log=text_of(d.task.id))
                for d, e in zip(deliveries, ends, strict=True)
            ],
            now=2.0,
        )

        for task_id in "abc":
            assert await logs_of(storage, task_id) == [text_of(task_id)]
        assert await logs_of(storage, "d") == []

    async def test_a_settlement_whose_lease_is_lost_leaves_no_log(self, storage: Storage) -> None:
        await add(storage, "a")

        by = SettleBy(token=STALE, settlement=FAILURE, log=text_of("late"))
        await storage.settle([by], now=1.0)

        assert await logs_of(storage) == []

    async def test_logs_outlive_a_redrive_and_go_with_their_task(self, storage: Storage) -> None:
        await add(storage, "a", "b")
        for _ in range(2):
            [delivery] = await claim(storage, limit=1)
            await end(storage, delivery, BURIAL, text_of("dead"), now=1.0)

        await storage.redrive(["a", "b"], now=2.0)
        kept = [await logs_of(storage, task_id) for task_id in "ab"]
        for delivery in await claim(storage, now=2.0):
            await end(storage, delivery, DONE, text_of("done"), now=3.0)
        await storage.delete(["a"])
        expired = await storage.expire(Status.COMPLETED, ended_before=4.0, limit=9)
        await add(storage, "a", "b", now=5.0)

        assert kept == [[text_of("dead")]] * 2
        assert expired == 1
        assert [await logs_of(storage, task_id) for task_id in "ab"] == [[], []]
