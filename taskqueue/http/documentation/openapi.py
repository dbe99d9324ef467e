"""The OpenAPI document of a route table.

Everything in it is read from the table: paths, parameters, bodies, answers and problems. The
schemas are those of the types that decode and encode, so they cannot drift apart.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from inspect import getdoc
from types import UnionType
from typing import Any, TypeAlias, Union, get_args, get_origin

import msgspec

from taskqueue.api.app import App
from taskqueue.http.answers import (
    EVENT_STREAM,
    JSON,
    METRICS,
    TEXT,
    Content,
    EventStream,
    MetricsText,
    Text,
)
from taskqueue.http.documentation.examples import EVENTS, example_of
from taskqueue.http.paths import PATH
from taskqueue.http.problems import CONTENT_TYPE, ProblemDetails
from taskqueue.http.queries import Parameter
from taskqueue.http.route import ASKS_NO_PART, Body, Route
from taskqueue.http.sessions import COOKIE
from taskqueue.http.tasks.answers import LISTED_TASK, TaskView
from taskqueue.http.tasks.requests import ONE_EACH, ONE_TIME
from taskqueue.release import version
from taskqueue.rules.access import Role

JSONObject: TypeAlias = dict[str, Any]

_REFS = "#/components/schemas/{name}"

_DESCRIPTION = """\
A durable task queue. `202` is answered once a task is on disk.

