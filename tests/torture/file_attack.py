"""One service on a file: killed, starved, and cut from its disk."""

import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from taskqueue.verification.behaviours import BEHAVIOURS, Behaviour
from taskqueue.verification.books import Books
from taskqueue.verification.calm import make_tables
from taskqueue.verification.kept import KeptService
from taskqueue.verification.load import Note
from tests.torture.file_faults import DISK_FAULTS, FAULTS, spoil_the_making
from tests.torture.file_site import FileSite
from tests.torture.harass import harass


class FileAttack:
    """What is done to a service on a file in a folder."""

    faults: Sequence[str] = tuple(FAULTS)
    behaviours: Mapping[str, Behaviour] = BEHAVIOURS

    def __init__(self, folder: Path) -> None:
        """Use an empty folder, for the database and the logs."""
        self._site = FileSite(folder)

    @property
    def impossible(self) -> str:
        has_shim = self._site.disk is not None
        return "" if has_shim else f"none of {', '.join(DISK_FAULTS)}: no C compiler here"

    @property
    def services(self) -> Sequence[KeptService]:
        return [self._site.service]

    @property
    def url(self) -> str:
        return self._site.url

    @contextlib.asynccontextmanager
    async def opened(self, seed: int, on: Callable[[str], None]) -> AsyncIterator[None]:
        await spoil_the_making(self._site, seed, on)
        async with self._site.open():
            make_tables(self._site.database)
            yield

    async def ready(self) -> None:
        await self._site.ready()

    async def harass(self, seed: int, injected: Counter[str], on: Callable[[str], None]) -> None:
        await harass(self._site, FAULTS, random.Random(f"{seed}/faults"), injected, on)

    async def close(self) -> None:
        await self._site.service.close()

    async def books(self, notes: Sequence[Note], calm_at: float) -> Books:
        runs = await self._site.evidence.runs()
        return Books.read(self._site.database, notes, runs, calm_at=calm_at)

    def violations(self) -> Mapping[str, Sequence[str]]:
        return {}
