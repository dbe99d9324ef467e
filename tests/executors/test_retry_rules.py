"""Rules about retries: each exception with each rule, on every executor."""

from collections.abc import AsyncIterator, Mapping

import msgspec
import pytest
from msgspec.structs import replace

from taskqueue.api.handler import ExecutorKind
from taskqueue.api.loading import load_app
from taskqueue.executors.attempt import attempt
from taskqueue.executors.loop import LoopExecutor
from taskqueue.executors.process.pool import ProcessExecutor
from taskqueue.executors.protocol import Executor
from taskqueue.executors.thread import ThreadExecutor
from taskqueue.rules.tasks import Failed, Rejected, Status
from taskqueue.testing.claims import claimed
from taskqueue.testing.engine import Engine
from tests.executors.retry_rules import ATTEMPT, ERRORS, KINDS, RULES, expected, wait_s

APP = load_app("tests.executors.retry_rules:app")


@pytest.fixture
async def executors() -> AsyncIterator[Mapping[ExecutorKind, Executor]]:
    made: Mapping[ExecutorKind, Executor] = {
        ExecutorKind.LOOP: LoopExecutor(),
        ExecutorKind.THREAD: ThreadExecutor(slots=1),
        ExecutorKind.PROCESS: ProcessExecutor(APP, 1),
    }
    yield made
    for executor in made.values():
        executor.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_an_exception_is_answered_by_the_rule_of_its_action(
    executors: Mapping[ExecutorKind, Executor], kind: str
) -> None:
    for rule in RULES:
        for error in ERRORS:
            data = msgspec.json.encode({"error": error})
            task = claimed(APP.prepare(f"{rule}/{kind}", data), attempt=ATTEMPT)
            outcome = await attempt(APP, task, executors)

            assert isinstance(outcome, Failed | Rejected), (rule, error, outcome)
            assert replace(outcome, traceback=None) == expected(rule, error), (rule, error)
            if error != "retry":
                assert "retry_rules.py" in (outcome.traceback or "")


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_written_for_an_exception_is_what_the_rule_of_its_action_says(
    kind: str,
) -> None:
    tasks = {
        (rule, error): APP.prepare(f"{rule}/{kind}", msgspec.json.encode({"error": error}))
        for rule in RULES
        for error in ERRORS
    }
    async with Engine(APP) as engine:
        await APP.enqueue(*tasks.values())
        await engine.advance(0)
        written = {case: await engine.history(task.id) for case, task in tasks.items()}

    for (rule, error), history in written.items():
        outcome = expected(rule, error)
        after_s, [attempt] = wait_s(rule, error), history.attempts
        task, case = history.task, (rule, error)
        assert (task.attempt, attempt.attempt) == (1, 1), case
        if after_s is None:
            assert isinstance(outcome, Rejected)
            assert (task.status, attempt.outcome) == (Status.DEAD, "rejected"), case
            assert task.reason == attempt.error == outcome.reason, case
        else:
            assert isinstance(outcome, Failed)
            assert (task.status, attempt.outcome) == (Status.RETRYING, "failed"), case
            assert task.reason == attempt.error == outcome.error, case
            assert task.run_at - attempt.ended_at == pytest.approx(after_s), case
