"""What the service, its fork server and their workers say to each other."""

from typing import TypeAlias

from taskqueue.rules.limits import LimitUse
from taskqueue.rules.running import HandlerStack
from taskqueue.rules.tasks import Outcome, Rows, Statement, Task
from taskqueue.settings.model import LogFormat, LogLevel
from taskqueue.structs import Struct

# --- to the fork server ---------------------------------------------------------------------------


class Prepare(Struct, tag=True):
    """Import the app; the first message."""

    app: str  # module:app
    folder: str  # where the service looked for it first
    path: tuple[str, ...]  # where modules are looked for
    log: tuple[LogFormat, LogLevel] | None


class Fork(Struct, tag=True):
    """Start a worker. Its end of the pipe, a descriptor, comes with this."""


class Kill(Struct, tag=True):
    """Kill a worker with its process group. One that has ended is not there to be killed."""

    pid: int


class Locate(Struct, tag=True):
    """Ask a worker for the stack of its handler. Not answered by one that does not react."""

    pid: int


ToForkServer: TypeAlias = Prepare | Fork | Kill | Locate

# --- from the fork server -------------------------------------------------------------------------


class Prepared(Struct, tag=True):
    """The app is imported."""


class Unusable(Struct, tag=True):
    """The app cannot be imported."""

    reason: str


class Forked(Struct, tag=True):
    """A worker is there. Forks are answered in their order."""

    pid: int


class NotForked(Struct, tag=True):
    """No worker could be started."""

    reason: str


class Ended(Struct, tag=True):
    """A worker has ended, and its process group with it."""

    pid: int
    exit_code: int  # negative: the signal that killed it
    peak_mb: float  # the most memory it ever had, MiB


class Located(Struct, tag=True):
    """The stack of the handler of a worker's task when it was asked."""

    pid: int
    task_id: str | None  # None: it had begun none, or had ended it
    stack: HandlerStack


FromForkServer: TypeAlias = Prepared | Unusable | Forked | NotForked | Ended | Located

# --- to and from a worker -------------------------------------------------------------------------


class Run(Struct, tag=True):
    """Make this attempt; a larger result is refused."""

    task: Task
    max_result_bytes: int


class DryRunAnswer(Struct, tag=True):
    """The answer to `DryRunQuery`: the rows, or why there are none."""

    rows: Rows | None = None
    refused: str | None = None  # the statement cannot be applied
    unavailable: str | None = None  # the database does not answer now


class Ready(Struct, tag=True):
    """The first message: the app's resources are open, or `failure` says why they are not."""

    failure: str | None = None


class Progressed(Struct, tag=True):
    """So far the attempt is (JSON text). Not answered."""

    progress: str


class Spent(Struct, tag=True):
    """The attempt has cost so much beyond its start. Not answered."""

    use: LimitUse


class Logged(Struct, tag=True):
    """The attempt has logged these lines; `dropped` came before them. Not answered."""

    lines: tuple[bytes, ...]
    dropped: int


class DryRunQuery(Struct, tag=True):
    """Answer a query as if statements had been applied before it."""

    statements: tuple[Statement, ...]
    query: Statement


class Done(Struct, tag=True):
    """The attempt is made."""

    outcome: Outcome
    memory_mb: float | None  # what the worker holds now, MiB; None: it cannot tell
    is_last: bool = False  # the worker can make no other


ToWorker: TypeAlias = Run | DryRunAnswer
OfAttempt: TypeAlias = Progressed | Spent | Logged | DryRunQuery | Done
FromWorker: TypeAlias = Ready | OfAttempt
