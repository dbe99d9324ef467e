"""An app checks its handlers when they are registered and its tasks when they are made."""

import asyncio
import doctest
import inspect
import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

import taskqueue
from taskqueue import (
    Acceptance,
    Accepted,
    App,
    Context,
    InvalidTask,
    KeyConflict,
    NewTask,
    NotRunning,
    Retries,
    TaskTooLarge,
    UnknownAction,
)
from taskqueue.api.demo import demo_app
from taskqueue.api.handler import ExecutorKind
from taskqueue.api.outcomes import Cancel, Reject, Retry, Snooze
from taskqueue.errors import ConfigError
from taskqueue.rules import options as options_module
from taskqueue.rules.options import Options
from taskqueue.rules.tasks import Payload
from taskqueue.testing.claims import claimed

NOW = 1_000.0


class StoppedClock:
    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return NOW


class Service:
    """Remembers what was enqueued."""

    def __init__(self) -> None:
        self.tasks: list[NewTask] = []

    async def enqueue(self, tasks: Sequence[NewTask]) -> tuple[Accepted, ...]:
        self.tasks.extend(tasks)
        return tuple(Accepted(id=task.id, acceptance=Acceptance.ACCEPTED) for task in tasks)


app = App(clock=StoppedClock())


@app.task("resize", max_attempts=3, queue="images", priority=7, timeout_s=2)
async def resize(ctx: Context, url: str, width: int = 800) -> dict[str, int]:
    return {"width": width}


@app.task("echo")
def echo(ctx: Context, /, **data: Any) -> dict[str, Any]:
    return data


def faults_of(make: Callable[[], object], error: type[Exception] = InvalidTask) -> list[str]:
    with pytest.raises(error) as caught:
        make()
    assert isinstance(caught.value, InvalidTask | ConfigError)
    return [str(fault) for fault in caught.value.faults]


# --- registering ---------------------------------------------------------------------------------


def test_an_async_def_runs_on_the_loop_and_a_def_in_a_thread() -> None:
    assert app.handler("resize").executor is ExecutorKind.LOOP
    assert app.handler("echo").executor is ExecutorKind.THREAD


@pytest.mark.parametrize("executor", ["loop", "process"])
def test_an_async_def_runs_where_it_is_told_to(executor: Any) -> None:
    mine = App()

    @mine.task("a", executor=executor, timeout_s=1)
    async def handler(ctx: Context) -> None: ...

    assert mine.handler("a").executor == executor
    assert mine.needs_processes == (executor == "process")


def test_a_def_in_a_process_may_have_a_limit() -> None:
    mine = App()

    @mine.task("a", executor="process", timeout_s=1)
    def handler(ctx: Context) -> None: ...

    assert mine.handler("a").executor is ExecutorKind.PROCESS
    assert mine.handler("a").timeout_s == 1


@pytest.mark.parametrize(
    ("executor", "fault"),
    [
        ("thread", "an `async def` runs on the loop; make the handler a `def`"),
        ("proces", "must be one of loop, thread, process, not 'proces'"),
    ],
)
def test_an_async_def_is_refused_where_it_cannot_run(executor: Any, fault: str) -> None:
    def register() -> None:
        @App().task("a", executor=executor)
        async def handler(ctx: Context) -> None: ...

    assert faults_of(register, ConfigError) == [f"task 'a', executor: {fault}"]


def test_a_def_is_refused_on_the_loop() -> None:
    def register() -> None:
        @App().task("a", executor="loop")
        def handler(ctx: Context) -> None: ...

    assert faults_of(register, ConfigError) == [
        "task 'a', executor: a `def` would block the loop; make the handler `async def`"
    ]


def test_an_action_stays_a_function_that_can_be_called() -> None:
    ctx = Context(claimed(resize.prepare(url="a")))

    assert asyncio.run(resize(ctx, "a", width=3)) == {"width": 3}


