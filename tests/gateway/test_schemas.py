"""The schemas of the OpenAPI document admit what the service accepts, and nothing else."""

import doctest
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

import jsonschema_rs
import pytest
from aiohttp import ClientSession
from hypothesis import example, given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from taskqueue.commands import Enqueue
from taskqueue.http.audit import MAX_PAGE as MOST_CHANGES
from taskqueue.http.documentation.openapi import document
from taskqueue.http.problems import Problem
from taskqueue.http.queries import Parameter
from taskqueue.http.tasks import keys
from taskqueue.http.tasks.filters import MAX_TEXT
from taskqueue.http.tasks.keys import HEADER, read_key
from taskqueue.http.tasks.queries import MAX_PAGE, MAX_WAIT_S
from taskqueue.rules.names import MAX_KEY, MAX_NAME
from taskqueue.rules.options import (
    LAST_AT,
    MAX_ATTEMPTS,
    MAX_DELAY_S,
    MAX_PRIORITY,
    YEAR_10000_AT,
)
from tests.gateway.scripted import ScriptedService, table_of

SERVICE = ScriptedService()
TABLE = table_of(SERVICE)
DOCUMENT = document(TABLE, SERVICE.app)
ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
UNKNOWN = "0197a4c8-0000-7000-8000-000000000000"


class Described(NamedTuple):
    """A parameter of a query, and its schema."""

    label: str
    parameter: Parameter
    schema: dict[str, Any]
    admits: Callable[[object], bool]

    @property
    def kinds(self) -> set[str]:
        members = self.schema.get("anyOf", [self.schema])
        return {
            "enum" if "enum" in each else each.get("format") or each.get("type", "enum")
            for each in members
        }

    def accepts(self, text: str) -> bool:
        return self.parameter.read(text) is not None


def validator(schema: dict[str, Any]) -> Callable[[object], bool]:
    whole = {**schema, "components": DOCUMENT["components"]}
    return jsonschema_rs.validator_for(whole, validate_formats=True).is_valid


def schema_of(method: str, path: str, name: str) -> dict[str, Any]:
    listed = DOCUMENT["paths"][path][method.lower()]["parameters"]
    [schema] = [each["schema"] for each in listed if each["name"] == name]
    found: dict[str, Any] = schema
    return found


QUERIES = [
    Described(f"{route.method} {route.path} {name}", parameter, schema, validator(schema))
    for route in TABLE
    if route.query is not None
    for name, parameter in route.query.parameters.items()
    for schema in [schema_of(route.method, route.path, name)]
]
is_key_header = validator(schema_of("POST", "/tasks", HEADER))


def of_kind(*kinds: str) -> pytest.MarkDecorator:
    """Run a test with every parameter of these kinds, once if several calls share it."""
    chosen = {id(each.parameter): each for each in QUERIES if each.kinds == {*kinds}}.values()
    assert chosen
    return pytest.mark.parametrize("described", chosen, ids=lambda each: each.label)


# --- queries and headers -------------------------------------------------------------------------


@of_kind("string")
@settings(deadline=None)
@given(st.text())
@example("X\u2022\u010c-\u20f3*")
@example("line\n")
@example("n" * MAX_NAME)
@example("n" * (MAX_NAME + 1))
@example("k" * (MAX_KEY + 1))
@example("t" * MAX_TEXT)
@example("t" * (MAX_TEXT + 1))
def test_a_text_of_a_query_is_accepted_if_its_schema_admits_it(
    described: Described, text: str
) -> None:
    assert described.accepts(text) == described.admits(text)


@of_kind("integer")
@settings(deadline=None)
@given(st.integers())
@example(0)
@example(1)
@example(MAX_PAGE)
@example(MAX_PAGE + 1)
@example(MOST_CHANGES)
@example(MOST_CHANGES + 1)
def test_a_whole_number_of_a_query_is_accepted_if_its_schema_admits_it(
    described: Described, number: int
) -> None:
    assert described.accepts(str(number)) == described.admits(number)


@of_kind("number")
@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False) | st.floats(0, MAX_DELAY_S))
@example(-0.0)
@example(float(MAX_WAIT_S))
@example(MAX_DELAY_S)
def test_a_number_of_a_query_is_accepted_if_its_schema_admits_it(
    described: Described, number: float
) -> None:
    assert described.accepts(repr(number)) == described.admits(number)


@of_kind("number", "date-time")
@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False) | st.floats(0, YEAR_10000_AT))
@example(LAST_AT)
@example(YEAR_10000_AT)
def test_an_instant_in_seconds_is_accepted_if_its_schema_admits_it(
    described: Described, number: float
) -> None:
    assert described.accepts(repr(number)) == described.admits(number)


