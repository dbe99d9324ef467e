"""What both executors promise: whatever a handler does becomes the outcome of its attempt."""

import asyncio
import doctest
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import ContextVar
from typing import Any, NoReturn

import msgspec
import pytest
import structlog

from taskqueue import App, Cancel, Context, Reject, Retry, Snooze
from taskqueue.api.handler import ExecutorKind
from taskqueue.executors import outcome as outcome_module
from taskqueue.executors.attempt import attempt
from taskqueue.executors.loop import LoopExecutor
from taskqueue.executors.outcome import MAX_ERROR, MAX_TRACEBACK
from taskqueue.executors.protocol import ConsumerCrash, Executor
from taskqueue.executors.thread import ThreadExecutor
from taskqueue.rules.tasks import (
    Cancelled,
    Failed,
    NewTask,
    Outcome,
    Rejected,
    Snoozed,
    Succeeded,
)
from taskqueue.testing.claims import claimed
from tests.executors import odd

Body = Callable[[Context], object]
Run = Callable[[Body], Any]


@pytest.fixture
async def executors() -> AsyncIterator[Mapping[ExecutorKind, Executor]]:
    made: Mapping[ExecutorKind, Executor] = {
        ExecutorKind.LOOP: LoopExecutor(),
        ExecutorKind.THREAD: ThreadExecutor(slots=2),
    }
    yield made
    for executor in made.values():
        executor.close()


@pytest.fixture(params=["async def", "def"])
def run(request: pytest.FixtureRequest, executors: Mapping[ExecutorKind, Executor]) -> Run:
    """Make one attempt at a task whose handler, of either kind, does what `body` does."""

    async def run_body(body: Body) -> Outcome:
        app = App()
        if request.param == "def":

            @app.task("work")
            def work(ctx: Context) -> object:
                return body(ctx)

        else:

            @app.task("work")
            async def work(ctx: Context) -> object:
                await asyncio.sleep(0)
                return body(ctx)

        return await attempt(app, claimed(app.prepare("work")), executors)

    return run_body


def raising(error: BaseException) -> Body:
    def body(ctx: Context) -> NoReturn:
        raise error

    return body


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (None, "null"),
        (0, "0"),
        ("", '""'),
        ([], "[]"),
        (True, "true"),
        ({"width": 1}, '{"width":1}'),
        ("ä\0", '"ä\\u0000"'),
    ],
)
async def test_a_value_is_the_result_as_json(run: Run, value: object, result: str) -> None:
    assert await run(lambda ctx: value) == Succeeded(result=result)


@pytest.mark.parametrize("shows_another", [False, True])
async def test_a_handler_changes_for_itself_alone_which_loop_runs(
    run: Run, shows_another: bool
) -> None:
    def running_loop(ctx: Context) -> str:
        return repr(asyncio._get_running_loop())

    def change(ctx: Context) -> None:
        other = asyncio.SelectorEventLoop()
        other.close()
        asyncio._set_running_loop(other if shows_another else None)

    before = await run(running_loop)
    changed = await run(change)

    assert changed == Succeeded(result="null")
    assert await run(running_loop) == before


async def test_a_handler_gets_the_context_only_if_it_takes_it(
    executors: Mapping[ExecutorKind, Executor],
) -> None:
    app = App()

    @app.task
    def double(number: int) -> int:
        return 2 * number

    @app.task
    async def triple(number: int) -> int:
        return 3 * number

    for action, result in ((double, "8"), (triple, "12")):
        outcome = await attempt(app, claimed(action.prepare(4)), executors)
        assert outcome == Succeeded(result=result)


async def test_exactly_false_is_a_failure(run: Run) -> None:
    assert await run(lambda ctx: False) == Failed(error="returned False")


async def test_false_is_a_result_where_the_action_says_so(
    executors: Mapping[ExecutorKind, Executor],
) -> None:
    app = App()

    @app.task(false_is_failure=False)
    async def is_there() -> bool:
        return False

    @app.task(false_is_failure=False)
    def is_there_as_well() -> bool:
        return False

    for action in (is_there, is_there_as_well):
        assert await attempt(app, claimed(action.prepare()), executors) == Succeeded(result="false")


async def test_a_value_without_a_json_form_is_rejected(run: Run) -> None:
    outcome = await run(lambda ctx: {"a": object()})

    assert outcome == Rejected(
        reason="result, of type dict, is not JSON: Encoding objects of type object is unsupported"
    )