Whatever is not the expected answer is an `application/problem+json` (RFC 9457); `error` never
changes and is for programs. While no token exists, only clients on this machine are answered."""

_SECURITY_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer"},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
}

_TAGS = {"tasks", "groups", "dead", "queues", "nodes", "limits", "events", "supervision"}

_NO_JSON = {Text, Content, EventStream, MetricsText}

_BODY_PROBLEMS = {
    HTTPStatus.BAD_REQUEST: "invalid JSON",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "request too large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported content coding or media type",
    HTTPStatus.UNPROCESSABLE_ENTITY: "invalid request; `faults` names every wrong field",
}

_QUERY_PROBLEMS = {
    HTTPStatus.UNPROCESSABLE_ENTITY: "invalid query",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "header too large",
}


def document(table: Sequence[Route], app: App) -> JSONObject:
    """Return the OpenAPI 3.1 document of these routes; `app` knows the actions and the queues."""
    schemas = _Schemas(table)
    paths: JSONObject = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "taskqueue",
            "version": version(),
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.components(app),
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


class _Schemas:
    """The schemas of all types in a table."""

    def __init__(self, table: Sequence[Route]) -> None:
        used = [ProblemDetails, TaskView, *(kind for route in table for kind in _types(route))]
        types = [kind for kind in dict.fromkeys(used) if kind not in _NO_JSON]
        schemas, self._components = msgspec.json.schema_components(types, ref_template=_REFS)
        self._by_type = dict(zip(types, schemas, strict=True))

    def of(self, kind: Any) -> JSONObject:
        """Return the schema of a type; each member of a union has a schema of its own."""
        members = [self._by_type[member] for member in _members(kind) if member is not Text]
        return members[0] if len(members) == 1 else {"anyOf": members}

    def components(self, app: App) -> JSONObject:
        """Return the named schemas; the actions and queues are those of `app`."""
        named = dict(self._components)
        listed = named["TaskView"]
        named[LISTED_TASK] = {key: listed[key] for key in listed if key != "required"}
        for request in ("TaskRequest", "EditRequest"):
            named[request] = {**named[request], **ONE_TIME}
        named["TaskRequest"] |= ONE_EACH
        properties = named["TaskRequest"]["properties"]
        if app.actions:
            properties["action"]["examples"] = sorted(app.actions)
        properties["queue"] = {"enum": [*sorted(app.queues), None], "default": None}
        return named


def _types(route: Route) -> Iterator[Any]:
    if route.body is not None:
        yield from _members(route.body.type)
    for kind in route.answers.values():
        yield from _members(kind)
    for parameter in _parameters_of(route):
        yield from _members(parameter[2].type)


def _members(kind: Any) -> tuple[Any, ...]:
    if kind is None:
        return ()
    return get_args(kind) if get_origin(kind) in {Union, UnionType} else (kind,)


def _operation(route: Route, schemas: _Schemas) -> JSONObject:
    first, _, rest = (getdoc(route.handler) or "").partition("\n")
    needed = "No token is needed." if route.role is None else f"Needs the role `{route.role}`."
    details = [rest.strip(), needed]
    operation: JSONObject = {
        "operationId": getattr(route.handler, "__name__", route.path),
        "summary": first.removesuffix("."),
        "description": "\n\n".join(filter(None, details)),
        "tags": [_tag(route.path)],
        "parameters": [_parameter(*each, schemas) for each in _parameters_of(route)],
        "responses": _responses(route, schemas),
        "security": [{}] if route.role is None else [{"token": []}, {"session": []}, {}],
    }
    if route.body is not None:
        operation["requestBody"] = _request_body(route.body, schemas)
    return operation


def _tag(path: str) -> str:
    first = path.split("/")[1]
    if first == "running":
        return "tasks"
    return first if first in _TAGS else "service"


def _parameters_of(route: Route) -> Iterator[tuple[str, str, Parameter]]:
    for name in re.findall(r"{(\w+)}", route.path):
        yield "path", name, PATH[name]
    for name, parameter in route.headers.items():
        yield "header", name, parameter
    for name, parameter in {} if route.query is None else route.query.parameters.items():
        yield "query", name, parameter


def _parameter(where: str, name: str, parameter: Parameter, schemas: _Schemas) -> JSONObject:
    described: JSONObject = {
        "name": name,
        "in": where,
        "required": where == "path",
        "description": parameter.allowed,
        "schema": schemas.of(parameter.type),
    }
    is_list = described["schema"].get("type") == "array"
    return described | ({"style": "form", "explode": False} if is_list else {})


def _request_body(body: Body, schemas: _Schemas) -> JSONObject:
    return {"required": body.required, "content": {JSON: _content(body.type, schemas)}}


def _content(kind: Any, schemas: _Schemas) -> JSONObject:
    examples = {
        getattr(member, "__name__", "several"): {"value": example}
        for member in _members(kind)
        if (example := example_of(member)) is not None
    }
    return {"schema": schemas.of(kind), "examples": examples}


def _responses(route: Route, schemas: _Schemas) -> JSONObject:
    problems = dict(_problems(route))
    expected = {str(int(s)): _answer(s, kind, schemas) for s, kind in route.answers.items()}
    refused = {str(int(s)): _problem(error, schemas) for s, error in sorted(problems.items())}
    return {**expected, **refused, "default": _problem("any other problem", schemas)}


def _answer(status: HTTPStatus, kind: Any, schemas: _Schemas) -> JSONObject:
    is_json = kind not in {None, Content, EventStream, MetricsText}
    content: JSONObject = {JSON: _content(kind, schemas)} if is_json else {}
    if Text in _members(kind):
        content[TEXT.partition(";")[0]] = {"schema": {"type": "string"}}
    if kind is Content:
        content = {"*/*": {}}
    if kind is EventStream:
        content = {EVENT_STREAM: {"schema": {"type": "string"}, "example": EVENTS}}
    if kind is MetricsText:
        content = {METRICS: {"schema": {"type": "string"}}}
    return {"description": status.phrase, **({"content": content} if content else {})}


def _problem(error: str, schemas: _Schemas) -> JSONObject:
    schema = schemas.of(ProblemDetails)
    return {"description": error, "content": {CONTENT_TYPE: {"schema": schema}}}


def _problems(route: Route) -> Mapping[HTTPStatus, str]:
    """Return every problem that the table knows of a route: its own, and those of its kind."""
    body = {} if route.body is None else _BODY_PROBLEMS
    query = {} if route.query is None else _QUERY_PROBLEMS
    down = route.unavailable
    typed = {HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported content coding or media type"}
    return {
        **({} if route.role is None else {HTTPStatus.UNAUTHORIZED: "unauthenticated"}),
        HTTPStatus.FORBIDDEN: "the host, the origin or the client is not allowed",
        **({} if route.role is Role.READ else typed),
        **query,
        **body,
        **({} if down is ASKS_NO_PART else {HTTPStatus.SERVICE_UNAVAILABLE: down.error}),
        **route.problems,
    }
