"""Values of user code as built-in types."""

import doctest
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from taskqueue import App, Context
from taskqueue.errors import ConfigError, InvalidTask
from taskqueue.foreign import conversion as plain
from taskqueue.foreign import rendering
from taskqueue.foreign.rendering import type_name
from taskqueue.rules import encoding
from taskqueue.rules.options import Options
from taskqueue.testing.claims import claimed
from tests.executors import odd


@pytest.mark.parametrize("name", odd.DELAYS)
def test_a_number_of_any_type_is_a_float(name: str) -> None:
    number = plain.number(odd.DELAYS[name]())

    assert (type(number), number) == (float, 2.0)


@pytest.mark.parametrize(
    "value", [True, "2", b"2", None, 2j, [2], object(), 10**400], ids=type_name
)
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be a number, not "):
        plain.number(value)


@pytest.mark.parametrize("value", [2, odd.Int(2), odd.Int64(2), odd.Level.HIGH], ids=type_name)
def test_a_whole_number_of_any_type_is_an_int(value: object) -> None:
    number = plain.integer(value)

    assert (type(number), number) == (int, 2)


@pytest.mark.parametrize(
    "value", [True, 2.0, odd.Float32(2.0), Decimal(2), "2", None], ids=type_name
)
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be a whole number, not "):
        plain.integer(value)


@pytest.mark.parametrize(
    ("value", "same"),
    [
        (None, None),
        (True, True),
        (odd.Int(7), 7),
        (odd.Float(1.5), 1.5),
        (odd.OwnText("a"), "a"),
        (type("Bytes", (bytes,), {})(b"a"), b"a"),
        (odd.Int64(7), 7),
        (odd.Float32(0.5), 0.5),
        (odd.Bool(False), False),
    ],
    ids=type_name,
)
def test_a_scalar_of_any_type_is_one_of_its_base(value: object, same: object) -> None:
    scalar = plain.scalar(value)

    assert (type(scalar), scalar) == (type(same), same)


@pytest.mark.parametrize("value", [Decimal("0.1"), 1j, [1], object(), odd.NoText()], ids=type_name)
def test_what_is_no_scalar_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="must be an integer, a float, text, bytes or None"):
        plain.scalar(value)


def test_an_array_is_no_scalar_though_it_has_an_item() -> None:
    class Array:
        ndim = 1

        def item(self) -> int:
            return 1

    with pytest.raises(ValueError, match="must be an integer"):
        plain.scalar(Array())


# --- where they enter -----------------------------------------------------------------------------


def refusal_of(act: Callable[[], object]) -> list[str]:
    with pytest.raises((InvalidTask, ConfigError)) as caught:
        act()
    return [str(fault) for fault in caught.value.faults]


@pytest.fixture
def app() -> App:
    app = App()

    @app.task("work")
    async def work(ctx: Context, x: Any = None, y: Any = None) -> None: ...

    return app


def test_data_without_a_json_form_is_refused_by_name(app: App) -> None:
    action = app.task("typed")(_typed)

    faults = refusal_of(lambda: action.prepare(x=float("nan"), y=[odd.Float32(float("inf"))]))

    assert faults == [
        "data.x: contains nan, for which JSON has no word",
        "data.y: contains inf, for which JSON has no word",
    ]


async def _typed(ctx: Context, x: Any, y: Any = None) -> None: ...


def test_options_of_other_types_are_converted_and_a_fault_names_those_that_cannot_be(
    app: App,
) -> None:
    good: Any = Options(delay_s=Decimal(2), max_attempts=odd.Int64(2), queue=odd.OwnText("default"))
    bad: Any = Options(delay_s=Decimal("NaN"), priority=True, max_attempts="2", unique_key=b"k")

    task = app.prepare("work", options=good)
    faults = refusal_of(lambda: app.prepare("work", options=bad))

    assert (task.max_attempts, type(task.max_attempts), type(task.queue)) == (2, int, str)
    assert type(task.run_at) is float
    assert [fault.partition(":")[0] for fault in faults] == [
        "priority",
        "max_attempts",
        "delay_s",
        "unique_key",
    ]


def test_the_same_call_has_the_same_fingerprint_whatever_the_types(app: App) -> None:
    other: Any = Options(delay_s=odd.Float32(2.0), unique_key=odd.OwnText("k"))

    tasks = [
        app.prepare("work", options=options)
        for options in (other, Options(delay_s=2.0, unique_key="k"))
    ]

    assert tasks[0].fingerprint == tasks[1].fingerprint


def test_a_limit_of_another_number_type_is_a_float() -> None:
    app = App()
    limit: Any = Decimal("0.5")

    app.task("work", timeout_s=limit)(_typed)

    assert (app.handler("work").timeout_s, type(app.handler("work").timeout_s)) == (0.5, float)


@pytest.mark.parametrize("task", [None, "id", object(), odd.Int(1)], ids=type_name)
async def test_what_is_no_prepared_task_is_refused_before_it_is_sent(app: App, task: Any) -> None:
    class Action:
        def prepare(self) -> Any:
            return task

    context = Context(claimed(app.prepare("work")))

    with pytest.raises(TypeError, match="must be a task that an action has prepared"):
        await app.enqueue(task)
    with pytest.raises(TypeError, match="must be a task that an action has prepared"):
        context.enqueue(Action())
    assert context.follow_ups == ()


def test_a_fault_of_data_can_be_encoded_whatever_its_type_raises(app: App) -> None:
    def refuse(self: object) -> None:
        raise ValueError("half \ud800 and \0")

    kind = msgspec.defstruct("Kind", [], namespace={"__post_init__": refuse})

    async def typed(ctx: Context, x: Any) -> None: ...

    typed.__annotations__["x"] = kind
    app.task("strict")(typed)

    [fault] = refusal_of(lambda: app.prepare("strict", b'{"x": {}}'))

    assert fault == r"data.x: half \ud800 and \x00"


@pytest.mark.parametrize("name", odd.NO_RESULTS)
def test_no_value_fails_to_encode_in_a_way_of_its_own(name: str) -> None:
    value = odd.NO_RESULTS[name][0]()

    with pytest.raises((encoding.NotJSON, SystemExit)):
        encoding.json_of("result", value, encoding.encode(value))


def test_the_examples_in_the_docstrings_are_true() -> None:
    result = doctest.testmod(rendering)

    assert result.attempted > 0
    assert result.failed == 0
