"""The part of a storage that opens and closes it, and brings its schema up to date."""

from collections.abc import Callable
from typing import Protocol

from taskqueue.errors import StorageUnavailable
from taskqueue.rules.groups import GroupEnd
from taskqueue.structs import Struct


class Migration(Struct):
    """One step of the schema that `migrate` has taken."""

    version: int
    name: str


class Schema(Struct):
    """The schema version of a database, and the steps to the one of this release (`wanted`)."""

    version: int
    wanted: int
    pending: tuple[Migration, ...]


class Lifecycle(Protocol):
    """From the first migration to the last close."""

    async def open(self) -> None:
        """Open what `migrate` has made; ready for every other verb when this returns.

        Never creates anything: a database that vanished must not come back empty. Harmless when
        open.

        Raises:
            StorageUnavailable: it is not there, held by another process, or not readable.
            StorageCorrupt: what is there is no database.
            SchemaMismatch: it was written by another release, or never migrated.
        """
        ...

    async def close(self) -> None:
        """Finish what is in progress and release all resources. Harmless when not open."""
        ...

    def abandon(self) -> None:
        """Release all resources without waiting, because the owner was killed and cannot await.

        Verbs in progress and later ones raise `StorageUnavailable`. A commit that is under way
        ends, written or not; what waits behind it is not begun. An `open` or `migrate` in progress
        is not stopped by this but by cancelling it. Call it on the loop's thread or when the loop
        has ended. Harmless when not open.
        """
        ...

    def on_loss(self, notify: Callable[[StorageUnavailable], object]) -> None:
        """Call `notify` when the open storage can no longer be written, before a verb fails.

        Some engines notice that by themselves: a connection that ends, a disk that hangs.
        """
        ...

    def on_foreign_commit(self, notify: Callable[[], object]) -> None:
        """Call `notify` soon after another process has written to what this one has open.

        A hint: some engines cannot tell, a call may cover many commits, and one may be missing.
        `all_due` and the other verbs that read say what is true.
        """
        ...

    async def hears_others(self) -> bool:
        """Return whether `on_foreign_commit` is called for all that others commit from now on.

        Then they need not be asked often. It is called as well when that ends. False if the engine
        cannot be sure.
        """
        ...

    def on_foreign_tasks(self, notify: Callable[[], object]) -> None:
        """Call `notify` as soon as another process has most likely inserted tasks that are due.

        A hint as well, and `on_foreign_commit` follows.
        """
        ...

    def on_group_end(self, notify: Callable[[GroupEnd], object]) -> None:
        """Call `notify` after each commit of this storage in which a group has ended, once for it.

        A commit of another process calls nothing, and neither does one whose answer was lost.
        """
        ...

    async def migrate(self) -> tuple[Migration, ...]:
        """Create or bring the schema up to date; return the steps taken, none if it was.

        All steps commit together or none does. Works before `open`, and beside an open storage.
        An engine that one process at a time may have open is held from here until `close`.

        Raises:
            StorageUnavailable: it is held by another process, or cannot be created.
            StorageCorrupt: what is there is no database.
            SchemaMismatch: the schema is newer than this release.
        """
        ...

    async def probe(self) -> None:
        """Check that a write can be made durable now; leaves nothing behind.

        Writes as much as a busy commit does, to find a disk full that has room for a few bytes.
        """
        ...
