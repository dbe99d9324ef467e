"""OTP's `supervisor`: an ordered list of children, and the calls that change it."""

from taskqueue.foreign import rendering
from taskqueue.foreign.inspection import is_a, plain
from taskqueue.runtime import ActorRef, receives
from taskqueue.supervision.calls import (
    ChildState,
    CountChildren,
    Counts,
    DeleteChild,
    GetChildSpec,
    RestartChild,
    StartChild,
    TerminateChild,
    WhichChild,
)
from taskqueue.supervision.child import Child
from taskqueue.supervision.decisions import ChildStatus
from taskqueue.supervision.errors import (
    AlreadyPresent,
    AlreadyStarted,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    ChildStartFailed,
    RequirementsNotRunning,
    SupervisionError,
)
from taskqueue.supervision.ordered import ListSupervisor
from taskqueue.supervision.specs import ChildSpec, ChildType, InvalidSpec, Started
from taskqueue.supervision.validation import check_requires, read_child


class Supervisor(ListSupervisor):
    """OTP's `supervisor`: starts a list of children; more can be added later.

    Its start returns when all children run. It stops them in reverse order.

    Args:
        name: registered while it lives.
        children: in start order.
        flags: by default one_for_one, and one restart in five seconds.
        clock: of its restarts.

    Its start fails with `InvalidSpec` before any child is started if the flags (`supervisor_data`)
    or a specification (`start_spec`) are invalid, and with `Shutdown(FailedToStartChild)` if a
    child fails. A subclass may override `on_start`, for example to raise `Ignore`.
    """

    @receives(StartChild, answers=(SupervisionError, InvalidSpec))
    async def on_start_child(self, message: StartChild) -> Started | ActorRef | None:
        """Answer `start_child`."""
        spec = read_child(message.spec, self.flags.auto_shutdown)
        children = self._children
        check_requires(spec, {id_: children[id_].spec for id_ in spec.requires if id_ in children})
        present = self._children.get(spec.id)
        if present is not None:
            if present.ref is not None:
                raise AlreadyStarted(spec.id, present.ref)
            raise AlreadyPresent(spec.id)
        self._refuse_missing(spec)
        child = self._add(spec)
        try:
            return await self._start(child)
        except ChildStartFailed as error:
            del self._children[spec.id]
            raise ChildStartFailed(spec.id, error.reason, spec) from error

    @receives(TerminateChild, answers=(SupervisionError,))
    async def on_terminate_child(self, message: TerminateChild) -> None:
        """Answer `terminate_child`."""
        child = self._find(message.child)
        await self._stop_child(child)
        self._retire(child)

    @receives(RestartChild, answers=(SupervisionError,))
    async def on_restart_child(self, message: RestartChild) -> Started | ActorRef | None:
        """Answer `restart_child`."""
        child = self._find_stopped(message.child)
        self._refuse_missing(child.spec)
        return await self._start(child)

    @receives(DeleteChild, answers=(SupervisionError,))
    def on_delete_child(self, message: DeleteChild) -> None:
        """Answer `delete_child`."""
        del self._children[self._find_stopped(message.child).spec.id]

    @receives(GetChildSpec, answers=(SupervisionError,))
    def on_get_childspec(self, message: GetChildSpec) -> ChildSpec:
        """Answer `get_childspec`."""
        return self._find(message.child).spec.complete()

    @receives(WhichChild, answers=(SupervisionError,))
    def on_which_child(self, message: WhichChild) -> ChildState:
        """Answer `which_child`."""
        return self._find(message.child).state(self._clock)

    @receives(CountChildren)
    def on_count_children(self, _: CountChildren) -> Counts:
        """Answer `count_children`."""
        children = self._children.values()
        supervisors = sum(child.spec.type == ChildType.SUPERVISOR for child in children)
        return Counts(
            specs=len(children),
            active=sum(child.ref is not None and child.ref.is_alive() for child in children),
            supervisors=supervisors,
            workers=len(children) - supervisors,
        )

    def _refuse_missing(self, spec: ChildSpec) -> None:
        if missing := self._missing(spec):
            raise RequirementsNotRunning(spec.id, missing)

    def _find(self, child: str | ActorRef) -> Child:
        """Return the child with that id; a reference is not an id."""
        found = self._children.get(plain(child)) if is_a(child, str) else None
        if found is None:
            raise ChildNotFound(rendering.text(child))
        return found

    def _find_stopped(self, child: str | ActorRef) -> Child:
        found = self._find(child)
        match found.status:
            case ChildStatus.RUNNING:
                raise ChildRunning(found.spec.id)
            case ChildStatus.RESTARTING:
                raise ChildRestarting(found.spec.id)
            case ChildStatus.STOPPED:
                return found
