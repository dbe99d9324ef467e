"""One child: the state that its supervisor keeps, and how it is started and shut down."""

import asyncio
import math
from collections import deque
from dataclasses import replace
from functools import partial
from typing import Final, NoReturn

from taskqueue.clock import Clock
from taskqueue.errors import AskTimeout, StartFailed
from taskqueue.foreign import rendering
from taskqueue.foreign.inspection import is_a
from taskqueue.runtime import (
    SHUTDOWN,
    ActorRef,
    Crash,
    ExitReason,
    Ignore,
    Message,
    as_reason,
    start_within,
)
from taskqueue.runtime.cancellation import is_being_cancelled, is_torn_down
from taskqueue.supervision.calls import ChildExit, ChildState
from taskqueue.supervision.decisions import ChildStatus, Pause, RestartDelays
from taskqueue.supervision.errors import ChildStartFailed
from taskqueue.supervision.specs import (
    BRUTAL_KILL,
    ChildSpec,
    Restart,
    ShutdownLimit,
    Started,
)

RESTARTING: Final = "restarting"

MOST_EXITS: Final = 20
"""How many exits of a child are kept."""

MOST_REASON: Final = 500
"""Maximum length of a kept reason, in characters."""


class Delay:
    """The time at which a child with a backoff is restarted; `timer` wakes the supervisor."""

    def __init__(self, until: float) -> None:
        self.until = until  # monotonic seconds
        self.timer: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """Cancel the timer."""
        if self.timer is not None:
            self.timer.cancel()


class BadReturn(Message):
    """The start function returned `value`, which is not an actor: the cause of a failed start."""

    value: object

    def __str__(self) -> str:
        """Return one line."""
        return f"the start function returned no actor but {rendering.shown(self.value, most=200)}"


