"""What is true of one engine only, from its URL in the settings to its storage.

    database = databases.named("sqlite:///data/tasks.db")    # a value: which one, used how
    with backend_of(database) as backend:                    # what takes long to start is started
        await backend.prepare()                              # can a service run on it?
        storage = backend.storage()                          # one for each life of its owner

Locks, files, processes, connections and errors of the engine stay below this.
"""

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

from taskqueue.rules.measures import CommitMeasures
from taskqueue.rules.tasks import Owner
from taskqueue.storage.protocol import Storage
from taskqueue.structs import Struct

if TYPE_CHECKING:  # the settings know this module, and `--help` must not load asyncio
    from taskqueue.clock import Clock


class Backend(Protocol):
    """An engine while a service runs on it.

    As a context manager it ends what it has started ahead and no storage has taken.
    """

    @property
    def owner(self) -> Owner:
        """The owner of this service's leases: its node, and this incarnation of it."""
        ...

    @property
    def commits(self) -> CommitMeasures:
        """What all its storages have committed, as far as this engine measures it."""
        ...

    @property
    def clock(self) -> "Clock | None":
        """The clock that all services of this database go by; None: there is one at a time.

        Right once `prepare` has returned. Heartbeats keep it right.
        """
        ...

    async def prepare(self) -> None:
        """Make sure that a service can run on this database.

        Called before the supervision tree starts, which would try a hopeless case again and again.

        Raises:
            StorageUnavailable: the place cannot be made or written, or another service serves it
                and the engine allows only one; `reason` says so in one line.
            StorageError: it is no database of the queue, or a newer release's.
        """
        ...

    def storage(self) -> Storage:
        """Return a storage that is not open yet, with all that earlier ones have committed."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class Database(Struct):
    """Which database a service uses, and how. `str` shows it, without any password.

    A field that is annotated with a help text is a setting of this engine, under its own name:
    `Annotated[Literal["A", "B"], "What it does."]`, or for another URL of the engine
    `Annotated[Database | None, "What it is for."]`.
    """

    scheme: ClassVar[str]
    example: ClassVar[str]

    @classmethod
    def named(cls, url: str) -> Self | None:
        """Return the database that `url` names, None if it names none.

        Raises:
            ValueError: it does not, and the text says what is wrong.
        """
        raise NotImplementedError

    def under(self, folder: Path) -> Self:
        """Return the same database, its relative path, if it has one, beginning at `folder`."""
        return self

    def service_file(self) -> Path | None:
        """Return the file through which processes of one machine agree which runs the service.

        Its folder is there. None: each process may run a service of its own.

        Raises:
            OSError: the folder cannot be made.
        """
        return None
