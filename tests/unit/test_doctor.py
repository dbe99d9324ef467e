"""The rules of `taskqueue doctor` for what no test can set up."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from taskqueue.doctor.file import findings_of_file, keeps_syncs
from taskqueue.doctor.findings import Finding, Level
from taskqueue.doctor.fleet import findings_of_fleet
from taskqueue.rules.nodes import ServiceNode
from taskqueue.rules.tasks import Owner
from taskqueue.rules.versions import Fleet
from taskqueue.storage.examination import Contents, Disk, Examination, File, Holder
from taskqueue.testing.contract.nodes import heartbeat

MB = 1024 * 1024
NOW = 1_000.0

DISK = Disk(
    folder=Path("/srv"),
    is_writable=True,
    kind="ext4",
    free_bytes=256 * MB,
    sync_s=(0.002, 0.001, 0.004),
)
SOUND = Examination(
    path=Path("/srv/tasks.db"),
    disk=DISK,
    file=File(owner=7, mode=0o640, is_ours=True, is_usable=True),
    holder=None,
    contents=Contents(version=6, wanted=6, waiting={}, latest_at=NOW + 1.0),
)


def findings(found: Examination, *, is_served: bool = False) -> dict[str, Finding]:
    every = findings_of_file(found, min_free_bytes=256 * MB, is_served=is_served, now=NOW)
    return {finding.check: finding for finding in every}


def test_what_is_just_good_enough_is_ok() -> None:
    assert {each.level for each in findings(SOUND).values()} == {Level.OK}


@pytest.mark.parametrize(
    ("disk", "level", "says"),
    [
        ({"kind": "nfs4"}, Level.PROBLEM, "the locks of network disks"),
        ({"kind": "ramfs"}, Level.PROBLEM, "in memory"),
        ({"sync_s": (9e-6, 1e-6, 0.1)}, Level.WARNING, "which no disk can do"),
        ({"sync_s": (0.2, 0.2, 0.001)}, Level.WARNING, "takes 200 ms"),
        ({"sync_s": ()}, Level.WARNING, "no sync could be tried"),
        ({"kind": None}, Level.OK, "a sync on this file system takes 2 ms"),
    ],
)
def test_disks_are_judged_by_their_kind_and_the_median_of_their_syncs(
    disk: dict[str, Any], level: Level, says: str
) -> None:
    found = findings(replace(SOUND, disk=replace(DISK, **disk)))["sync"]

    assert found.level == level
    assert says in found.says


@pytest.mark.parametrize(
    ("disk", "is_kept"),
    [
        ({}, True),
        ({"kind": None}, True),
        ({"kind": "tmpfs"}, False),
        ({"sync_s": (9e-6, 1e-6, 0.1)}, False),
        ({"sync_s": ()}, False),
    ],
)
def test_what_ignores_syncs_does_not_keep_them(disk: dict[str, Any], is_kept: bool) -> None:
    assert keeps_syncs(replace(DISK, **disk)) == is_kept


@pytest.mark.parametrize(
    ("holder", "says", "advice"),
    [
        (Holder(pid=7, command="python jobs.py"), "process 7 (python jobs.py) holds", "(kill 7)"),
        (Holder(pid=7, command=None), "process 7 holds", "(kill 7)"),
        (Holder(pid=None, command=None), "a process of another container holds", "or stop it, "),
    ],
)
def test_who_holds_the_lock_is_a_problem_unless_it_is_the_service(
    holder: Holder, says: str, advice: str
) -> None:
    held = replace(SOUND, holder=holder)

    alone, served = findings(held)["lock"], findings(held, is_served=True)["lock"]

    assert (alone.level, served.level) == (Level.PROBLEM, Level.OK)
    assert says in alone.says
    assert says in served.says
    assert advice in (alone.advice or "")


def test_a_file_that_this_user_may_not_use_is_a_problem() -> None:
    file = File(owner=7, mode=0o600, is_ours=False, is_usable=False)

    found = findings(replace(SOUND, file=file))["permissions"]

    assert found.level == Level.PROBLEM
    assert "belongs to user 7" in found.says


# --- a fleet --------------------------------------------------------------------------------------


def node(name: str, version: str, *, age_s: float = 1.0) -> ServiceNode:
    said = replace(heartbeat(Owner(node=name, incarnation="1")), version=version)
    return ServiceNode(said=said, beat_at=NOW - age_s)


def problems_of(
    *nodes: ServiceNode, schema: int = 3, required: str = "1.2.0", release: str = "1.2.0"
) -> list[str]:
    fleet = Fleet(schema=schema, wanted=3, nodes=nodes)
    every = findings_of_fleet(fleet, required=required, release=release, now=NOW)
    return [finding.says for finding in every if finding.level is Level.PROBLEM]


def test_a_fleet_of_a_release_or_later_ones_is_sound() -> None:
    assert problems_of(node("a", "1.2.0"), node("b", "1.10.0"), node("c", "2.0"), schema=4) == []


@pytest.mark.parametrize("version", ["1.1.9", "1.2.0rc1", "(not installed)"])
def test_a_living_node_of_an_earlier_release_is_named(version: str) -> None:
    assert problems_of(node("a", "1.2.0"), node("b", version)) == [f"b runs {version}"]


def test_a_silent_node_does_not_count() -> None:
    assert problems_of(node("a", "1.1.0", age_s=60.0)) == []


def test_a_database_that_is_not_migrated_yet_is_behind() -> None:
    assert problems_of(schema=2) == ["the database has version 2, and 1.2.0 works with 3"]


def test_an_earlier_program_cannot_tell() -> None:
    [said] = problems_of(required="1.3.0")

    assert said == "this is taskqueue 1.2.0, which cannot tell what 1.3.0 needs"
