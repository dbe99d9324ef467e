"""What the service, its fork server and their workers say to each other."""

from typing import TypeAlias

from taskqueue.rules.tasks import Outcome, Rows, Statement, Task
from taskqueue.settings.model import LogFormat, LogLevel
from taskqueue.structs import Word

# --- to the fork server ---------------------------------------------------------------------------


class Prepare(Word, tag=True):
    """Import the app; the first message."""

    app: str  # module:app
    folder: str  # where the service looked for it first
    path: tuple[str, ...]  # where modules are looked for
    log: tuple[LogFormat, LogLevel] | None


class Fork(Word, tag=True):
    """Start a worker. Its end of the pipe, a descriptor, comes with this."""


class Kill(Word, tag=True):
    """Kill a worker with its process group. One that has ended is not there to be killed."""

    pid: int


ToForkServer: TypeAlias = Prepare | Fork | Kill

# --- from the fork server -------------------------------------------------------------------------


class Prepared(Word, tag=True):
    """The app is imported."""


class Unusable(Word, tag=True):
    """The app cannot be imported."""

    reason: str


class Forked(Word, tag=True):
    """A worker is there. Forks are answered in their order."""

    pid: int


class NotForked(Word, tag=True):
    """No worker could be started."""

    reason: str


class Ended(Word, tag=True):
    """A worker has ended, and its process group with it."""

    pid: int
    exit_code: int  # negative: the signal that killed it
    peak_mb: float  # the most memory it ever had, MiB


FromForkServer: TypeAlias = Prepared | Unusable | Forked | NotForked | Ended

# --- to and from a worker -------------------------------------------------------------------------


class Run(Word, tag=True):
    """Make this attempt; a larger result is refused."""

    task: Task
    max_result_bytes: int


class Rehearsed(Word, tag=True):
    """The answer to `Rehearse`: the rows, or why there are none."""

    rows: Rows | None = None
    refused: str | None = None  # the statement cannot be applied
    unavailable: str | None = None  # the database does not answer now


class Progressed(Word, tag=True):
    """So far the attempt is (JSON text). Not answered."""

    progress: str


class Rehearse(Word, tag=True):
    """Answer a query as if statements had been applied before it."""

    statements: tuple[Statement, ...]
    query: Statement


class Done(Word, tag=True):
    """The attempt is made."""

    outcome: Outcome
    memory_mb: float | None  # what the worker holds now, MiB; None: it cannot tell


ToWorker: TypeAlias = Run | Rehearsed
FromWorker: TypeAlias = Progressed | Rehearse | Done
