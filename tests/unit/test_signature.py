"""Data is checked against the handler's signature, with every fault named at once."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskqueue.api.context import Context
from taskqueue.api.signature import AtOnce, arguments_by_name, signature_of, whole_signature_of
from taskqueue.errors import ConfigError, InvalidTask


class Size(Enum):
    SMALL = "small"


@dataclass
class Point:
    x: int
    y: float = 0.0


class Box(msgspec.Struct):
    corner: Point


async def resize(ctx: Context, url: str, width: int = 800, *, note: str | None = None) -> None: ...


def faults_of(function: Callable[..., Any], data: bytes) -> list[str]:
    with pytest.raises(InvalidTask) as caught:
        signature_of(function).bind(data)
    return [str(fault) for fault in caught.value.faults]


def refusals_of(function: Callable[..., Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        signature_of(function)
    return [str(fault) for fault in caught.value.faults]


def test_data_becomes_keyword_arguments_and_defaults_stay_the_functions_own() -> None:
    signature = signature_of(resize)

    assert signature.bind(b'{"url": "a"}') == {"url": "a"}
    assert signature.bind(b'{"note": null, "width": 1, "url": "a"}') == {
        "url": "a",
        "width": 1,
        "note": None,
    }


def test_all_faults_are_named_at_once() -> None:
    found = faults_of(resize, b'{"width": "wide", "hight": 1}')

    assert found == [
        "data.url: required",
        "data.width: Expected `int`, got `str`",
        "data.hight: unknown; the handler takes url, width, note",
    ]


def test_a_fault_deep_in_the_data_is_named_with_its_path() -> None:
    async def place(ctx: Context, boxes: list[Box]) -> None: ...

    found = faults_of(place, b'{"boxes": [{"corner": {"x": 1}}, {"corner": {"x": "1"}}]}')

    assert found == ["data.boxes[1].corner.x: Expected `int`, got `str`"]


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (datetime, '"2026-01-02T03:04:05Z"', datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (UUID, f'"{UUID(int=7)}"', UUID(int=7)),
        (Size, '"small"', Size.SMALL),
        (Point, '{"x": 1, "y": 2}', Point(1, 2.0)),
        (Box, '{"corner": {"x": 1}}', Box(Point(1))),
        (dict[int, str], '{"1": "a"}', {1: "a"}),
        (bytes, '"aGk="', b"hi"),
        (Any, "[1.0]", [1.0]),
        (object, "[1.0]", [1.0]),
        (Annotated[int, msgspec.Meta(gt=0)], "1", 1),
    ],
)
def test_values_arrive_as_the_annotated_type(annotation: Any, text: str, value: object) -> None:
    async def handler(ctx: Context, it: annotation) -> None: ...

    [bound] = signature_of(handler).bind(f'{{"it": {text}}}'.encode()).values()

    assert (type(bound), bound) == (type(value), value)


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (int, "8.0", 8),
        (list[int], "[1, 2.0, 3e2]", [1, 2, 300]),
        (dict[int, int], '{"1": 2.0}', {1: 2}),
        (Box, '{"corner": {"x": 1.0, "y": 2.0}}', Box(Point(1, 2.0))),
        (float, "8", 8.0),
    ],
)
def test_a_whole_number_may_be_written_with_a_point(
    annotation: Any, text: str, value: object
) -> None:
    async def handler(ctx: Context, it: annotation) -> None: ...

    assert signature_of(handler).bind(f'{{"it": {text}}}'.encode()) == {"it": value}


@pytest.mark.parametrize("text", ["8.5", '"8"', "true", "null", "1e300", "NaN", "[8]"])
def test_what_is_no_whole_number_is_none_with_a_point_either(text: str) -> None:
    async def handler(ctx: Context, it: int) -> None: ...

    assert len(faults_of(handler, f'{{"it": {text}}}'.encode())) == 1


def test_the_message_speaks_of_what_was_sent() -> None:
    async def handler(ctx: Context, it: str) -> None: ...

    assert faults_of(handler, b'{"it": 8.0}') == ["data.it: Expected `str`, got `float`"]


def test_an_unannotated_parameter_takes_anything() -> None:
    async def handler(ctx, it) -> None: ...  # type: ignore[no-untyped-def]

    assert signature_of(handler).bind(b'{"it": {"a": [null]}}') == {"it": {"a": [None]}}


def test_double_star_takes_the_other_keys_as_its_type() -> None:
    async def handler(ctx: Context, /, first: str, **others: int) -> None: ...

    assert signature_of(handler).bind(b'{"first": "a", "b c": 2}') == {"first": "a", "b c": 2}
    assert faults_of(handler, b'{"first": "a", "b": "2"}') == ["data.b: Expected `int`, got `str`"]


def test_double_star_does_not_take_a_second_context() -> None:
    async def handler(ctx: Context, **others: int) -> None: ...

    assert faults_of(handler, b'{"ctx": 1}') == ["data.ctx: unknown; the handler takes no data"]


@pytest.mark.parametrize("text", ["[]", "null", "3", '"{}"'])
def test_data_must_be_an_object(text: str) -> None:
    assert faults_of(resize, text.encode()) == ["data: must be an object"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"url": "a"} {}',
        b'{"url": "\xff"}',
        rb'{"url": "\ud800 and more text"}',
        b'{"url": NaN}',
        b'{"url":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 100_000,
        b'{"width": ' + b"9" * 5_000 + b', "url": "a"}',
    ],
)
def test_no_text_however_broken_raises_anything_but_invalid_task(data: bytes) -> None:
    assert faults_of(resize, data)


@given(
    st.binary(max_size=40) | st.text(alphabet='{}[]":,\\ud80c1.eE-tfn', max_size=40).map(str.encode)
)
def test_any_bytes_bind_or_are_refused_by_name(data: bytes) -> None:
    async def handler(ctx: Context, a: int = 0, **others: object) -> None: ...

    try:
        bound = signature_of(handler).bind(data)
    except InvalidTask:
        pass
    else:
        assert bound.keys() == json.loads(data).keys()


def test_a_whole_signature_gives_all_data_as_one_value() -> None:
    async def handler(ctx: Context, data: dict[str, Any]) -> None: ...

    assert whole_signature_of(handler).bind(b'{"ctx": 1, "b": 2}') == {"data": {"ctx": 1, "b": 2}}


@pytest.mark.parametrize("annotation", [dict[str, int], Any])
def test_a_whole_signature_refuses_what_does_not_fit_it(annotation: Any) -> None:
    async def handler(ctx: Context, data: annotation) -> None: ...

    with pytest.raises(InvalidTask, match="data: must be an object"):
        whole_signature_of(handler).bind(b"[1]")


def test_a_whole_signature_names_the_field_that_is_wrong() -> None:
    async def handler(ctx: Context, data: Point) -> None: ...

    with pytest.raises(InvalidTask, match=r"data\.x: Expected `int`, got `str`"):
        whole_signature_of(handler).bind(b'{"x": "1"}')


def test_a_whole_signature_has_one_parameter() -> None:
    async def two(ctx: Context, a: int, b: int) -> None: ...

    async def stars(ctx: Context, **data: int) -> None: ...

    for function in (two, stars):
        with pytest.raises(ConfigError, match="data: must be the one parameter beside ctx"):
            whole_signature_of(function)


def test_a_signature_that_cannot_work_is_refused_with_every_fault() -> None:
    async def handler(
        context: Context,
        a: complex,
        b: "Missing",  # type: ignore[name-defined]  # noqa: F821
        c: list[int] | set[int],
        *rest: int,
    ) -> None: ...

    found = refusals_of(handler)

    assert found == [
        "context: the context must be the first parameter, `ctx: Context`",
        "a: no JSON can become complex: type <class 'complex'> is not supported",
        "b: its annotation cannot be resolved: name 'Missing' is not defined",
        found[3],
        "*rest: data has names, not positions",
    ]
    assert found[3].startswith("c: no JSON can become list[int] | set[int]: Type unions may not")


def test_the_context_comes_first_and_is_one() -> None:
    async def second(url: str, ctx: Context) -> None: ...

    async def stars(*ctx: Context) -> None: ...

    async def keyword(*, ctx: Context) -> None: ...

    async def other(ctx: int) -> None: ...

    async def lost(ctx: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    rule = "ctx: must be the first parameter, `ctx: Context`"
    assert refusals_of(second) == [f"ctx: the context {rule.removeprefix('ctx: ')}"]
    assert refusals_of(stars) == [rule]
    assert refusals_of(keyword) == [rule]
    assert refusals_of(other) == [f"{rule}, not int"]
    assert refusals_of(lost) == [
        "ctx: its annotation cannot be resolved: name 'Missing' is not defined"
    ]


def test_a_handler_may_do_without_the_context() -> None:
    async def nothing() -> None: ...

    async def greet(name: str, times: int = 1) -> None: ...

    assert signature_of(nothing).bind(b"{}") == {}
    assert signature_of(greet).bind(b'{"name": "Ada"}') == {"name": "Ada"}
    assert arguments_by_name(greet, ("Ada",), {"times": 2}) == {"name": "Ada", "times": 2}
    assert faults_of(greet, b'{"ctx": 1}') == [
        "data.name: required",
        "data.ctx: unknown; the handler takes name, times",
    ]


def test_positional_only_parameters_are_refused() -> None:
    async def handler(ctx: Context, a: int, /) -> None: ...

    assert refusals_of(handler) == ["a: is positional-only; data has names, not positions"]


def test_generators_are_refused() -> None:
    async def streams(ctx: Context) -> Any:
        yield 1

    def yields(ctx: Context) -> Any:
        yield 1

    assert refusals_of(streams) == ["handler: must return its result, not yield"]
    assert refusals_of(yields) == ["handler: must return its result, not yield"]


def test_only_functions_are_handlers() -> None:
    assert refusals_of(len) == ["handler: must be a function, not <built-in function len>"]


def test_annotations_may_be_strings() -> None:
    async def handler(ctx: "Context", at: "datetime", ids: "list[UUID]") -> "Unheard": ...  # type: ignore[name-defined]  # noqa: F821

    bound = signature_of(handler).bind(
        f'{{"at": "2026-01-01T00:00:00Z", "ids": ["{UUID(int=1)}"]}}'.encode()
    )

    assert bound == {"at": datetime(2026, 1, 1, tzinfo=UTC), "ids": [UUID(int=1)]}


def test_positional_arguments_get_their_names() -> None:
    assert arguments_by_name(resize, ("a", 1), {"note": "b"}) == {
        "url": "a",
        "width": 1,
        "note": "b",
    }


def test_positional_arguments_that_fit_nowhere_are_refused() -> None:
    with pytest.raises(InvalidTask, match="data: 3 positional arguments; the handler takes 2"):
        arguments_by_name(resize, ("a", 1, "b"), {})
    with pytest.raises(InvalidTask, match=r"data\.url: given twice"):
        arguments_by_name(resize, ("a",), {"url": "a"})


class Picky(msgspec.Struct):
    name: str

    def __post_init__(self) -> None:
        raise LookupError(f"nobody is called {self.name}")


async def greet(ctx: Context, who: Picky) -> None: ...


def test_whatever_a_types_own_check_raises_is_a_fault_of_the_data() -> None:
    assert faults_of(greet, b'{"who": {"name": "Ann"}}') == [
        "data.who: LookupError: nobody is called Ann",
    ]


# --- reading at once, and key by key --------------------------------------------------------------


class Even(msgspec.Struct):
    """A type with an opinion of its own, said in a way that no decoder expects."""

    n: int = 0

    def __post_init__(self) -> None:
        if self.n % 2:
            raise LookupError(self.n)


async def takes_much(
    ctx: Context,
    a: int,
    b: str = "",
    *,
    c: float | None = None,
    d: list[int] | dict[str, float] | None = None,
    e: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0,
    f: Even | None = None,
    g: Any = None,
    h: msgspec.Raw = msgspec.Raw(b"0"),  # noqa: B008 - it is never changed
    i: tuple[bool, ...] = (),
    __slots__: object = None,
    größe: datetime | None = None,  # noqa: PLC2401 - Python lets users do so
) -> None: ...


KEYS = "a b c d e f g h i __slots__ größe ctx x".split()  # noqa: SIM905 - reads best so
TEXTS = st.text(max_size=3) | st.sampled_from([*KEYS, "n", "2026-01-01T00:00:00Z"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 12)
    | st.integers()
    | st.floats(-3, 12)
    | st.sampled_from([8.0, 1e16, 2**63, 0.5])
    | TEXTS,
    lambda some: st.lists(some, max_size=3) | st.dictionaries(TEXTS, some, max_size=3),
    max_leaves=5,
)


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    """Draw JSON objects, also with keys given twice, and some that are broken."""
    pairs = draw(st.lists(st.tuples(st.sampled_from(KEYS), VALUES), max_size=6))
    if draw(st.booleans()):
        pairs.append(("a", 1))
    comma, colon = draw(st.sampled_from([(",", ":"), (" ,\n", " : ")]))
    members = (f"{json.dumps(key)}{colon}{json.dumps(value)}" for key, value in pairs)
    text = ("{" + comma.join(members) + "}").encode()
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from([b"", b"\xff", b'"', b"}", b"0"])) + text[at + 1 :]
    return text


def outcome_of(bind: Callable[[bytes], dict[str, Any]], data: bytes) -> str:
    """Return what is read, with its types, or what is said against it."""
    try:
        values = bind(data)
    except InvalidTask as error:
        return str(error)
    return repr(sorted((k, bytes(v) if k == "h" else v) for k, v in values.items()))


@given(objects() | VALUES.map(json.dumps).map(str.encode))
def test_what_is_read_at_once_is_what_is_read_key_by_key(data: bytes) -> None:
    signature = signature_of(takes_much)
    assert isinstance(signature, AtOnce)

    assert outcome_of(signature.bind, data) == outcome_of(signature.key_by_key.bind, data)


def takes(annotation: Any) -> Callable[..., Any]:
    def handler(value: Any) -> None: ...

    handler.__annotations__["value"] = annotation
    return handler


@pytest.mark.parametrize(
    "annotation",
    [
        int,
        str | None,
        Any,
        object,
        list,
        list[dict[str, float]],
        tuple[int, ...],
        set[bytes],
        Literal["a", "b"],
    ],
)
def test_values_of_built_in_types_are_made_without_code_of_the_user_s(annotation: Any) -> None:
    assert signature_of(takes(annotation)).is_built_in
    assert whole_signature_of(takes(annotation)).is_built_in


@pytest.mark.parametrize(
    "annotation", [Point, Box, Size, list[Point], dict[str, Box | None], Annotated[int, "metres"]]
)
def test_values_of_other_types_may_run_code_of_the_user_s(annotation: Any) -> None:
    assert not signature_of(takes(annotation)).is_built_in
    assert not whole_signature_of(takes(annotation)).is_built_in


def test_one_parameter_with_code_of_the_user_s_is_enough() -> None:
    def keyed(number: int, **others: Point) -> None: ...

    def named(number: int, at: Point) -> None: ...

    assert not signature_of(keyed).is_built_in
    assert not signature_of(named).is_built_in
