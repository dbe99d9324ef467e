"""What a handler has cost beyond its start: told by itself, from wherever it runs."""

import math
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from taskqueue import Action, Context
from taskqueue.api.loading import load_app
from taskqueue.errors import StorageUnavailable
from taskqueue.rules.limits import LimitUse
from taskqueue.testing.claims import claimed
from taskqueue.testing.engine import Engine
from taskqueue.testing.events import EventLog
from taskqueue.testing.fixtures import events
from tests.testing.spending_app import (
    ask,
    ask_in_a_process,
    ask_in_a_thread,
    fail,
    spend_elsewhere,
)

__all__ = ["events"]


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with Engine(load_app("tests.testing.spending_app:app")) as engine:
        yield engine


async def charged(engine: Engine) -> None:
    """Wait until a charge is written, and all tasks have ended."""
    storage = engine.storage
    while "charge" not in storage.calls:
        await storage.called_since(len(storage.calls))
    await storage.idle()
    await engine.drain()


async def debt_of(engine: Engine, key: str) -> float:
    """Return how many starts a key owes; it has a burst of a thousand."""
    storage, use = engine.storage.inner, LimitUse("tokens", key, 1000.0)
    taken = await storage.take_starts(use, now=engine.clock.now())
    assert taken is not None
    return taken.retry_at - engine.clock.now()


@pytest.mark.parametrize(
    "action", [ask, ask_in_a_thread, ask_in_a_process], ids=["loop", "thread", "process"]
)
async def test_what_is_spent_is_charged_under_the_key_of_the_task(
    engine: Engine, action: Action[..., Any]
) -> None:
    await action.enqueue(user="ada", tokens=2500)
    await charged(engine)

    assert await debt_of(engine, "ada") == pytest.approx(2501)
    assert await debt_of(engine, "bob") == 0


async def test_what_is_not_needed_is_given_back(engine: Engine) -> None:
    await ask.enqueue(user="ada", tokens=-0.5)
    await charged(engine)

    assert await debt_of(engine, "ada") == pytest.approx(0.5)


async def test_it_is_charged_even_if_the_attempt_fails(engine: Engine) -> None:
    await fail.enqueue(user="ada")
    await charged(engine)

    assert await debt_of(engine, "ada") == pytest.approx(501)


async def test_a_task_may_spend_of_a_limit_that_it_does_not_count_towards(engine: Engine) -> None:
    await spend_elsewhere.enqueue(limit="tokens")
    await charged(engine)

    assert await debt_of(engine, "acme") == pytest.approx(7)


async def test_what_cannot_be_charged_is_said_and_harms_nothing(
    engine: Engine, events: EventLog
) -> None:
    engine.storage.fail_next("charge", StorageUnavailable("the disk is full"))

    task_id = await ask.enqueue(user="ada", tokens=5)
    lost = await events.wait_for("cost_not_charged", limit="tokens")
    await engine.drain()

    assert "the disk is full" in str(lost["reason"])
    assert (await engine.task(task_id)).status == "completed"


async def test_a_limit_that_is_not_there_is_named(engine: Engine, events: EventLog) -> None:
    await spend_elsewhere.enqueue(limit="unknown")

    lost = await events.wait_for("cost_not_charged", limit="unknown")

    assert lost["reason"] == "there is no limit of this name"


@pytest.mark.parametrize("cost", ["1", None, math.nan, math.inf, 1e10, True])
async def test_what_is_no_cost_is_refused(cost: object) -> None:
    ctx: Context = Context(claimed(ask.prepare(user="ada", tokens=1)))

    with pytest.raises(ValueError, match="must be"):
        ctx.spend("tokens", cost)  # type: ignore[arg-type]

    ctx.spend("tokens", Decimal("1.5"))  # type: ignore[arg-type]
