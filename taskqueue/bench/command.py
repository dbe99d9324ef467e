"""Runs the measurements, and prints what they find."""

import asyncio
import signal
import sqlite3
import sys
from contextlib import aclosing
from pathlib import Path
from types import FrameType

import msgspec

from taskqueue.bench.measuring import findings
from taskqueue.bench.place import CannotMeasure, file_of, temporary_folder
from taskqueue.bench.report import Finding, shown
from taskqueue.cli.serving import print_error
from taskqueue.errors import ServiceNotStarted, StorageUnavailable
from taskqueue.logs import pipeline as logs
from taskqueue.settings import Settings

OK, FAILED, MISUSED = 0, 1, 2


def bench(settings: Settings, seconds: float, *, as_json: bool) -> int:
    """Measure for about `seconds` beside `settings.database`; print, and return the exit code.

    2: nothing can be measured there. 1: the disk failed on the way, as when it is full.
    """
    logs.configure("auto", "error", sys.stderr)  # that all goes well is not of interest here
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the shell may have it ignored
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with temporary_folder(file_of(settings).path) as folder:
            found = asyncio.run(_measured(settings, folder, seconds, as_text=not as_json))
    except CannotMeasure as error:
        print_error(str(error))
        return MISUSED
    except (ServiceNotStarted, StorageUnavailable, sqlite3.OperationalError) as error:
        print_error(str(error))
        return FAILED
    if as_json:
        report = _about(settings, seconds) | {"findings": found}
        _print(msgspec.json.format(msgspec.json.encode(report)).decode())
    return OK


def _interrupt(_: int, __: FrameType | None) -> None:
    """Clean up as after a Ctrl-C, which asyncio does not let out in the middle of anything."""
    signal.raise_signal(signal.SIGINT)


async def _measured(
    settings: Settings, folder: Path, seconds: float, *, as_text: bool
) -> list[Finding]:
    """Return what is found; as text, print it as it comes."""
    if as_text:
        _print(f"In {folder.parent}, for about {seconds:g} s, with {_spelt(settings)}.\n")
    found = []
    async with aclosing(findings(settings, folder, seconds)) as coming:
        async for finding in coming:
            found.append(finding)
            if as_text:
                _print(shown(finding))
    return found


def _about(settings: Settings, seconds: float) -> dict[str, object]:
    return {
        "database": str(settings.database),
        "seconds": seconds,
        **_decisive(settings),
    }


def _spelt(settings: Settings) -> str:
    return ", ".join(f"{name} = {value}" for name, value in _decisive(settings).items())


def _decisive(settings: Settings) -> dict[str, object]:
    """Return the settings on which the figures depend."""
    return {
        "synchronous": file_of(settings).synchronous,
        "consumers": settings.consumers,
        "slots": settings.slots,
        "prefetch": settings.prefetch,
    }


def _print(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - it is the user interface