@of_kind("number", "date-time")
@settings(deadline=None)
@given(st.datetimes(timezones=ZONES) | st.datetimes())
@example(datetime.min.replace(tzinfo=timezone(timedelta(minutes=1439))))
@example(datetime.max.replace(tzinfo=timezone(timedelta(minutes=-1439))))
def test_an_instant_as_a_date_is_accepted_if_its_schema_admits_it(
    described: Described, at: datetime
) -> None:
    assert described.accepts(at.isoformat()) == described.admits(at.isoformat())


@of_kind("array")
@pytest.mark.parametrize("word", ["queued", "dead", "completed", "running", "id", "reason", "x"])
def test_a_choice_is_accepted_if_its_schema_admits_it(described: Described, word: str) -> None:
    for several in ([word], [word, word], [word, "dead"]):
        assert described.accepts(",".join(several)) == described.admits(several)


@settings(deadline=None)
@given(st.text(min_size=1))
@example('"in quotes"')
@example('"one')
@example(r'"a \"b\" \\"')
@example('""')
@example("a b")
@example("größe")
@example("k" * MAX_KEY)
@example("k" * (MAX_KEY + 1))
@example(f'"{"k" * MAX_KEY}"')
@example(f'"{"k" * (MAX_KEY + 1)}"')
def test_a_key_in_the_header_is_accepted_if_its_schema_admits_it(text: str) -> None:
    sent = text.strip(" ")  # HTTP drops these
    try:
        read_key(CIMultiDict({HEADER: sent}))
        is_accepted = True
    except Problem:
        is_accepted = False

    assert is_accepted == is_key_header(sent)


def test_the_examples_in_the_docstrings_are_true() -> None:
    assert doctest.testmod(keys).failed == 0


# --- bodies --------------------------------------------------------------------------------------

TASK: dict[str, Any] = {"action": "uppercase"}
EDITS: list[dict[str, Any]] = [
    {"delay_s": 1, "run_at": 1},
    {"delay_s": 1, "run_at": "2030-01-01T00:00:00Z"},
    {"delay_s": None, "run_at": 1},
    {"delay_s": 1, "run_at": None},
    {"delay_s": 0},
    {"delay_s": -0.001},
    {"delay_s": MAX_DELAY_S},
    {"run_at": -1},
    {"run_at": LAST_AT},
    {"run_at": YEAR_10000_AT},
    {"run_at": "0001-01-01T00:00:00+23:59"},
    {"run_at": "9999-12-31T23:59:59-23:59"},
    {"run_at": "2030-01-01T00:00:00"},
    {"priority": 0.0},
    {"priority": MAX_PRIORITY},
    {"priority": MAX_PRIORITY + 1},
    {"max_attempts": MAX_ATTEMPTS},
    {"max_attempts": MAX_ATTEMPTS + 1},
    {"data": []},
]
TASKS: list[Any] = [
    *({**TASK, **edit} for edit in EDITS),
    {**TASK, "queue": "nowhere"},
    {**TASK, "queue": "mail"},
    {**TASK, "unique_key": "k" * (MAX_KEY + 1)},
    {**TASK, "unique_key": "\u20f3"},
    {**TASK, "action": ""},
    [],
    [TASK, TASK],
    [{**TASK, "unique_key": "1"}, {**TASK, "unique_key": "2"}],
    [{**TASK, "unique_key": None}, TASK],
    [{**TASK, "unique_key": "1"}, TASK],
    [{**TASK, "unique_key": "1"}, {**TASK, "unique_key": None}],
]
SELECTIONS: list[dict[str, Any]] = [
    {},
    {"all": True},
    {"all": False},
    {"all": True, "queue": "mail"},
    {"queue": "\u20f3"},
    {"action": "a", "queue": "\u202e"},
    {"ids": []},
    {"ids": [UNKNOWN.upper()]},
    {"ids": [UNKNOWN], "action": "a"},
    {"ids": ["7"]},
]
BODIES = [
    *(("POST", "/tasks", body) for body in TASKS),
    *(("PATCH", "/tasks/{id}", body) for body in [{}, {"priority": None}, *EDITS]),
    *(("POST", "/dead/delete", body) for body in SELECTIONS),
    *(("POST", "/tasks/{id}/cancel", {"reason": "r" * length}) for length in (0, 1, 1000, 1001)),
    *(("PUT", "/supervision/consumers", {"count": n}) for n in (-1, 0, 4.0, 0.5, 1024, 1025)),
]


@pytest.mark.parametrize(("method", "path", "body"), BODIES)
async def test_a_body_is_accepted_if_its_schema_admits_it(
    http: ClientSession, service: ScriptedService, method: str, path: str, body: Any
) -> None:
    request_body = DOCUMENT["paths"][path][method.lower()]["requestBody"]
    schema = request_body["content"]["application/json"]["schema"]
    target = path.format(id=(await queued(service)) if "{" in path else "")

    response = await http.request(method, target, json=body)

    assert response.status < 500
    assert (response.status < 400) == validator(schema)(body), await response.text()


async def queued(service: ScriptedService) -> str:
    task = service.app.prepare("uppercase")
    await service(Enqueue(tasks=(task,)))
    return task.id