def test_a_registration_is_refused_with_every_fault_at_once() -> None:
    def register() -> None:
        @App().task("", queue="", priority=-1, max_attempts=0, timeout_s=float("nan"))
        def handler(url, ctx, *args) -> None: ...  # type: ignore[no-untyped-def]

    assert faults_of(register, ConfigError) == [
        "task '', action: must be 1 to 128 printable characters",
        "task '', queue: must be 1 to 128 printable characters",
        "task '', priority: must be a whole number from 0 to 255",
        "task '', max_attempts: must be a whole number from 1 to 32767",
        "task '', timeout_s: must be a number of seconds, or 0 for no limit",
        (
            "task '', timeout_s: a thread cannot be stopped; "
            'give it executor="process", or make it `async def`'
        ),
        "task '', ctx: the context must be the first parameter, `ctx: Context`",
        "task '', *args: data has names, not positions",
    ]


def test_an_action_is_registered_once() -> None:
    def register_twice() -> None:
        @app.task("resize")
        async def another(ctx: Context) -> None: ...

    before = app.handler("resize")

    assert faults_of(register_twice, ConfigError) == [
        "task 'resize', action: is registered already"
    ]
    assert app.handler("resize") is before


@pytest.mark.parametrize("timeout_s", [-1, float("inf"), float("nan"), True, False, "1"])
def test_a_timeout_is_a_number_of_seconds(timeout_s: Any) -> None:
    def register() -> None:
        @App().task("a", timeout_s=timeout_s)
        async def handler(ctx: Context) -> None: ...

    assert faults_of(register, ConfigError) == [
        "task 'a', timeout_s: must be a number of seconds, or 0 for no limit"
    ]


@pytest.mark.parametrize(
    ("executor", "own_s", "limit_s"),
    [
        (None, None, 9.0),
        (None, 2, 2.0),
        (None, 0, None),
        ("process", None, 9.0),
        ("process", 0, None),
    ],
)
def test_an_action_overrides_the_usual_time_limit(
    executor: Any, own_s: float | None, limit_s: float | None
) -> None:
    mine = App()

    @mine.task("a", executor=executor, timeout_s=own_s)
    async def handler() -> None: ...

    assert mine.handler("a").limit_s(9.0) == limit_s
    assert mine.handler("a").limit_s(0.0) == (own_s or None)


def test_no_limit_holds_for_a_thread() -> None:
    mine = App()

    @mine.task("a", timeout_s=0)
    def handler() -> None: ...

    assert mine.handler("a").limit_s(9.0) is None


def test_an_action_has_the_name_of_its_function_unless_it_gets_one() -> None:
    mine = App()

    @mine.task
    async def greet(name: str) -> str:
        return f"Hello, {name}!"

    @mine.task(max_attempts=1)
    def resize(ctx: Context, width: int) -> int:
        return ctx.attempt * width

    assert mine.actions == ("greet", "resize")
    assert mine.handler("resize").defaults.max_attempts == 1
    assert asyncio.run(greet("Ada")) == "Hello, Ada!"
    assert resize(Context(claimed(resize.prepare(3))), 3) == 3
    assert greet.prepare("Ada").payload == '{"action":"greet","data":{"name":"Ada"}}'


def test_a_rule_about_retries_that_cannot_be_is_refused_with_every_fault() -> None:
    rule = Retries(
        initial_s=0,
        factor=0.5,
        max_s=-1,
        jitter=2,
        never_on=(ValueError, "x"),  # type: ignore[arg-type]
        only_on=int,  # type: ignore[arg-type]
        wait_s=3,  # type: ignore[arg-type]
    )

    def register() -> None:
        App().task("a", retries=rule)(lambda: None)

    assert faults_of(register, ConfigError) == [
        "task 'a', retries.initial_s: must be a number of seconds above 0",
        "task 'a', retries.max_s: must be a number of seconds above 0",
        "task 'a', retries.factor: must be a number from 1 to 100",
        "task 'a', retries.jitter: must be a number from 0 to 1",
        "task 'a', retries.never_on: must be exception classes",
        "task 'a', retries.only_on: must be exception classes",
        "task 'a', retries.wait_s: must be a function of an exception and an attempt",
    ]


