"""The migration: a one-shot actor that brings the schema up to date and ends.

A failure that may pass, such as a lock, ends it with exit code 1, and its supervisor restarts it
within the intensity. A failure that only an operator can mend fails its start: there is no retry.
"""

from taskqueue.actors.messages import DATABASE, Migrate
from taskqueue.errors import (
    ActorError,
    OperationFailed,
    StorageDenied,
    StorageReadOnly,
    StorageUnavailable,
)
from taskqueue.events import events
from taskqueue.runtime import NORMAL, Actor, Crash, Exit, ExitReason, ask


class ExitCode(Exception):
    """A one-shot actor ended with a code other than 0; `why` says why."""

    def __init__(self, code: int, why: str) -> None:
        self.code = code
        self.why = why
        super().__init__(f"exit code {code}: {why}")


class MigrationActor(Actor):
    """Has the database migrate, and exits."""

    async def on_start(self) -> None:
        """Migrate, then exit with the result.

        Raises:
            StorageError: the database is none, is another program's or a newer release's, or
                must not be written, or a step of the migration fails.
        """
        self.start_task(self._exit(await self._migrate()))

    async def _migrate(self) -> ExitReason:
        try:
            steps = await ask(self.address(DATABASE), Migrate(), timeout_s=None)
        except (StorageReadOnly, StorageDenied, OperationFailed):
            raise
        except (StorageUnavailable, ActorError) as error:
            events.error("migration_failed", reason=str(error))
            return Crash(ExitCode(1, str(error)))
        for step in steps:
            events.info("migration_applied", step=step)
        events.info("migration_done", exit_code=0, steps=len(steps))
        return NORMAL

    async def _exit(self, reason: ExitReason) -> None:
        raise Exit(reason)
