"""The rules of `taskqueue doctor` for a database on a server."""

from typing import Any

import pytest
from msgspec.structs import replace

from taskqueue.doctor.findings import Finding, Level
from taskqueue.doctor.server import findings_of_server
from taskqueue.errors import StorageUnavailable
from taskqueue.storage.examination import (
    Contents,
    OpenTransaction,
    Route,
    Server,
    ServerExamination,
)

SERVER = Server(
    version="16.4",
    route=Route.DIRECT,
    is_read_only=False,
    syncs=True,
    max_connections=97,
    connections=89,
    oldest=OpenTransaction(pid=7, program="psql", open_s=59.0),
    ahead_s=-1.0,
    contents=Contents(version=6, wanted=6, waiting={}, latest_at=None),
)
SOUND = ServerExamination(
    name="postgresql://db.example/tasks",
    server=SERVER,
    says_pooler=None,
    direct=None,
    direct_fault=None,
)


def findings(found: ServerExamination) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings_of_server(found)}


def test_what_is_just_good_enough_is_ok() -> None:
    assert {each.level for each in findings(SOUND).values()} == {Level.OK}


def test_a_server_that_cannot_be_used_is_a_problem_and_nothing_else_is_said() -> None:
    found = findings(replace(SOUND, server=StorageUnavailable("connection refused")))

    assert found.keys() == {"server"}
    assert found["server"].level is Level.PROBLEM
    assert "connection refused" in found["server"].says


@pytest.mark.parametrize(
    ("server", "check", "level", "says"),
    [
        ({"is_read_only": True}, "server", Level.PROBLEM, "is read-only"),
        ({"syncs": False}, "server", Level.PROBLEM, "fsync = off"),
        ({"connections": 90}, "connections", Level.WARNING, "90 of 97 connections"),
        (
            {"oldest": OpenTransaction(pid=7, program="", open_s=60.0)},
            "transactions",
            Level.WARNING,
            "process 7 (without a name)",
        ),
        ({"oldest": None}, "transactions", Level.OK, "none"),
        ({"ahead_s": 1.5}, "clock", Level.WARNING, "2 s ahead of"),
        ({"ahead_s": -90.0}, "clock", Level.WARNING, "90 s behind"),
        (
            {"contents": Contents(version=0, wanted=6, waiting={}, latest_at=None)},
            "database",
            Level.OK,
            "is empty",
        ),
        (
            {"contents": Contents(version=7, wanted=6, waiting={}, latest_at=None)},
            "database",
            Level.PROBLEM,
            "version 7",
        ),
    ],
)
def test_a_server_is_judged_by_its_settings_and_by_who_uses_it(
    server: dict[str, Any], check: str, level: Level, says: str
) -> None:
    found = findings(replace(SOUND, server=replace(SERVER, **server)))[check]

    assert found.level is level
    assert says in found.says


@pytest.mark.parametrize(
    ("route", "said", "level", "says"),
    [
        (Route.DIRECT, {}, Level.OK, "notices wake the other nodes"),
        (Route.DIRECT, {"says_pooler": True}, Level.WARNING, "the URL says pooler=true"),
        (Route.SESSION, {}, Level.OK, "takes a session of its own"),
        (Route.TRANSACTION, {}, Level.WARNING, "there are no notices"),
        (Route.TRANSACTION, {"says_pooler": True}, Level.WARNING, "there are no notices"),
        (Route.TRANSACTION, {"says_pooler": False}, Level.PROBLEM, "says pooler=false"),
        (Route.TRANSACTION, {"direct": "postgresql://db/t"}, Level.OK, "go to postgresql://db/t"),
    ],
)
def test_the_way_to_the_server_is_said_with_what_follows_from_it(
    route: Route, said: dict[str, Any], level: Level, says: str
) -> None:
    found = findings(replace(SOUND, server=replace(SERVER, route=route), **said))["route"]

    assert found.level is level
    assert says in found.says


def test_a_direct_url_that_cannot_be_used_is_a_problem() -> None:
    found = findings(replace(SOUND, direct="postgresql://a/b", direct_fault="no such host"))

    assert (found["route"].level, found["route"].says) == (Level.PROBLEM, "no such host")