def test_a_rule_about_retries_has_its_type_and_its_waits_in_order() -> None:
    def of_wrong_type() -> None:
        App().task("a", retries=3)(lambda: None)  # type: ignore[call-overload]

    def in_wrong_order() -> None:
        App().task("a", retries=Retries(initial_s=60, max_s=5))(lambda: None)

    assert faults_of(of_wrong_type, ConfigError) == ["task 'a', retries: must be Retries(…)"]
    assert faults_of(in_wrong_order, ConfigError) == [
        "task 'a', retries.initial_s: must be at most max_s, which is 5"
    ]
    App().task("a", retries=Retries(jitter=Decimal(0), initial_s=Decimal(3)))(lambda: None)  # type: ignore[arg-type]


def test_a_predicate_is_warned_of_until_it_says_what_false_means() -> None:
    mine = App()

    with pytest.warns(UserWarning, match="'is_there' returns `bool`: .*false_is_failure=False"):

        @mine.task
        async def is_there() -> bool:
            return False

    with warnings.catch_warnings():
        warnings.simplefilter("error")

        @mine.task
        async def may_decline() -> bool | None:
            return False

        @mine.task(false_is_failure=True)
        async def must_be_there() -> bool:
            return False

        @mine.task(false_is_failure=False)
        async def look() -> bool:
            return False

    failing = [name for name in mine.actions if mine.handler(name).false_is_failure]
    assert failing == ["is_there", "may_decline", "must_be_there"]


def test_there_is_one_default_handler() -> None:
    mine = App()

    @mine.default
    async def first(ctx: Context, data: dict[str, Any]) -> None: ...

    def again() -> None:
        @mine.default
        async def second(ctx: Context, data: dict[str, Any]) -> None: ...

    assert faults_of(again, ConfigError) == ["default, handler: is registered already"]
    assert mine.handler("whatever").function is first


def test_a_default_handler_takes_the_data_as_one() -> None:
    def register() -> None:
        @App().default
        async def handler(ctx: Context) -> None: ...

    assert faults_of(register, ConfigError) == [
        "default, data: must be the one parameter beside ctx"
    ]


# --- preparing -----------------------------------------------------------------------------------


def test_a_task_carries_its_data_byte_for_byte() -> None:
    data = '{ "url" : "\\u0061ä",\n"width": 8.0 }'

    task = app.prepare("resize", data.encode())

    assert task.payload == f'{{"action":"resize","data":{data}}}'
    assert app.handler("resize").bind(task.payload) == {"url": "aä", "width": 8}


def test_data_may_be_raw_json() -> None:
    assert app.prepare("echo", msgspec.Raw(b'{"a":1}')).payload.endswith('{"a":1}}')


@pytest.mark.parametrize("absent", [None, b"", msgspec.Raw()])
def test_absent_data_is_an_empty_object(absent: bytes | msgspec.Raw | None) -> None:
    assert app.prepare("echo", absent).payload == '{"action":"echo","data":{}}'


def test_a_task_has_the_options_of_its_action() -> None:
    task = app.prepare("resize", b'{"url": "a"}')

    assert (task.queue, task.priority, task.max_attempts, task.run_at) == ("images", 7, 3, None)


def test_options_of_a_call_come_before_those_of_the_action() -> None:
    task = app.prepare("resize", b'{"url": "a"}', options=Options(priority=0, run_at=5.0))

    assert (task.queue, task.priority, task.max_attempts, task.run_at) == ("images", 0, 3, 5.0)


def test_a_delay_counts_from_now() -> None:
    assert app.prepare("echo", options=Options(delay_s=5)).run_at == NOW + 5


def test_the_same_call_under_a_key_has_the_same_fingerprint_later_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = Options(unique_key="k", delay_s=5)
    first = app.prepare("echo", b'{"a": 1}', options=options)
    monkeypatch.setattr(StoppedClock, "now", lambda _: NOW + 60)

    again = app.prepare("echo", b'{"a": 1}', options=options)

    assert first.unique_key == again.unique_key == "k"
    assert first.fingerprint == again.fingerprint is not None
    assert (first.id, first.run_at) != (again.id, again.run_at)


