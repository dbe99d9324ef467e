"""Gives a log room before commits need it: one that makes its file longer takes half as long again.

Then the disk writes the new length of the file as well as the commit. SQLite stops reading a log at
the first frame that is not of it, so zeros after the last one are no part of it.
"""

import errno
import os
import sqlite3
import time
from pathlib import Path

from taskqueue.storage.sqlite.disk.file import FileWatch

STEP_BYTES = 256 * 1024
"""What is added at a time: no more than a commit may have to sync as well."""

LONGEST_BYTES = 48 * 1024 * 1024
"""To what SQLite cuts a log that is longer, when it begins it anew."""

_ZEROS = bytes(STEP_BYTES)
_PATIENCE_S = 0.05
_RETRY_S = 0.001

LEAST_FREE_BYTES = 64 * 1024 * 1024
"""A disk with less is left alone: the database itself may need it."""


def add_room(watch: FileWatch, log: Path, db: sqlite3.Connection) -> int:
    """Add a step of zeros at the end of a log, up to `LONGEST_BYTES`; return how long it is then.

    Nothing is added while another connection writes, to a log that is not the one that `watch`
    watches over, or where the disk has little room left.

    Raises:
        sqlite3.Error, OSError: as the disk has it.
    """
    length = log.stat().st_size
    if length >= LONGEST_BYTES or not _begin(db):
        return length
    try:
        return _lengthen(watch, log)
    finally:
        db.execute("ROLLBACK")


def _begin(db: sqlite3.Connection) -> bool:
    """Keep all others from writing to the log, if that can be had soon."""
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(_RETRY_S)
        else:
            return True
    return False


def _lengthen(watch: FileWatch, log: Path) -> int:
    descriptor = os.open(log, os.O_WRONLY | os.O_CLOEXEC)
    try:
        length = os.fstat(descriptor).st_size
        end = min(length + STEP_BYTES, LONGEST_BYTES)
        if (
            end <= length
            or not watch.is_of_log(descriptor)
            or _free_bytes(descriptor) < LEAST_FREE_BYTES
        ):
            return length
        try:
            os.pwrite(descriptor, _ZEROS[: end - length], length)
            os.fdatasync(descriptor)
        except OSError as error:
            os.ftruncate(descriptor, length)
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            return length
        return end
    finally:
        os.close(descriptor)


def _free_bytes(descriptor: int) -> int:
    disk = os.fstatvfs(descriptor)
    return disk.f_bavail * disk.f_frsize