async def test_a_value_that_contains_itself_is_rejected(run: Run) -> None:
    loop: list[object] = []
    loop.append(loop)

    outcome = await run(lambda ctx: loop)

    assert outcome == Rejected(
        reason="result, of type list, is not JSON: is nested too deeply, or contains itself"
    )


async def test_a_result_may_have_exactly_one_mebibyte(run: Run) -> None:
    fits = "x" * ((1 << 20) - 2)

    assert await run(lambda ctx: fits) == Succeeded(result=f'"{fits}"')
    refused = await run(lambda ctx: fits + "x")

    assert isinstance(refused, Rejected)
    assert refused.reason.startswith(
        'result has 1048577 bytes; the limit is 1048576 (max_result_bytes); it begins: "xxx'
    )
    assert len(refused.reason.encode()) <= MAX_ERROR


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (Retry(3), Failed(error="asked for a retry", retry_in_s=3)),
        (Retry(reason="busy"), Failed(error="busy")),
        (Snooze(3), Snoozed(delay_s=3)),
        (Cancel("order gone"), Cancelled(reason="order gone")),
    ],
)
async def test_a_handler_decides_by_what_it_raises(
    run: Run, verdict: Exception, outcome: Outcome
) -> None:
    assert await run(raising(verdict)) == outcome


async def test_a_rejection_shows_where_it_was_decided(run: Run) -> None:
    outcome = await run(raising(Reject("no such user")))

    assert outcome.reason == "no such user"
    assert outcome.traceback.endswith("taskqueue.api.outcomes.Reject: no such user\n")


async def test_an_exception_is_a_failure_with_its_type_text_and_place(run: Run) -> None:
    outcome = await run(raising(ValueError("no such\nsize")))

    assert isinstance(outcome, Failed)
    assert outcome.error == "ValueError: no such size"
    assert outcome.traceback is not None
    assert outcome.traceback.startswith(
        f'Traceback (most recent call last):\n  File "{__file__}", line'
    )
    assert "executors/outcome.py" not in outcome.traceback
    assert outcome.traceback.endswith("ValueError: no such\nsize\n")


async def test_the_cause_of_an_exception_is_shown(run: Run) -> None:
    def body(ctx: Context) -> None:
        try:
            dict[str, int]()["size"]
        except KeyError as error:
            raise ValueError("no size") from error

    outcome = await run(body)

    assert "KeyError: 'size'" in outcome.traceback
    assert "direct cause of the following exception" in outcome.traceback


async def test_a_long_error_keeps_its_start_and_a_long_traceback_its_end(run: Run) -> None:
    outcome = await run(raising(ValueError("start" + "ä" * 50_000 + "end")))

    assert outcome.error.startswith("ValueError: start")
    assert MAX_ERROR - 2 <= len(outcome.error.encode()) <= MAX_ERROR
    assert outcome.traceback.endswith("end\n")
    assert MAX_TRACEBACK - 2 <= len(outcome.traceback.encode()) <= MAX_TRACEBACK


async def test_an_error_can_always_be_stored(run: Run) -> None:
    outcome = await run(raising(ValueError("half \ud800 and \0")))

    assert outcome.error == r"ValueError: half \ud800 and \x00"
    assert outcome.traceback.endswith("ValueError: half \\ud800 and \\x00\n")