@pytest.mark.parametrize(
    ("action", "data", "options"),
    [
        ("resize", b'{"url": "a"}', Options(unique_key="k")),
        ("echo", b'{"url": "b"}', Options(unique_key="k")),
        ("echo", b'{"url": "a"}', Options(unique_key="k", priority=0)),
        ("echo", b'{"url": "a"}', Options(unique_key="k", delay_s=1)),
    ],
)
def test_another_call_under_the_same_key_has_another_fingerprint(
    action: str, data: bytes, options: Options
) -> None:
    first = app.prepare("echo", b'{"url": "a"}', options=Options(unique_key="k"))

    other = app.prepare(action, data, options=options)

    assert other.fingerprint not in (first.fingerprint, None)


def test_without_a_key_there_is_no_fingerprint() -> None:
    assert app.prepare("echo", options=Options(priority=1)).fingerprint is None


def test_faults_of_the_options_and_of_the_data_are_named_together() -> None:
    options = Options(
        queue="two\nlines",
        priority=True,
        max_attempts=0,
        delay_s=float("nan"),
        run_at=float("inf"),
    )

    assert faults_of(lambda: app.prepare("resize", b'{"width": "8"}', options=options)) == [
        "queue: must be 1 to 128 printable characters",
        "priority: must be a whole number from 0 to 255",
        "max_attempts: must be a whole number from 1 to 32767",
        "delay_s: must be a number of seconds, from 0 to 100 years",
        "run_at: must be seconds since 1970 (UTC), before the year 10000",
        "run_at: stands beside delay_s; give one of them",
        "data.url: required",
        "data.width: Expected `int`, got `str`",
    ]


@pytest.mark.parametrize("priority", [1.5, "1", -1, 2**200, float("nan")])
def test_a_priority_is_a_whole_number(priority: Any) -> None:
    assert len(faults_of(lambda: app.prepare("echo", options=Options(priority=priority)))) == 1


@pytest.mark.parametrize("delay_s", [-0.1, "1", 10**400, True])
def test_a_delay_is_a_number_of_seconds(delay_s: Any) -> None:
    assert len(faults_of(lambda: app.prepare("echo", options=Options(delay_s=delay_s)))) == 1


def test_an_unknown_action_is_told_what_there_is() -> None:
    with pytest.raises(UnknownAction) as caught:
        app.prepare("risize")

    assert (caught.value.action, caught.value.known) == ("risize", ("resize", "echo"))


@pytest.mark.parametrize("action", ["", "two\nlines", "\ud800", "x" * 129])
def test_a_default_handler_still_wants_a_name(action: str) -> None:
    assert faults_of(lambda: demo_app().prepare(action)) == [
        "action: must be 1 to 128 printable characters"
    ]


def test_a_payload_may_have_exactly_one_mebibyte() -> None:
    frame = len('{"action":"echo","data":{"a":""}}')
    fits = b'{"a":"%s"}' % (b"x" * ((1 << 20) - frame))

    assert len(app.prepare("echo", fits).payload) == 1 << 20
    with pytest.raises(TaskTooLarge) as caught:
        app.prepare("echo", fits.replace(b"x", b"xx", 1))
    assert (caught.value.what, caught.value.size, caught.value.limit) == (
        "payload",
        (1 << 20) + 1,
        1 << 20,
    )


def test_text_that_is_not_utf8_is_refused_even_where_nobody_reads_it() -> None:
    mine = App()

    @mine.task("keep")
    async def keep(ctx: Context, blob: msgspec.Raw) -> None: ...

    assert faults_of(lambda: mine.prepare("keep", b'{"blob": "\xff"}')) == ["data: is not UTF-8"]


def test_data_cannot_break_out_of_the_payload() -> None:
    assert faults_of(lambda: app.prepare("echo", b'{}, "action": "resize"'))


# --- enqueueing ----------------------------------------------------------------------------------


async def test_what_is_enqueued_reaches_the_service_as_it_was_prepared() -> None:
    service = Service()
    app.attach(service)

    task_id = await resize.with_options(delay_s=5, priority=1).enqueue("a", width=4)

    app.detach()
    [task] = service.tasks
    assert task == NewTask(
        id=task_id,
        action="resize",
        payload='{"action":"resize","data":{"url":"a","width":4}}',
        queue="images",
        priority=1,
        run_at=NOW + 5,
        max_attempts=3,
    )


