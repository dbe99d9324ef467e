"""The rules for a database file and its disk. Pure: facts in, findings out."""

from collections.abc import Iterator
from statistics import median

from taskqueue.doctor.findings import Finding, ok, problem, warning
from taskqueue.doctor.schema import EMPTY, finding_of_schema
from taskqueue.errors import StorageError
from taskqueue.storage.examination import Contents, Disk, Examination, File, Holder

FORGETFUL = frozenset({"tmpfs", "ramfs"})
"""File systems that are gone after a restart of the machine, however often they are synced."""
SHARED = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs"})
"""File systems of other machines, whose locks cannot be relied on."""

IMPLAUSIBLE_SYNC_S = 10e-6
"""No disk writes in less, not even one with a battery behind its cache."""
SLOW_SYNC_S = 0.1

SKEW_S = 1.0
_MB = 1024 * 1024
_OTHERS = 0o007


def findings_of_file(
    found: Examination, *, min_free_bytes: int, is_served: bool, now: float
) -> Iterator[Finding]:
    """Judge a database and its disk.

    Args:
        found: the facts.
        min_free_bytes: with less free space the disk counts as nearly full.
        is_served: whether a service answers where the settings say.
        now: what the clock of this machine says.
    """
    yield _folder(found.disk)
    yield _permissions(found)
    yield finding_of_sync(found.disk)
    yield _space(found.disk, min_free_bytes)
    yield _lock(found.holder, is_served=is_served)
    yield _contents(found)
    if isinstance(found.contents, Contents):
        yield _clock(found.contents.latest_at, now)


def _folder(disk: Disk) -> Finding:
    if disk.is_writable:
        return ok("folder", f"{disk.folder} can be written")
    return problem(
        "folder",
        f"{disk.folder} cannot be written, so no task can be stored",
        "give it to the user of the service (chown), mount it writable, or choose another file "
        "with --database",
    )


def _permissions(found: Examination) -> Finding:
    match found.file:
        case None:
            return ok("permissions", f"{found.path} is not there yet; the service makes it")
        case File(is_usable=False, owner=owner):
            return problem(
                "permissions",
                f"{found.path} belongs to user {owner}, and this one may not read and write it",
                f"run the service as user {owner}, or give the file to its user (chown)",
            )
        case File(is_ours=False, owner=owner):
            return warning(
                "permissions",
                f"{found.path} belongs to user {owner}, not to the one that runs this command",
                f"run the service as user {owner}, or give the file to its user (chown)",
            )
        case File(mode=mode) if mode & _OTHERS:
            return warning(
                "permissions",
                f"{found.path} is open to every user of this machine (mode {mode:04o}): it holds "
                "the data of all tasks",
                f"chmod 600 {found.path}",
            )
        case File(mode=mode):
            return ok("permissions", f"{found.path} is closed to other users (mode {mode:04o})")


def keeps_syncs(disk: Disk) -> bool:
    """Return whether what was synced there survives a power cut, as far as a program can tell."""
    is_plausible = bool(disk.sync_s) and median(disk.sync_s) >= IMPLAUSIBLE_SYNC_S
    return is_plausible and disk.kind not in FORGETFUL


def finding_of_sync(disk: Disk) -> Finding:
    """Judge how the disk syncs."""
    if not disk.sync_s:
        return warning("sync", "no sync could be tried", "make the folder writable, and try again")
    took_s = median(disk.sync_s)
    measured = f"a sync on {disk.kind or 'this file system'} takes {took_s * 1e3:.3g} ms"
    if disk.kind in FORGETFUL:
        return problem(
            "sync",
            f"{disk.folder} is on {disk.kind}, in memory: accepted tasks are gone after a restart "
            "of the machine",
            "choose a file on a disk with --database",
        )
    if disk.kind in SHARED:
        return problem(
            "sync",
            f"{disk.folder} is on {disk.kind}: SQLite cannot rely on the locks of network disks",
            "choose a file on a local disk with --database",
        )
    if took_s < IMPLAUSIBLE_SYNC_S:
        return warning(
            "sync",
            f"{measured}, which no disk can do: something ignores syncs, and a power cut may lose "
            "accepted tasks",
            "look for libeatmydata, for the option nobarrier, or for a virtual disk with an unsafe "
            "cache",
        )
    if took_s > SLOW_SYNC_S:
        return warning("sync", f"{measured}: each commit waits for one", "use a faster disk")
    return ok("sync", measured)


def _space(disk: Disk, least: int) -> Finding:
    free = f"{disk.free_bytes // _MB} MB are free in {disk.folder}"
    if disk.free_bytes >= least:
        return ok("space", free)
    return problem(
        "space",
        f"{free}, less than {least // _MB} MB: the service stops accepting tasks when the disk is "
        "full",
        "make room, keep ended tasks for less time (--retention-completed-s), or move the database",
    )


def _lock(holder: Holder | None, *, is_served: bool) -> Finding:
    if holder is None:
        return ok("lock", "no process holds the database")
    name = "a process of another container" if holder.pid is None else f"process {holder.pid}"
    who = f"{name} ({holder.command})" if holder.command else name
    if is_served:
        return ok("lock", f"{who} holds the database, and the service answers")
    stop = "it" if holder.pid is None else f"it (kill {holder.pid})"
    return problem(
        "lock",
        f"{who} holds the database, but no service answers where the settings say: another one "
        "cannot start on this file",
        f"call the service where it listens, or stop {stop}, or choose another --database",
    )


def _contents(found: Examination) -> Finding:
    match found.contents:
        case None:
            return EMPTY
        case Contents() as contents:
            return finding_of_schema(contents, backup="taskqueue backup")
        case StorageError() as error:
            return problem(
                "database", str(error), "restore a backup, or choose another file with --database"
            )


def _clock(latest_at: float | None, now: float) -> Finding:
    ahead_s = (latest_at or 0.0) - now
    if ahead_s <= SKEW_S:
        return ok("clock", "nothing in the database happened in the future")
    return problem(
        "clock",
        f"the latest event in the database is {ahead_s:.0f} s in the future: this machine's clock "
        "is behind, and tasks wait until it has caught up",
        "set the clock (timedatectl, chronyc makestep)",
    )
