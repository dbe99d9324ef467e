"""Runs the verification beside the database, and prints what it finds."""

import asyncio
import shutil
import signal
from pathlib import Path
from types import FrameType

import msgspec

from taskqueue.bench.place import CannotMeasure, file_of, make_folder_beside
from taskqueue.cli.serving import print_error
from taskqueue.doctor.file import finding_of_sync, keeps_syncs
from taskqueue.settings import Settings
from taskqueue.storage.databases import examined
from taskqueue.storage.examination import Disk, Examination
from taskqueue.verification.kept import NeverReady
from taskqueue.verification.killing import Progress, kill_and_compare
from taskqueue.verification.report import Report, lines, progress_line

OK, FAILED, MISUSED = 0, 1, 2


def verify(settings: Settings, seconds: float, seed: int, *, as_json: bool) -> int:
    """Kill services beside `settings.database` for about `seconds`; print, return the exit code.

    2: no service can be started there. 1: a promise was broken, whose folder is kept, or the disk
    does not keep what it has synced.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the shell may have it ignored
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        database = file_of(settings)
        folder = make_folder_beside(database.path, ".taskqueue-verify-")
    except CannotMeasure as error:
        print_error(str(error))
        return MISUSED
    is_kept = False
    try:
        report = _report(settings, folder, seconds, seed, as_text=not as_json)
        is_kept = bool(report.verdict.broken)
    except NeverReady as error:
        print_error(str(error).strip().removeprefix("taskqueue: "))
        return MISUSED
    finally:
        if not is_kept:
            shutil.rmtree(folder)
    _print(_as_json(report) if as_json else "\n".join(lines(report)))
    if is_kept:
        print_error(f"the database and the logs are in {folder}")
    return OK if report.has_passed else FAILED


def _report(
    settings: Settings, folder: Path, seconds: float, seed: int, *, as_text: bool
) -> Report:
    synchronous = file_of(settings).synchronous
    if as_text:
        _print(
            f"In {folder.parent}, for about {seconds:g} s, with synchronous = {synchronous} and "
            f"--seed {seed}."
        )

    def on(progress: Progress) -> None:
        if as_text:
            _print(progress_line(progress))

    disk = _disk(settings)
    flags = ("--synchronous", synchronous)
    verdict = asyncio.run(kill_and_compare(folder, *flags, seconds=seconds, seed=seed, on=on))
    return Report(
        seconds=seconds,
        seed=seed,
        disk=finding_of_sync(disk),
        keeps_syncs=keeps_syncs(disk),
        verdict=verdict,
    )


def _disk(settings: Settings) -> Disk:
    found = examined(settings.database)
    assert isinstance(found, Examination)  # `file_of` takes no database without a disk
    return found.disk


def _as_json(report: Report) -> str:
    shown = {"passed": report.has_passed, **msgspec.to_builtins(report)}
    return msgspec.json.encode(shown).decode()


def _interrupt(_: int, __: FrameType | None) -> None:
    """Clean up as after a Ctrl-C."""
    signal.raise_signal(signal.SIGINT)


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - it is the user interface