def test_a_queue_that_nobody_serves_is_refused() -> None:
    assert app.queues == ("default", "images")

    assert faults_of(lambda: resize.with_options(queue="imags").prepare("a")) == [
        "queue: no consumer serves 'imags'; served are default, images",
    ]
    assert resize.with_options(queue="default").prepare("a").queue == "default"


async def test_options_add_up_and_leave_the_action_as_it_was() -> None:
    both = resize.with_options(priority=1).with_options(max_attempts=9)

    assert both.prepare("a").priority == 1
    assert both.prepare("a").max_attempts == 9
    assert resize.prepare("a").priority == 7


async def test_without_a_service_nothing_is_enqueued() -> None:
    service = Service()
    app.attach(service)
    app.detach()

    with pytest.raises(NotRunning, match="not enqueued: echo; no service runs in this process"):
        await echo.enqueue(a=1)
    assert service.tasks == []


# --- unique keys ----------------------------------------------------------------------------------


class Scripted:
    """Answers what it was told to."""

    def __init__(self, *answers: Accepted) -> None:
        self.answers = answers

    async def enqueue(self, tasks: Sequence[NewTask]) -> tuple[Accepted, ...]:
        return self.answers


def test_a_key_that_cannot_be_is_refused() -> None:
    for key in ("", "two\nlines", "x" * 256):
        faults = faults_of(lambda key=key: resize.with_options(unique_key=key).prepare("a"))
        assert faults == ["unique_key: must be 1 to 255 printable characters"]
    assert resize.with_options(unique_key="x" * 255).prepare("a").unique_key == "x" * 255


async def test_a_repeated_request_is_answered_with_the_id_of_the_task_that_is_there() -> None:
    mine = App()
    mine.attach(
        Scripted(
            Accepted(id="there", acceptance=Acceptance.REPEATED),
            Accepted(id="new", acceptance=Acceptance.ACCEPTED),
        )
    )

    ids = await mine.enqueue(echo.with_options(unique_key="k").prepare(), echo.prepare())

    assert ids == ("there", "new")


async def test_a_conflict_names_the_key_and_the_task_that_has_it() -> None:
    mine = App()
    mine.attach(
        Scripted(
            Accepted(id="new", acceptance=Acceptance.ACCEPTED),
            Accepted(id="there", acceptance=Acceptance.CONFLICT),
        )
    )

    with pytest.raises(KeyConflict, match="'k' belongs to task there") as caught:
        await mine.enqueue(echo.prepare(), echo.with_options(unique_key="k").prepare())

    assert caught.value.keys == {"k": "there"}


def test_arguments_that_do_not_fit_are_named() -> None:
    assert faults_of(lambda: resize.prepare(widht=1)) == [  # type: ignore[call-arg]
        "data.url: required",
        "data.widht: unknown; the handler takes url, width",
    ]


def test_arguments_without_a_json_form_are_named() -> None:
    loop: list[Any] = []
    loop.append(loop)

    assert faults_of(lambda: echo.prepare(a=1, b=object(), c="\ud800", d=loop)) == [
        "data.b: Encoding objects of type object is unsupported",
        "data.c: contains half of a surrogate pair, which is no text",
        "data.d: is nested too deeply, or contains itself",
    ]


def test_a_parameter_may_have_any_name() -> None:
    mine = App()

    @mine.task("odd")
    async def odd(ctx: Context, self: int, action: str, args: int, kwargs: int) -> None: ...

    ctx = Context(claimed(odd.prepare(self=1, action="a", args=2, kwargs=3)))

    ctx.enqueue(odd, self=1, action="a", args=2, kwargs=3)
    assert mine.handler("odd").bind(ctx.follow_ups[0].payload) == {
        "self": 1,
        "action": "a",
        "args": 2,
        "kwargs": 3,
    }


# --- binding, after a deploy ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        ('{"action": "resize", "data": {"uri": "a"}}', "data.url: required"),
        ('{"action": "resize"}', "payload: Object missing required field `data`"),
        ("{]", "payload: JSON is malformed: object keys must be strings (byte 1)"),
        ("", "payload: Input data was truncated"),
    ],
)
def test_a_stored_payload_that_does_not_fit_any_more_is_named(payload: str, fault: str) -> None:
    assert faults_of(lambda: app.handler("resize").bind(payload))[0] == fault


