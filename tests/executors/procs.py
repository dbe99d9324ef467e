"""What the system tells about processes. It tells it on request only, so one has to ask again."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

WAIT_S = 30.0


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for what another process does, of which no event tells."""
    async with asyncio.timeout(WAIT_S):
        while not is_so():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


def is_there(pid: int) -> bool:
    """Tell whether a process is there, be it as a zombie."""
    return Path(f"/proc/{pid}").exists()


async def gone(*pids: int) -> None:
    """Wait until none of the processes is there any more."""
    try:
        await until(lambda: not any(map(is_there, pids)))
    except TimeoutError:
        left = {pid: state(pid) for pid in pids if is_there(pid)}
        raise TimeoutError(f"still there: {left}") from None


def gone_before_the_next_turn(pid: int) -> None:
    """Wait until a process is not there any more, while the loop hears of nothing."""
    end = time.monotonic() + WAIT_S
    while is_there(pid):
        if time.monotonic() > end:
            raise TimeoutError(f"still there: {pid}")


async def noted(file: Path) -> list[int]:
    """Return the ids that a handler writes into a file, once it is there."""
    await until(file.exists)
    return _pids_in(file)


def _pids_in(file: Path) -> list[int]:
    return [int(pid) for pid in file.read_text().split()]


def state(pid: int) -> str:
    """Return the letter that stands for what a process does; Z is a zombie."""
    return _stat(pid)[0]


def parent(pid: int) -> int:
    """Return a process's parent."""
    return int(_stat(pid)[1])


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def descendants(pid: int) -> dict[int, str]:
    """Return all that a process is above of, with their states."""
    found: dict[int, str] = {}
    below: defaultdict[int, list[int]] = defaultdict(list)
    for each, status, above in _everybody():
        below[above].append(each)
        found[each] = status
    family = [pid]
    for each in family:
        family.extend(below[each])
    return {each: found[each] for each in family[1:]}


def _everybody() -> Iterator[tuple[int, str, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status, above, *_ = _stat(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):  # it has just gone
                continue
            yield int(entry.name), status, int(above)
