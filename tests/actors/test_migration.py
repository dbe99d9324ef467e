"""The migration: does its work and is gone, or is tried again."""

import pytest

from taskqueue.actors.database import DatabaseActor
from taskqueue.actors.migration import ExitCode, MigrationActor
from taskqueue.actors.pauses import Recovery
from taskqueue.errors import (
    ForeignSchema,
    SchemaMismatch,
    StartFailed,
    StorageCorrupt,
    StorageDenied,
    StorageError,
    StorageReadOnly,
    StorageUnavailable,
)
from taskqueue.runtime import NORMAL, Crash
from taskqueue.supervision import ChildSpec, Flags, Intensity, Restart, Supervisor, overview
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import World


def migration() -> ChildSpec:
    return ChildSpec(
        id="migration", start=MigrationActor.start_link, restart=Restart.TRANSIENT, one_shot=True
    )


async def test_it_ends_normally_once_the_schema_is_up_to_date(
    world: World, storage: FaultyStorage
) -> None:
    await world.system.spawn(DatabaseActor, lambda: storage, Recovery(first_s=60))

    actor = await world.system.spawn(MigrationActor)

    assert await actor.ended() == NORMAL
    [applied] = world.events.select("migration_applied")
    [done] = world.events.select("migration_done")
    assert (applied["step"], done["exit_code"], done["steps"]) == ("1 tasks", 0, 1)


async def test_a_failure_is_an_exit_code_other_than_0(world: World, storage: FaultyStorage) -> None:
    storage.break_down("locked")
    await world.system.spawn(DatabaseActor, lambda: storage, Recovery(first_s=60))

    actor = await world.system.spawn(MigrationActor)

    reason = await actor.ended()
    assert isinstance(reason, Crash)
    assert isinstance(reason.cause, ExitCode)
    assert (reason.cause.code, reason.cause.why) == (1, "storage unavailable: locked")


async def test_without_a_database_it_fails(world: World) -> None:
    actor = await world.system.spawn(MigrationActor)

    assert "database is unavailable" in str(await actor.ended())


async def test_it_is_tried_again_until_the_storage_lets_it(
    world: World, storage: FaultyStorage
) -> None:
    for _ in range(3):
        storage.fail_next("migrate", StorageUnavailable("locked"))
    await world.system.spawn(DatabaseActor, lambda: storage, Recovery(first_s=60))

    flags = Flags(intensity=Intensity(max_restarts=3, period_s=60))
    root = await world.system.spawn(Supervisor, "root", [migration()], flags)

    [child] = (await overview(root)).children
    assert (child.ref, child.last_exit) == (None, NORMAL)
    assert len(world.events.select("migration_failed", reason="storage unavailable: locked")) == 3


async def test_one_failure_too_many_fails_the_start(world: World, storage: FaultyStorage) -> None:
    storage.break_down("locked")
    await world.system.spawn(DatabaseActor, lambda: storage, Recovery(first_s=60))

    flags = Flags(intensity=Intensity(max_restarts=3, period_s=60))
    with pytest.raises(StartFailed, match="locked"):
        await world.system.spawn(Supervisor, "root", [migration()], flags)

    assert len(world.events.select("migration_failed")) == 4


@pytest.mark.parametrize(
    "error",
    [
        SchemaMismatch("tasks.db", 2, 1),
        ForeignSchema("tasks.db", "is another program's"),
        StorageCorrupt("tasks.db", "no header"),
        StorageReadOnly("tasks.db: readonly"),
        StorageDenied("postgresql://user@host/tasks: permission denied"),
    ],
)
async def test_what_only_an_operator_can_mend_fails_the_start_at_once(
    world: World, storage: FaultyStorage, error: StorageError
) -> None:
    storage.fail_next("migrate", error)
    await world.system.spawn(DatabaseActor, lambda: storage, Recovery(first_s=60))

    flags = Flags(intensity=Intensity(max_restarts=3, period_s=60))
    with pytest.raises(StartFailed) as failed:
        await world.system.spawn(Supervisor, "root", [migration()], flags)

    assert str(error) in str(failed.value)
    assert world.events.select("child_restarted") == []
