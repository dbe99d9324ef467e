"""What user code hands over in odd types is converted, rendered or refused, on every executor."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest

from taskqueue.api.handler import ExecutorKind
from taskqueue.api.loading import load_app
from taskqueue.executors.attempt import attempt
from taskqueue.executors.loop import LoopExecutor
from taskqueue.executors.process.pool import ProcessExecutor
from taskqueue.executors.protocol import Executor
from taskqueue.executors.thread import ThreadExecutor
from taskqueue.rules.tasks import Cancelled, Failed, Outcome, Rejected, Snoozed, Succeeded
from taskqueue.testing.claims import claimed
from tests.executors import odd

# Looks up names as `run` does, so that each test runs all its cases in one process.
Run = Callable[[str, str], Awaitable[Any]]


@pytest.fixture(params=["loop", "thread", "process", "process loop"])
async def run(request: pytest.FixtureRequest) -> AsyncIterator[Run]:
    """Make one attempt whose handler does one odd thing."""
    app = load_app("tests.executors.odd:app")
    executors: Mapping[ExecutorKind, Executor] = {
        ExecutorKind.LOOP: LoopExecutor(),
        ExecutorKind.THREAD: ThreadExecutor(slots=1),
        ExecutorKind.PROCESS: ProcessExecutor(app, slots=1),
    }

    async def run_one(kind: str, name: str) -> Outcome:
        data = msgspec.json.encode({"kind": kind, "name": name})
        return await attempt(app, claimed(app.prepare(request.param, data)), executors)

    yield run_one
    for executor in executors.values():
        executor.close()


async def test_an_exception_that_cannot_be_rendered_is_a_failure_with_what_could_be(
    run: Run,
) -> None:
    outcomes = {name: await run("error", name) for name in odd.ERRORS}

    for name, outcome in outcomes.items():
        assert isinstance(outcome, Failed), name
        assert name.split()[0] in outcome.error.partition(":")[0], outcome
        assert "in misbehave" in (outcome.traceback or ""), outcome
        assert msgspec.json.encode(outcome)
    assert outcomes["NotUnicode"].error.endswith(r": half \ud800 and \x00")
    assert outcomes["AnyAttribute"].error == "tests.executors.odd.AnyAttribute: text"


async def test_a_delay_of_any_number_type_is_a_float(run: Run) -> None:
    retried = {name: await run("retry", name) for name in odd.DELAYS}
    snoozed = {name: await run("snooze", name) for name in odd.DELAYS}
    set_later = {name: await run("late by", name) for name in odd.DELAYS}

    for outcome in retried.values():
        assert outcome == Failed(error="asked for a retry", retry_in_s=2.0)
        assert type(outcome.retry_in_s) is float
    for outcome in (*snoozed.values(), *set_later.values()):
        assert outcome == Snoozed(delay_s=2.0)
        assert type(outcome.delay_s) is float


async def test_a_delay_that_is_no_number_is_a_failure_that_names_it(run: Run) -> None:
    names = [name for name in odd.NO_DELAYS if name != "None"]
    retried = {name: await run("retry", name) for name in names}
    snoozed = {name: await run("snooze", name) for name in odd.NO_DELAYS}
    set_later = {name: await run("late by", name) for name in odd.NO_DELAYS}

    for outcome in retried.values():
        assert outcome.error.startswith("ValueError: after_s must be a number of seconds")
    for outcome in snoozed.values():
        assert outcome.error.startswith("ValueError: delay_s must be a number of seconds")
    for outcome in set_later.values():
        assert outcome.error.startswith("LateBy cannot be followed: ValueError: delay_s must be a")


async def test_a_verdict_without_its_attributes_has_the_defaults_or_fails(run: Run) -> None:
    outcomes = {name: await run("verdict", name) for name in odd.VERDICTS}

    assert outcomes["Busy"] == Failed(error="db")
    assert outcomes["Gone"] == Cancelled(reason="Gone")
    assert (type(outcomes["NoUser"]), outcomes["NoUser"].reason) == (Rejected, "ann")
    assert outcomes["reason later"].reason == "<no text: KeyError>"
    assert outcomes["delay later"] == Failed(error="asked for a retry", retry_in_s=2.0)
    assert outcomes["Late"].error.startswith("Late cannot be followed: AttributeError")
    assert outcomes["ReasonFails"].error == "ReasonFails cannot be followed: KeyError: 'reason'"
    assert outcomes["no delay later"].error.startswith("Snooze cannot be followed: ValueError")


async def test_a_result_of_another_type_is_json_like_its_base(run: Run) -> None:
    outcomes = {name: await run("result", name) for name in odd.RESULTS}

    assert outcomes == {
        name: Succeeded(result=expected) for name, (_, expected) in odd.RESULTS.items()
    }


async def test_a_result_that_is_no_json_is_refused_and_says_why(run: Run) -> None:
    outcomes = {name: await run("result", name) for name in odd.NO_RESULTS}

    for name, (_, why) in odd.NO_RESULTS.items():
        assert isinstance(outcomes[name], Rejected), outcomes[name]
        assert f" is not JSON: {why}" in outcomes[name].reason


async def test_a_result_that_is_false_in_another_type_is_a_failure_too(run: Run) -> None:
    assert await run("result", "False") == Failed(error="returned False")
