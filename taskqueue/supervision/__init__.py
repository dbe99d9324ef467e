"""Supervision as OTP does it: specifications, pure decisions, and the actor that obeys them.

    root = await system.spawn(
        Supervisor,
        "root",
        [
            ChildSpec(id="room", start=Room.start_link),
            ChildSpec(id="clock", start=Clock.start_link, restart=Restart.TRANSIENT),
        ],
        Flags(strategy=Strategy.ONE_FOR_ALL, intensity=Intensity(max_restarts=3, period_s=10)),
    )

Where to look, from the ground up:

    specs, validation           what a supervisor needs to know, and what it refuses
    decisions                   restart, keep or forget; in which order; one too many?  pure
    child, reports              one child: its start, its end, its events
    calls, errors               start_child, terminate_child, which_children …
    base                        a child ends, and is restarted or not
    ordered, supervisor         a list of children
    dynamic, one_off            children that come and go; a coroutine as a child
    tree                        a picture of all of it

`docs/actors.md` is the guided tour, `docs/otp.md` the rules case by case.
"""

from taskqueue.supervision.calls import (
    ChildExit,
    ChildState,
    Counts,
    Overview,
    count_children,
    delete_child,
    get_childspec,
    overview,
    restart_child,
    start_child,
    start_instance,
    terminate_child,
    which_child,
    which_children,
)
from taskqueue.supervision.child import BadReturn
from taskqueue.supervision.decisions import ChildStatus
from taskqueue.supervision.dynamic import DynamicSupervisor, SimpleOneForOne
from taskqueue.supervision.errors import (
    AlreadyPresent,
    AlreadyStarted,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    ChildStartFailed,
    MaxChildren,
    OnlyInstances,
    RequirementsNotRunning,
    SupervisionError,
)
from taskqueue.supervision.one_off import OneOff, start_one_off
from taskqueue.supervision.ordered import FailedToStartChild
from taskqueue.supervision.specs import (
    BRUTAL_KILL,
    AutoShutdown,
    Backoff,
    ChildSpec,
    ChildType,
    Flags,
    Intensity,
    InvalidSpec,
    Restart,
    Started,
    Strategy,
)
from taskqueue.supervision.supervisor import Supervisor
from taskqueue.supervision.tree import Node, find, picture, snapshot
from taskqueue.supervision.validation import check_childspecs

__all__ = [
    "BRUTAL_KILL",
    "AlreadyPresent",
    "AlreadyStarted",
    "AutoShutdown",
    "Backoff",
    "BadReturn",
    "ChildExit",
    "ChildNotFound",
    "ChildRestarting",
    "ChildRunning",
    "ChildSpec",
    "ChildStartFailed",
    "ChildState",
    "ChildStatus",
    "ChildType",
    "Counts",
    "DynamicSupervisor",
    "FailedToStartChild",
    "Flags",
    "Intensity",
    "InvalidSpec",
    "MaxChildren",
    "Node",
    "OneOff",
    "OnlyInstances",
    "Overview",
    "RequirementsNotRunning",
    "Restart",
    "SimpleOneForOne",
    "Started",
    "Strategy",
    "SupervisionError",
    "Supervisor",
    "check_childspecs",
    "count_children",
    "delete_child",
    "find",
    "get_childspec",
    "overview",
    "picture",
    "restart_child",
    "snapshot",
    "start_child",
    "start_instance",
    "start_one_off",
    "terminate_child",
    "which_child",
    "which_children",
]
