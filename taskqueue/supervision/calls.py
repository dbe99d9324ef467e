"""The child API of a supervisor: OTP's calls, with typed answers.

Like OTP's, they wait without a time limit. They raise `ActorUnavailable` if the supervisor does not
run, or ends before it answers.
"""

from taskqueue.runtime import ActorRef, ExitReason, Message, Request, Target, ask
from taskqueue.supervision.decisions import ChildStatus
from taskqueue.supervision.specs import ChildSpec, ChildType, Started
from taskqueue.supervision.validation import GivenChild


class ChildExit(Message):
    """The end of one life of a child."""

    incarnation: int
    reason: str
    started_at: float | None  # UTC epoch seconds
    at: float


class ChildState(Message):
    """The state of one child."""

    id: str | None  # None: an instance, which only has a reference
    type: ChildType
    status: ChildStatus
    ref: ActorRef | None
    spec: ChildSpec
    incarnation: int  # how often it has been started here
    started_at: float | None  # UTC epoch seconds, of this incarnation
    last_exit: ExitReason | None  # how the incarnation before ended
    last_exit_at: float | None
    restart_in_s: float | None = None  # the remaining time of its backoff
    waits_for: tuple[str, ...] = ()  # siblings that it requires and that do not run
    exits: tuple[ChildExit, ...] = ()  # the latest, oldest first


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

    spec: GivenChild


class StartInstance(Request[Started | ActorRef | None]):
    """See `start_instance`."""

    arguments: tuple[object, ...]


class TerminateChild(Request[None]):
    """See `terminate_child`."""

    child: str | ActorRef


class RestartChild(Request[Started | ActorRef | None]):
    """See `restart_child`."""

    child: str | ActorRef


class DeleteChild(Request[None]):
    """See `delete_child`."""

    child: str | ActorRef


class GetChildSpec(Request[ChildSpec]):
    """See `get_childspec`."""

    child: str | ActorRef


class WhichChild(Request[ChildState]):
    """See `which_child`."""

    child: str | ActorRef


class GetOverview(Request[Overview]):
    """See `overview`."""


class CountChildren(Request[Counts]):
    """See `count_children`."""


async def start_child(supervisor: Target, spec: GivenChild) -> Started | ActorRef | None:
    """Add a child at the end of the start order and start it; None if its start is ignored.

    Raises:
        AlreadyStarted, AlreadyPresent: the id is in use; the new specification has no effect.
        ChildStartFailed: it did not start; nothing is kept.
        InvalidSpec: the specification is invalid, or not allowed in this supervisor.
        RequirementsNotRunning: siblings that it requires do not run; nothing is kept.
        MaxChildren: a dynamic supervisor has as many children as it may have.
        OnlyInstances: it has a template; see `start_instance`.
    """
    return await ask(supervisor, StartChild(spec=spec), timeout_s=None)


async def start_instance(supervisor: Target, *arguments: object) -> Started | ActorRef | None:
    """Start an instance of a `SimpleOneForOne`'s template; None if its start is ignored.

    `arguments` are those of the template's start function, here and at each restart. Source: OTP
    `supervisor:start_child/2` with a list of arguments.

    Raises:
        ChildStartFailed: it did not start; nothing is kept.
        InvalidSpec: that supervisor has no template.
    """
    return await ask(supervisor, StartInstance(arguments=arguments), timeout_s=None)


async def terminate_child(supervisor: Target, child: str | ActorRef) -> None:
    """Stop a child and keep its specification, unless it is temporary. Harmless if it is stopped.

    `child` is an id; of a dynamic supervisor it is a reference, and nothing of the child is kept.

    Raises:
        ChildNotFound: there is no such child. A `SimpleOneForOne` raises it for living actors only.
        OnlyInstances: a dynamic supervisor's children have no ids.
    """
    await ask(supervisor, TerminateChild(child=child), timeout_s=None)


async def restart_child(supervisor: Target, child: str | ActorRef) -> Started | ActorRef | None:
    """Start an existing child that does not run. It does not count as a restart.

    Raises:
        ChildNotFound, ChildRunning, ChildRestarting: there is no such child.
        ChildStartFailed: it did not start; it stays as it was.
        RequirementsNotRunning: siblings that it requires do not run; it stays as it was.
        OnlyInstances: a dynamic supervisor keeps no child that does not run.
    """
    return await ask(supervisor, RestartChild(child=child), timeout_s=None)


async def delete_child(supervisor: Target, child: str | ActorRef) -> None:
    """Delete the specification of a child that does not run.

    Raises:
        ChildNotFound, ChildRunning, ChildRestarting: there is no such child.
        OnlyInstances: a dynamic supervisor keeps no child that does not run.
    """
    await ask(supervisor, DeleteChild(child=child), timeout_s=None)


async def get_childspec(supervisor: Target, child: str | ActorRef) -> ChildSpec:
    """Return the specification of a child, with its effective shutdown limit.

    A `SimpleOneForOne` returns its template for the template's id, an instance or a dead actor.

    Raises:
        ChildNotFound: there is no such child.
        OnlyInstances: a `DynamicSupervisor`'s children have no ids.
    """
    return await ask(supervisor, GetChildSpec(child=child), timeout_s=None)


async def which_child(supervisor: Target, child: str | ActorRef) -> ChildState:
    """Return the state of one child.

    Raises:
        ChildNotFound: there is no such child.
        OnlyInstances: a dynamic supervisor's children have no ids.
    """
    return await ask(supervisor, WhichChild(child=child), timeout_s=None)


async def which_children(supervisor: Target) -> tuple[ChildState, ...]:
    """Return all children, last started first; of a dynamic supervisor in no particular order."""
    return tuple(reversed((await overview(supervisor)).children))


async def count_children(supervisor: Target) -> Counts:
    """Return the numbers of specifications, living actors, supervisors and workers."""
    return await ask(supervisor, CountChildren(), timeout_s=None)


async def overview(supervisor: Target, *, timeout_s: float | None = None) -> Overview:
    """Return a supervisor's flags, its restarts in the period, and its children in start order."""
    return await ask(supervisor, GetOverview(), timeout_s=timeout_s)
