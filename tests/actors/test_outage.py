"""What a fault of the storage leaves, and what it asks for."""

import pytest

from taskqueue.actors.outage import READS, Remedy, leaves_reads, remedy
from taskqueue.errors import (
    SchemaMismatch,
    StorageCorrupt,
    StorageError,
    StorageLost,
    StorageReadOnly,
    StorageUnavailable,
)
from taskqueue.storage.lifecycle import Lifecycle
from taskqueue.storage.protocol import Storage

FULL = StorageUnavailable("disk full")
READ_ONLY = StorageReadOnly("attempt to write a readonly database")
LOST = StorageLost("the connection has ended")
CORRUPT = StorageCorrupt("tasks.db", "malformed")
OTHER = SchemaMismatch("tasks.db", 1, 2)


@pytest.mark.parametrize(
    ("error", "readable", "wanted"),
    [
        (FULL, True, Remedy.PROBE),
        (FULL, False, Remedy.REOPEN),
        (READ_ONLY, True, Remedy.REOPEN),
        (READ_ONLY, False, Remedy.REOPEN),
        (LOST, True, Remedy.REOPEN),
        (LOST, False, Remedy.REOPEN),
        (CORRUPT, True, Remedy.REOPEN),
        (CORRUPT, False, Remedy.REOPEN),
        (OTHER, True, Remedy.REOPEN),
    ],
)
def test_what_is_of_use_stays_open(error: StorageError, readable: bool, wanted: Remedy) -> None:
    assert remedy(error, readable=readable) is wanted


@pytest.mark.parametrize(
    ("error", "wanted"),
    [(FULL, True), (READ_ONLY, True), (LOST, True), (CORRUPT, False), (OTHER, False)],
)
def test_only_what_is_sound_is_read(error: StorageError, wanted: bool) -> None:
    assert leaves_reads(error) is wanted


def test_a_verb_that_writes_is_no_read() -> None:
    verbs = {name for name in dir(Storage) if not name.startswith("_")} - {*dir(Lifecycle)}

    assert verbs - READS == {
        *("insert", "insert_and_claim", "claim", "start", "extend", "report", "dry_run"),
        *("settle", "cancel", "pause", "resume", "redrive", "delete", "expire", "edit"),
        *("put_schedule", "declare_schedules", "pause_schedule", "resume_schedule"),
        *("delete_schedule", "fire", "pass_over", "rewind_schedules", "trim_slots"),
        *("expire_waiting", "set_size", "handler_transactions"),
        *("beat", "leave", "drain_node", "resume_node"),
        "close_group",
        *("add_token", "revoke_token", "note_token_use", "record_changes", "trim_changes"),
        *("declare_limits", "change_limit", "take_starts", "charge"),
    }
