"""What the errors of the driver and of the server mean to callers of the storage."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from ssl import SSLCertVerificationError, SSLError

from taskqueue.errors import (
    StorageBusy,
    StorageCorrupt,
    StorageDenied,
    StorageError,
    StorageLost,
    StorageReadOnly,
    StorageUnavailable,
)

MISSING_DRIVER = (
    "the PostgreSQL engine needs asyncpg, which is not installed: pip install "
    "'taskqueue-otp[postgres]'"
)

_CONFLICTS = frozenset({"40001", "40P01"})  # serialization failure, deadlock

_STARTS = "57P03"

_LOCK_TIMEOUT = "55P03"
_NOT_GRANTED = "a lock was not granted in time"

_CHECK_VIOLATION = "23514"

# By the beginning of their SQLSTATE. What is not here is the error of one operation.
_LOST = ("08", "57P01", "57P02", "57P05", "25P03")
_UNAVAILABLE = {
    "53100": "the disk of the server is full",
    "53200": "the server is out of memory",
    "53300": "the server has no connection left",
    "53400": "the server has reached a limit of its configuration",
    _STARTS: "the server does not accept connections yet",
    "57014": "the server has cancelled a statement",
    "58": "the server cannot read or write its files",
    "3D000": "there is no such database",
    "3F000": "there is no schema `taskqueue`: run the migration",
    "42P01": "a table is missing: run the migration",
}
_DENIED = {
    "28": "the server refuses this user",
    "42501": "the user of the database lacks a right",
}
_READ_ONLY = "25006"
_NOT_PREPARED = "26000"
_CORRUPT = "XX"


class GatesBusy(Exception):
    """Another transaction holds gates that cannot be waited for; `buckets` are those to lock first.

    Locks are waited for in one order only. What is to be locked later, and comes before, is tried
    without waiting; if that fails, the commit is tried again, and begins with these locks.
    """

    def __init__(self, buckets: frozenset[int]) -> None:
        self.buckets = buckets
        super().__init__(f"{len(buckets)} gates are in use")


class LocksHeld(Exception):
    """Another transaction holds a lock for longer than a commit waits; the text says which."""


class CommitUndecided(Exception):
    """The connection was lost while a commit was under way, so it is written or it is not."""


def sqlstate_of(error: BaseException) -> str | None:
    """Return the code that the server gave its error; None if the error is not the server's."""
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None


def is_conflict(error: BaseException) -> bool:
    """Tell whether a transaction has lost to another one, and succeeds when it is tried again."""
    return isinstance(error, GatesBusy) or _has_lost(error)


def is_lock_timeout(error: BaseException) -> bool:
    """Tell whether another transaction held a lock for too long."""
    return sqlstate_of(error) == _LOCK_TIMEOUT


def has_moved(error: BaseException) -> bool:
    """Tell whether a row is somewhere else just now: its task has ended, or its place is new."""
    return sqlstate_of(error) == "40001" or _has_got_a_partition(error)


def _has_lost(error: BaseException) -> bool:
    return sqlstate_of(error) in _CONFLICTS or _has_got_a_partition(error)


def _has_got_a_partition(error: BaseException) -> bool:
    """Tell whether a row was on its way to the rest while a partition was attached for it."""
    said = getattr(error, "diag", error)  # of psycopg, or of asyncpg
    table = getattr(said, "table_name", None) or ""
    return sqlstate_of(error) == _CHECK_VIOLATION and table.endswith("_rest")


def storage_error(error: BaseException, where: str) -> StorageError | None:
    """Return what is wrong with the storage `where`; None if only one operation is."""
    if isinstance(error, StorageError):
        return error
    if isinstance(error, CommitUndecided):
        return StorageLost(f"{where}: {error.__cause__ or 'connection lost'} (during a commit)")
    if isinstance(error, LocksHeld):
        return StorageBusy(f"{where}: {_NOT_GRANTED} ({error})")
    if isinstance(error, GatesBusy):
        return StorageUnavailable(f"{where}: other nodes were in the way ({error})")
    state = sqlstate_of(error)
    if state is None:
        return _of_client(error, where)
    if state == _READ_ONLY:
        return StorageReadOnly(f"{where} is read-only: a standby, or set so")
    if state.startswith(_CORRUPT) and state != "XX000":
        return StorageCorrupt(where, line_of(error))
    if state == _LOCK_TIMEOUT:
        return StorageBusy(f"{where}: {_NOT_GRANTED} ({line_of(error)})")
    if _has_lost(error):
        return StorageUnavailable(f"{where}: other nodes were in the way ({line_of(error)})")
    if state.startswith(_LOST):
        return StorageLost(f"{where}: {line_of(error)}")
    return _unavailable(state, error, where)


def _unavailable(state: str, error: BaseException, where: str) -> StorageUnavailable | None:
    for kind, meanings in ((StorageDenied, _DENIED), (StorageUnavailable, _UNAVAILABLE)):
        for beginning, meaning in meanings.items():
            if state.startswith(beginning):
                return kind(f"{where}: {meaning} ({line_of(error)})")
    return None


def is_lost(error: BaseException) -> bool:
    """Tell whether the connection on which this was raised has ended."""
    return isinstance(storage_error(error, ""), StorageLost)


def is_of_session(error: BaseException) -> bool:
    """Tell whether a new connection may do better, though this one has not ended.

    Another server may have become the primary, or statements that the driver has prepared are gone:
    a handler's function may deallocate them all.
    """
    return sqlstate_of(error) in {_READ_ONLY, _NOT_PREPARED}


def may_restart(error: StorageUnavailable) -> bool:
    """Tell whether a connection has failed as it does while its server restarts."""
    cause = error.__cause__
    if isinstance(error, StorageLost):
        return True
    if isinstance(cause, OSError):  # refused, no such host, no such socket
        return not isinstance(cause, SSLError | PermissionError)
    return cause is not None and sqlstate_of(cause) == _STARTS


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise the errors that are the storage's as what they mean."""
    try:
        yield
    except Exception as error:
        meaning = storage_error(error, where)
        if meaning is None or meaning is error:
            raise
        raise meaning from error


def _of_client(error: BaseException, where: str) -> StorageError | None:
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return StorageUnavailable(f"{where} does not answer")
    if isinstance(error, SSLCertVerificationError):
        why = error.verify_message.rstrip(".")
        return StorageUnavailable(
            f"{where}: the certificate of the server is refused ({why}); "
            "sslrootcert has to name the certificate of its CA, and the URL the host as in it"
        )
    if isinstance(error, ConnectionError | EOFError):
        return StorageLost(f"{where}: {line_of(error)}")
    if isinstance(error, OSError):  # no such host, refused, no such socket, TLS
        return StorageUnavailable(f"{where}: {line_of(error)}")
    if type(error).__name__ in _CLIENT_LOST or _says_closed(error):
        return StorageLost(f"{where}: {line_of(error)}")
    return None


_CLIENT_LOST = frozenset({"ConnectionDoesNotExistError", "InternalClientError", "ProtocolError"})


def _says_closed(error: BaseException) -> bool:
    if isinstance(error, ValueError):  # it quotes a value that does not fit, which may say anything
        return False
    is_interface = any(kind.__name__ == "InterfaceError" for kind in type(error).__mro__)
    return is_interface and "clos" in str(error)


def line_of(error: BaseException) -> str:
    """Return what an error says, in one line that is not too long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:300]
