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
from taskqueue.rules.tasks import Failed, Rejected
from taskqueue.testing.claims import claimed
from tests.executors.retry_rules import ATTEMPT, ERRORS, KINDS, RULES, expected

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
