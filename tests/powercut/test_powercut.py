"""Whenever the power is cut, nothing that was acknowledged is lost; and the simulator would see it.

`TEST_POWERCUT_S` says for how many seconds, `TEST_POWERCUT_SEED` repeats a run.
"""

import os
import random
from pathlib import Path

import pytest

from tests.disk.shim import NOTHING, Kind, compiler
from tests.powercut.__main__ import rounds
from tests.powercut.disk import Disk, by_chance
from tests.powercut.moments import Moment, cuts
from tests.powercut.run import Round, play
from tests.powercut.trace import Kind as Did
from tests.powercut.trace import Record

pytestmark = pytest.mark.long

SECONDS = float(os.environ.get("TEST_POWERCUT_S", "20"))
SEED = int(os.environ.get("TEST_POWERCUT_SEED", random.randrange(2**32)))
DRAWS = 200

needs_compiler = pytest.mark.skipif(
    compiler() is None, reason="no C compiler (cc) here to build the shim that records the disk"
)


@needs_compiler
@pytest.mark.timeout(SECONDS + 240)
async def test_whenever_the_power_is_cut_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    print(f"seed {SEED}")  # noqa: T201

    outcomes = await rounds(tmp_path, seconds=SECONDS, seed=SEED)

    assert [line for outcome in outcomes for line in outcome.violations] == []
    assert sum(outcome.images for outcome in outcomes) > SECONDS


@needs_compiler
@pytest.mark.timeout(180)
async def test_a_failed_sync_of_the_database_does_no_damage_at_a_later_power_cut(
    tmp_path: Path,
) -> None:
    print(f"seed {SEED}")  # noqa: T201

    outcome = await play(tmp_path, Round(seed=str(SEED), fault="sync of the database fails"))

    assert outcome.violations == []
    assert outcome.injected == 1


@needs_compiler
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("synchronous", "unsynced"),
    [("NORMAL", NOTHING), ("OFF", NOTHING), ("FULL", Kind.DATABASE)],
    ids=["synchronous NORMAL", "synchronous OFF", "a checkpoint without a sync"],
)
async def test_it_finds_a_service_that_syncs_too_little(
    tmp_path: Path, synchronous: str, unsynced: Kind
) -> None:
    print(f"seed {SEED}")  # noqa: T201
    mutant = Round(seed=str(SEED), fault="none", synchronous=synchronous, unsynced=unsynced)

    outcome = await play(tmp_path, mutant)

    assert any(line.startswith("image-") for line in outcome.violations), outcome


@needs_compiler
@pytest.mark.timeout(180)
async def test_extra_loses_nothing_on_a_disk_that_damages_neighbouring_sectors(
    tmp_path: Path,
) -> None:
    print(f"seed {SEED}")  # noqa: T201

    outcome = await play(
        tmp_path, Round(seed=str(SEED), fault="none", synchronous="EXTRA", smashes=True)
    )

    assert outcome.violations == []


# --- when the power is cut ------------------------------------------------------------------------


def test_each_moment_at_which_a_missing_sync_does_harm_is_among_the_cuts() -> None:
    log = record(Did.WRITE, file=2, data=LOG_HEADER)
    page = record(Did.WRITE, file=1, at=4096)
    made = record(Did.CREATE, name="tasks.db", file=1)
    frame = record(Did.WRITE, file=2, at=32)
    happened = [made, log, frame, page, *[frame] * 500, log, frame, page, *[frame] * 500]
    trace = [each._replace(end=end) for end, each in enumerate(happened, start=1)]

    found = cuts(trace, notes=[700], since=100, count=30, draw=random.Random(SEED))

    directed = {number: moment for number, moment in found.items() if moment is not Moment.ANY}
    assert directed == {504: Moment.NEW_LOG, 506: Moment.CHECKPOINT, 699: Moment.ACKNOWLEDGED}
    assert len(found) > len(directed)


# --- the model of a disk --------------------------------------------------------------------------


def record(kind: Did, *, at: int = 0, name: str = "", data: bytes = b"", file: int = 1) -> Record:
    return Record(end=0, kind=kind, file=file, at=at, name=name, data=data)


def images(root: Path, *happened: Record) -> set[bytes | None]:
    """Return what the file `a` may hold after a cut; None if it may not be there."""
    found: set[bytes | None] = set()
    for number in range(DRAWS):
        disk = Disk(root, f"{SEED}/{number}")
        for each in happened:
            disk.take(each)
        image = root / f"image-{number}"
        draw = random.Random(f"{SEED}/{number}")
        disk.image(image, draw, by_chance(draw))
        found.add((image / "a").read_bytes() if (image / "a").exists() else None)
    return found


def named(root: Path) -> tuple[Record, ...]:
    """A new file `a` whose name is on the disk."""
    folder = root.stat().st_ino
    return (
        record(Did.CREATE, name="a"),
        record(Did.SYNC, file=folder, at=1),
        record(Did.SYNCED, file=folder, at=1),
    )


LOG_HEADER = bytes.fromhex("377f0682")
OLD, NEW = b"o" * 1024, b"n" * 1024
HALF, REST = NEW[:512], OLD[512:]


def test_what_was_synced_is_there(tmp_path: Path) -> None:
    synced = (record(Did.SYNC, at=2), record(Did.SYNCED, at=2))

    found = images(tmp_path, *named(tmp_path), record(Did.WRITE, data=OLD), *synced)

    assert found == {OLD}


def test_each_sector_of_what_was_not_synced_may_be_missing(tmp_path: Path) -> None:
    synced = (record(Did.SYNC, at=2), record(Did.SYNCED, at=2))
    old, new = record(Did.WRITE, data=OLD), record(Did.WRITE, data=NEW)

    found = images(tmp_path, *named(tmp_path), old, *synced, new)

    assert found == {OLD, NEW, HALF + REST, OLD[:512] + NEW[512:]}


def test_what_is_written_during_a_sync_is_not_synced_by_it(tmp_path: Path) -> None:
    written = record(Did.WRITE, data=OLD)

    found = images(
        tmp_path,
        *(*named(tmp_path), record(Did.SYNC, at=2), written, record(Did.SYNCED, at=2)),
    )

    assert {b"", OLD} <= found


def test_what_a_failed_sync_has_lost_no_later_sync_brings_back(tmp_path: Path) -> None:
    failed = (record(Did.SYNC, at=2), record(Did.SYNC_FAILED, at=2))
    synced = (record(Did.SYNC, at=3), record(Did.SYNCED, at=3))

    found = images(tmp_path, *named(tmp_path), record(Did.WRITE, data=OLD), *failed, *synced)

    assert b"" in found


def test_a_name_is_there_for_certain_once_its_folder_was_synced(tmp_path: Path) -> None:
    synced = (record(Did.SYNC, at=2), record(Did.SYNCED, at=2))
    written = record(Did.WRITE, data=OLD)

    unnamed = images(tmp_path, record(Did.CREATE, name="a"), written, *synced)

    assert unnamed == {None, OLD}
