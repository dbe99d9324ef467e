"""How an app's tasks are tested: by the engine that will run them.

python -m pytest examples/test_shop.py
"""

from collections.abc import Callable

import pytest

from taskqueue import App, Context
from taskqueue.errors import InvalidTask, StorageUnavailable
from taskqueue.testing.engine import Engine

pytest_plugins = ["taskqueue.testing.fixtures"]

# --- the app; it would be a module of its own -----------------------------------------------------

app = App()
mails: list[tuple[str, str]] = []
down: list[str] = []  # whose mail server does not answer


@app.task("order")
async def order(ctx: Context, customer: str, items: int) -> dict[str, int]:
    """Take the order; confirm it now, and ask for a review in two weeks."""
    ctx.enqueue(mail, to=customer, subject="Thank you")
    ctx.enqueue(mail.with_options(delay_s=14 * 86_400), to=customer, subject="How was it?")
    return {"items": items}


@app.task("mail", max_attempts=3)
async def mail(ctx: Context, to: str, subject: str) -> None:
    """Send a mail."""
    if to in down:
        raise ConnectionError("no answer")
    mails.append((to, subject))


# --- its tests ------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _nothing_sent() -> None:
    mails.clear()
    down.clear()


async def test_an_order_is_confirmed_at_once_and_reviewed_after_two_weeks() -> None:
    async with Engine(app) as engine:
        await order.enqueue(customer="ada@example.org", items=2)

        await engine.drain(horizon_s=60)
        assert mails == [("ada@example.org", "Thank you")]

        await engine.advance(14 * 86_400)
        assert mails[1:] == [("ada@example.org", "How was it?")]


async def test_a_mail_is_tried_three_times() -> None:
    down.append("ada@example.org")

    async with Engine(app) as engine:
        task_id = await mail.enqueue(to="ada@example.org", subject="Hi")
        await engine.drain()  # the backoff between the attempts passes on the clock
        history = await engine.history(task_id)

    assert history.task.status == "dead"
    assert [attempt.error for attempt in history.attempts] == ["ConnectionError: no answer"] * 3


async def test_a_crash_of_the_consumer_loses_no_mail() -> None:
    async with Engine(app) as engine:
        for n in range(3):
            await mail.enqueue(to=f"{n}@example.org", subject="Hi")
        await engine.crash("consumer-1")
        await engine.drain()

        assert len(await engine.tasks(status="completed")) == 3


async def test_a_full_disk_is_told_to_whoever_orders(
    taskqueue_engine: Callable[[App], Engine],
) -> None:
    async with taskqueue_engine(app) as engine:  # the same, with its tasks in a SQLite file
        engine.storage.break_down("disk full", verbs={"insert", "probe"})
        with pytest.raises(StorageUnavailable, match="disk full"):
            await order.enqueue(customer="ada@example.org", items=2)


async def test_an_order_without_a_number_is_refused() -> None:
    async with Engine(app):
        with pytest.raises(InvalidTask, match="items"):
            await order.enqueue(customer="ada@example.org", items="two")  # type: ignore[arg-type]
