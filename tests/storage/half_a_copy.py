"""Copies a database until it kills itself: `python -m tests.storage.half_a_copy SOURCE TARGET N`.

It dies inside the Nth commit, when that has written its rows: five at most.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from types import ModuleType

from taskqueue.storage.copying import rows, run, to_postgres, to_sqlite
from taskqueue.storage.copying.sides import Mark
from taskqueue.storage.databases import named


def die_in_commit(module: ModuleType, number: int) -> None:
    """Have a writer kill this process when it is about to note how far it is."""
    text: Callable[[Mark], str] = module._text
    left = number

    def text_or_death(mark: Mark) -> str:
        nonlocal left
        left -= mark.rows > 0
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return text(mark)

    module._text = text_or_death  # type: ignore[attr-defined]


async def copy(source: str, target: str) -> None:
    """Copy all rows, or die."""
    from_database, to_database = named(source), named(target)
    assert from_database is not None
    assert to_database is not None
    async with run.opened(from_database, to_database) as copying:
        await copying.run(lambda *_: None)


if __name__ == "__main__":
    rows.CHUNK_ROWS = 5
    for writer in (to_postgres, to_sqlite):
        die_in_commit(writer, int(sys.argv[3]))
    asyncio.run(copy(*sys.argv[1:3]))
