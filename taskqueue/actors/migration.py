"""The migration: a one-shot actor that brings the schema up to date and is gone.

Like a process it ends with an exit code: 0 is a normal end and it is never started again; any other
code is abnormal, and its supervisor tries again within its intensity.
"""

from taskqueue.actors.messages import DATABASE, Migrate
from taskqueue.errors import ActorError, StorageError
from taskqueue.events import events
from taskqueue.runtime import NORMAL, Actor, Crash, Exit, ask


class ExitCode(Exception):
    """A one-shot actor ended with a code other than 0; `why` is what it had to say."""

    def __init__(self, code: int, why: str) -> None:
        self.code = code
        self.why = why
        super().__init__(f"exit code {code}: {why}")


class MigrationActor(Actor):
    """Has the database migrate, and exits."""

    def on_start(self) -> None:
        """Begin; the work is done after the handshake, so that its end is an exit."""
        self.start_task(self._main())

    async def _main(self) -> None:
        try:
            steps = await ask(self.address(DATABASE), Migrate(), timeout_s=None)
        except (StorageError, ActorError) as error:
            events.error("migration_failed", reason=str(error))
            raise Exit(Crash(ExitCode(1, str(error)))) from error
        for step in steps:
            events.info("migration_applied", step=step)
        events.info("migration_done", exit_code=0, steps=len(steps))
        raise Exit(NORMAL)
