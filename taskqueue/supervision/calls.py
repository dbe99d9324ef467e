"""The child API of a supervisor: OTP's calls, with typed answers.

Like OTP's they wait as long as it takes. To an absent supervisor, and to one that ends before it
answers, they raise `ActorUnavailable`.
"""

from taskqueue.actors.runtime import ActorRef, ExitReason, Message, Request, Target, ask
from taskqueue.supervision.decisions import ChildStatus
from taskqueue.supervision.specs import ChildSpec, ChildType, Started


class ChildState(Message):
    """One child, as its supervisor sees it."""

    id: str
    type: ChildType
    status: ChildStatus
    ref: ActorRef | None
    spec: ChildSpec
    incarnation: int  # how often it has been started here
    started_at: float | None  # UTC epoch seconds, of this incarnation
    last_exit: ExitReason | None  # how the incarnation before ended
    last_exit_at: float | None


class Counts(Message):
    """What `count_children` answers."""

    specs: int
    active: int
    supervisors: int
    workers: int


class Overview(Message):
    """A supervisor and its children, in start order."""

    strategy: str
    max_restarts: int
    period_s: int
    restarts_in_period: int
    children: tuple[ChildState, ...]


class StartChild(Request[Started | ActorRef | None]):
    """See `start_child`."""

    spec: ChildSpec


class TerminateChild(Request[None]):
    """See `terminate_child`."""

    child_id: str


class RestartChild(Request[Started | ActorRef | None]):
    """See `restart_child`."""

    child_id: str


class DeleteChild(Request[None]):
    """See `delete_child`."""

    child_id: str


class GetOverview(Request[Overview]):
    """See `overview`."""


class CountChildren(Request[Counts]):
    """See `count_children`."""


async def start_child(supervisor: Target, spec: ChildSpec) -> Started | ActorRef | None:
    """Add a child at the end of the start order and start it; None if its start is ignored.

    Raises:
        AlreadyStarted, AlreadyPresent: the id is in use; the new specification is not looked at.
        ChildStartFailed: it did not start; nothing is kept.
        InvalidSpec: it does not fit this supervisor.
    """
    return await ask(supervisor, StartChild(spec=spec), timeout_s=None)


async def terminate_child(supervisor: Target, child_id: str) -> None:
    """Stop a child and keep its specification, unless it is temporary. Harmless if it is stopped.

    Raises:
        ChildNotFound: there is no child of that id.
    """
    await ask(supervisor, TerminateChild(child_id=child_id), timeout_s=None)


async def restart_child(supervisor: Target, child_id: str) -> Started | ActorRef | None:
    """Start a child that is there but does not run. Not counted as a restart.

    Raises:
        ChildNotFound, ChildRunning, ChildRestarting: it is not of that kind.
        ChildStartFailed: it did not start; it stays as it was.
    """
    return await ask(supervisor, RestartChild(child_id=child_id), timeout_s=None)


async def delete_child(supervisor: Target, child_id: str) -> None:
    """Forget a child that does not run.

    Raises:
        ChildNotFound, ChildRunning, ChildRestarting: it is not of that kind.
    """
    await ask(supervisor, DeleteChild(child_id=child_id), timeout_s=None)


async def which_children(supervisor: Target) -> tuple[ChildState, ...]:
    """Return all children, last started first."""
    return tuple(reversed((await overview(supervisor)).children))


async def count_children(supervisor: Target) -> Counts:
    """Return how many specifications, living actors, supervisors and workers there are."""
    return await ask(supervisor, CountChildren(), timeout_s=None)


async def overview(supervisor: Target, *, timeout_s: float | None = None) -> Overview:
    """Return a supervisor's flags, its restarts in the period, and its children in start order."""
    return await ask(supervisor, GetOverview(), timeout_s=timeout_s)