async def test_an_exception_that_cannot_even_be_shown_is_a_failure(run: Run) -> None:
    class Unspeakable(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    outcome = await run(raising(Unspeakable()))

    assert isinstance(outcome, Failed)
    assert "Unspeakable" in outcome.error


@pytest.mark.parametrize(
    "error", [TimeoutError("slow"), asyncio.CancelledError(), StopIteration(1)]
)
async def test_an_exception_that_means_something_to_asyncio_is_a_failure_too(
    run: Run, error: BaseException
) -> None:
    outcome = await run(raising(error))

    assert isinstance(outcome, Failed)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
async def test_what_no_consumer_survives_is_a_crash_of_this_consumer_only(
    run: Run, error: BaseException
) -> None:
    with pytest.raises(ConsumerCrash) as caught:
        await run(raising(error))

    assert caught.value.cause is error
    assert await run(lambda ctx: 1) == Succeeded(result="1")


async def test_a_crash_can_be_ordered(run: Run) -> None:
    with pytest.raises(ConsumerCrash, match="handler crashed its consumer"):
        await run(raising(ConsumerCrash()))


async def test_follow_ups_come_with_success_and_with_nothing_else(run: Run) -> None:
    app = App()

    @app.task("mail")
    async def mail(ctx: Context, to: str) -> None: ...

    def succeeds(ctx: Context) -> None:
        ctx.enqueue(mail, to="a")

    def fails(ctx: Context) -> None:
        ctx.enqueue(mail, to="a")
        raise ValueError

    done, failed = await run(succeeds), await run(fails)

    assert [task.payload for task in done.follow_ups] == ['{"action":"mail","data":{"to":"a"}}']
    assert isinstance(failed, Failed)


async def test_a_handler_that_breaks_its_context_has_failed(run: Run) -> None:
    def body(ctx: Context) -> None:
        ctx._transaction = 7  # type: ignore[assignment] - that is the fault

    outcome = await run(body)

    assert isinstance(outcome, Failed)
    assert outcome.error.startswith("its context is broken: AttributeError: 'int' object")


async def test_context_variables_reach_the_handler_and_do_not_come_back(run: Run) -> None:
    request_id: ContextVar[str] = ContextVar("request_id", default="none")
    request_id.set("outer")

    def body(ctx: Context) -> str:
        seen = request_id.get()
        request_id.set("inner")
        return seen

    with structlog.contextvars.bound_contextvars(consumer="c1"):
        outcome = await run(body)
        bound = await run(lambda ctx: structlog.contextvars.get_contextvars())

    assert outcome == Succeeded(result='"outer"')
    assert bound == Succeeded(result='{"consumer":"c1"}')
    assert request_id.get() == "outer"


async def test_the_log_of_a_handler_names_its_task(run: Run) -> None:
    def body(ctx: Context) -> str:
        ctx.log.info("resizing", width=3)
        return ctx.task.id

    with structlog.testing.capture_logs() as lines:
        outcome = await run(body)

    assert lines == [
        {
            "event": "resizing",
            "log_level": "info",
            "width": 3,
            "task_id": outcome.result.strip('"'),
            "action": "work",
            "attempt": 1,
        }
    ]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ('{"action": "work", "data": {"a": 1}}', "data.a: unknown; the handler takes no data"),
        ("[]", "payload: Expected `object`, got `array`"),
    ],
)
async def test_data_that_does_not_fit_any_more_is_rejected(
    executors: Mapping[ExecutorKind, Executor], payload: str, reason: str
) -> None:
    app = App()

    @app.task("work")
    async def work(ctx: Context) -> None: ...

    task = claimed(NewTask(id="a", action="work", payload=payload))

    assert await attempt(app, task, executors) == Rejected(reason=reason)


class _Picky(msgspec.Struct):
    """Data of a type that raises what it is told to."""

    how: str

    def __post_init__(self) -> None:
        match self.how:
            case "not storable":
                raise ValueError("half \ud800 and \0" + "x" * 5_000)
            case "exits":
                raise SystemExit(3)
            case name:
                raise odd.ERRORS[name]()


@pytest.mark.parametrize("how", ["not storable", "exits", "NoText", "TextExits", "ClassFails"])
async def test_data_of_a_type_that_raises_is_rejected(
    executors: Mapping[ExecutorKind, Executor], how: str
) -> None:
    app = App()

    @app.task("work")
    async def work(ctx: Context, picky: _Picky) -> None: ...

    data = msgspec.json.encode({"picky": {"how": how}}).decode()
    payload = f'{{"action": "work", "data": {data}}}'
    task = claimed(NewTask(id="a", action="work", payload=payload))

    outcome = await attempt(app, task, executors)

    assert isinstance(outcome, Rejected)
    assert outcome.reason.startswith("data.picky")
    assert msgspec.json.encode(outcome)
    assert len(outcome.reason.encode()) <= MAX_ERROR


async def test_a_task_whose_handler_is_gone_fails_because_another_release_may_know_it(
    executors: Mapping[ExecutorKind, Executor],
) -> None:
    task = claimed(NewTask(id="a", action="gone", payload='{"action": "gone", "data": {}}'))

    assert await attempt(App(), task, executors) == Failed(
        error="unknown action 'gone'; this app knows: none"
    )


async def test_a_handler_that_cannot_take_the_call_fails_with_our_frames_left_out(
    run: Run,
) -> None:
    outcome = await run(lambda: 1)  # type: ignore[arg-type,misc]

    assert outcome.error.startswith("TypeError: ")
    assert "executors/" not in outcome.traceback.replace(__file__, "")


def test_the_examples_in_the_docstrings_are_true() -> None:
    result = doctest.testmod(outcome_module)

    assert result.attempted > 0
    assert result.failed == 0