# --- the context ---------------------------------------------------------------------------------


def test_the_idempotency_key_is_the_same_for_each_attempt_and_no_other_task() -> None:
    task, other = resize.prepare("a"), resize.prepare("a")

    first, second = Context(claimed(task, attempt=1)), Context(claimed(task, attempt=2))

    assert (first.attempt, second.attempt) == (1, 2)
    assert first.idempotency_key == second.idempotency_key
    assert first.idempotency_key != Context(claimed(other)).idempotency_key


def test_follow_ups_are_gathered_in_order() -> None:
    ctx = Context(claimed(resize.prepare("a")))

    ids = [
        ctx.enqueue(echo, text="b"),
        ctx.enqueue(resize.with_options(delay_s=60), url="c"),
    ]

    assert [task.id for task in ctx.follow_ups] == ids
    assert [msgspec.json.decode(task.payload, type=Payload).action for task in ctx.follow_ups] == [
        "echo",
        "resize",
    ]
    assert ctx.follow_ups[1].run_at == NOW + 60
    assert {task.parent for task in ctx.follow_ups} == {ctx.task.id}


def test_a_follow_up_that_does_not_fit_is_refused_at_once() -> None:
    ctx = Context(claimed(resize.prepare("a")))

    with pytest.raises(InvalidTask, match=r"data\.url: required"):
        ctx.enqueue(resize)  # type: ignore[call-arg]
    assert ctx.follow_ups == ()


# --- verdicts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_a_verdict_wants_a_time_that_can_be(seconds: float) -> None:
    with pytest.raises(ValueError, match="must be a number of seconds, from 0 to 100 years"):
        Retry(after_s=seconds)
    with pytest.raises(ValueError, match="must be a number of seconds, from 0 to 100 years"):
        Snooze(seconds)


def test_a_verdict_reads_as_its_reason() -> None:
    assert str(Retry(1, "busy")) == "busy"
    assert str(Reject("no such user")) == "no such user"
    assert str(Cancel()) == "cancelled by its handler"


# --- the demo ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "data", "result"),
    [
        ("uppercase", {"text": "hi"}, {"output": "HI"}),
        ("uppercase", {}, {"output": ""}),
        ("sum", {"numbers": [1, 2, 3]}, {"output": 6}),
        ("sum", {"numbers": [1.5, 2]}, {"output": 3.5}),
        ("sum", {}, {"output": 0}),
        ("anything", {"a": [1]}, {"output": "processed"}),
    ],
)
async def test_the_demo_answers_as_the_tutorial_says(
    action: str, data: dict[str, Any], result: dict[str, Any]
) -> None:
    demo = demo_app(work_s=0)
    task = demo.prepare(action, json.dumps(data).encode())
    handler = demo.handler(action)

    answer = await handler.function(Context(claimed(task)), **handler.bind(task.payload))

    assert answer == result
    assert type(answer["output"]) is type(result["output"])


# --- the package ---------------------------------------------------------------------------------


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import taskqueue, sys; print(*sys.modules)"

    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()

    assert "taskqueue" in loaded
    assert not {"asyncio", "inspect", "msgspec", "structlog", "taskqueue.errors"} & set(loaded)


def test_every_public_name_is_there_and_no_other() -> None:
    classes = {name for name in taskqueue.__all__ if inspect.isclass(getattr(taskqueue, name))}

    others = {"CallNext", "QUEUE_KEY", "every", "queue_context", "queue_lifespan"}
    assert {*taskqueue.__all__} - classes == others
    assert set(taskqueue.__all__) <= set(dir(taskqueue))
    with pytest.raises(AttributeError, match="module 'taskqueue' has no attribute 'Task_'"):
        taskqueue.Task_  # noqa: B018


def test_the_examples_in_the_docstrings_are_true() -> None:
    result = doctest.testmod(options_module)

    assert result.attempted > 0
    assert result.failed == 0