class Child:
    """The state that a supervisor keeps of one child.

    Attributes:
        id: its id in its supervisor; None for an instance, which only has a reference.
        pid: its actor in reports: the URN of the current one or of the one that has just died;
            `restarting` while it waits for another attempt; None if it does not run.
        urn: the URN of its current or last actor.
        delay: the backoff that it waits for; None without one.
        waits_for: siblings that have to run before it is started.
    """

    def __init__(
        self, child_id: str | None, spec: ChildSpec, arguments: tuple[object, ...] = ()
    ) -> None:
        self.id = child_id
        self.spec = spec
        self.arguments = arguments  # of its start function
        self.status = ChildStatus.STOPPED
        self.ref: ActorRef | None = None
        self.urn = ""
        self.pid: str | None = None
        self.incarnation = 0  # successful starts; failed ones do not count
        self.started_at: float | None = None
        self.last_exit: ExitReason | None = None
        self.last_exit_at: float | None = None
        self.exits: deque[ChildExit] = deque(maxlen=MOST_EXITS)
        self.delay: Delay | None = None
        self.waits_for: tuple[str, ...] = ()
        self._delays = None if spec.backoff is None else RestartDelays(spec.backoff)

    async def start(self) -> Started | ActorRef:
        """Call its start function.

        Raises:
            Ignore: there is nothing to run.
            ChildStartFailed: it failed.
        """
        spec, task = self.spec, asyncio.current_task()
        try:
            started = await self._call_start()
        except Ignore:
            raise
        except StartFailed as error:
            raise ChildStartFailed(spec.id, _reason_of(error)) from error
        except asyncio.CancelledError as error:
            if is_being_cancelled():
                raise  # it is the supervisor that is killed
            raise ChildStartFailed(spec.id, Crash(error)) from error
        except BaseException as error:  # user code; its failure is an answer
            if is_torn_down(error, task):
                raise
            raise ChildStartFailed(spec.id, Crash(error)) from error
        if not is_a(reference(started), ActorRef):
            raise ChildStartFailed(spec.id, Crash(BadReturn(value=started)))
        return started

    async def _call_start(self) -> Started | ActorRef:
        start, limit_s = partial(self.spec.start, *self.arguments), self.spec.start_timeout_s
        return await (start() if limit_s is None else start_within(limit_s, start))

    def runs(self, ref: ActorRef, clock: Clock) -> None:
        """Note a successful start. The start function of a temporary child is released."""
        self.ref = ref
        self.pid = self.urn = ref.actor_urn
        self._turns(ChildStatus.RUNNING)
        self.incarnation += 1
        self.started_at = clock.now()
        if self._delays is not None:
            self._delays.started(clock.monotonic())
        if self.spec.restart == Restart.TEMPORARY:
            self.spec, self.arguments = replace(self.spec, start=_start_again), ()

    def ended(self, reason: ExitReason, clock: Clock) -> None:
        """Note the end of its actor."""
        self.ref = None
        self._turns(ChildStatus.STOPPED)
        self.last_exit = reason
        self.last_exit_at = clock.now()
        self.exits.append(self._exit(reason, self.last_exit_at))
        self.started_at = None
        if self._delays is not None:
            self._delays.ended(clock.monotonic())

    def _exit(self, reason: ExitReason, at: float) -> ChildExit:
        return ChildExit(
            incarnation=self.incarnation,
            reason=str(reason)[:MOST_REASON],
            started_at=self.started_at,
            at=at,
        )

    def next_pause(self, *, jitter: float) -> Pause | None:
        """Return the delay of its next restart; None without a backoff."""
        return None if self._delays is None else self._delays.next(jitter=jitter)

    def waits(self, delay: Delay | None = None, siblings: tuple[str, ...] = ()) -> None:
        """Note that it will be started: after a delay, when its siblings run, or by an attempt
        that is already queued.
        """
        self._turns(ChildStatus.RESTARTING)
        self.delay, self.waits_for = delay, siblings
        self.pid = RESTARTING

    @property
    def is_tried_again(self) -> bool:
        """Whether another restart attempt is queued."""
        return self.status == ChildStatus.RESTARTING and self.delay is None and not self.waits_for

    def rests(self) -> None:
        """Note that it does not run, and no restart is planned."""
        self._turns(ChildStatus.STOPPED)
        self.pid = None

    def _turns(self, status: ChildStatus) -> None:
        """Change the status and cancel what the child waited for."""
        self.status = status
        if self.delay is not None:
            self.delay.cancel()
        self.delay, self.waits_for = None, ()

    def state(self, clock: Clock) -> ChildState:
        """Return what `which_children` shows."""
        delay = self.delay
        return ChildState(
            id=self.id,
            type=self.spec.type,
            status=self.status,
            ref=self.ref,
            spec=self.spec,
            incarnation=self.incarnation,
            started_at=self.started_at,
            last_exit=self.last_exit,
            last_exit_at=self.last_exit_at,
            waits_for=self.waits_for,
            exits=tuple(self.exits),
            restart_in_s=None if delay is None else max(0.0, delay.until - clock.monotonic()),
        )


def reference(started: Started | ActorRef) -> ActorRef:
    """Return the actor that was started."""
    return started.ref if is_a(started, Started) else started  # type: ignore[return-value] # a type guard narrows one way


async def shut_down(ref: ActorRef, limit: ShutdownLimit) -> ExitReason:
    """Ask, wait, kill: OTP's shutdown of one child. Return its exit reason."""
    ended = ref.ended()
    if limit == BRUTAL_KILL:
        ref.kill()
        return await ended
    ref.exit(SHUTDOWN)
    if limit != math.inf:
        try:
            return await ended.within(limit, lambda: AskTimeout(ref.label, limit))
        except AskTimeout:
            ref.kill()
    return await ended


def _reason_of(error: StartFailed) -> ExitReason:
    """Return the cause of a failed start as an exit reason; user code may raise any cause."""
    return as_reason(error.cause)


def _start_again() -> NoReturn:
    raise RuntimeError("a temporary child is started once; its start function is not kept")
