"""A folder with a database in a file, and the service that is kept running on it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from taskqueue.settings.options import PREFIX
from taskqueue.testing.process import ServiceProcess, children_of
from taskqueue.verification.collector import Collector
from taskqueue.verification.kept import KeptService
from taskqueue.verification.stopped_gates import disorder_found

LEASE_S = 1.0
FLAGS = (
    *("--app", "taskqueue.verification.app:app"),
    *("--consumers", "3", "--slots", "4", "--drain-s", "1"),
    *("--retry-initial-s", "0.05", "--retry-max-s", "0.5"),
    *("--retry-max-crashes", "1000", "--retry-max-deliveries", "1000"),
)


class UnconfiguredProcess(ServiceProcess):
    """A service whose settings are its flags alone, whatever the environment says."""

    def inherited(self) -> dict[str, str]:
        """Return the variables of this process without the settings among them."""
        found = super().inherited()
        return {name: value for name, value in found.items() if not name.startswith(PREFIX)}


class Site:
    """One folder with one database, and the service that runs on it."""

    def __init__(self, folder: Path, *flags: str) -> None:
        """Use an empty folder; `flags` are those of the service beside `FLAGS`."""
        self.folder = folder
        self._flags = flags
        self.evidence = Collector()
        self.service = KeptService(
            self.new_life,
            lambda number: folder / f"service-{number:03}.jsonl",
            between_lives=self._disorder_found,
        )

    @property
    def database(self) -> Path:
        """The file with the tasks."""
        return self.folder / "data" / "tasks.db"

    @property
    def url(self) -> str:
        """Where the service is now, or was last."""
        return self.service.url

    @property
    def writers(self) -> list[int]:
        """The processes that write for it now: one, or none while it is replaced."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return [
                child
                for child in children_of(self.service.pid)
                if b"process_main" in Path(f"/proc/{child}/cmdline").read_bytes()
            ]
        return []

    def new_life(self) -> ServiceProcess:
        """Return a life of the service that is still to be launched."""
        variables = {**self.variables(), **self.evidence.variables}
        flags = (*FLAGS, "--lease-s", str(LEASE_S), *self._flags)
        return UnconfiguredProcess(self.folder, *flags, env=variables)

    def variables(self) -> dict[str, str]:
        """Return the variables of the service, beside those of this process."""
        return {}

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Keep the service running while inside. Nothing of it runs afterwards."""
        async with self.evidence.open():
            self.service.start()
            try:
                await self.ready()
                yield
            finally:
                await self.service.end()

    async def ready(self) -> None:
        """Wait until the service accepts tasks.

        Raises:
            NeverReady: it cannot be started at all.
        """
        await self.service.ready()

    async def _disorder_found(self) -> Sequence[str]:
        return await asyncio.to_thread(disorder_found, self.database)
