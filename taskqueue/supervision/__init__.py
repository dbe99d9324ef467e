"""OTP supervision: specifications, pure decisions, and the actors that carry them out.

    root = await system.spawn(
        Supervisor,
        "root",
        [
            ChildSpec(id="room", start=Room.start_link),
            ChildSpec(id="clock", start=Clock.start_link, restart=Restart.TRANSIENT),
        ],
        Flags(strategy=Strategy.ONE_FOR_ALL, intensity=Intensity(max_restarts=3, period_s=10)),
    )

Modules, from the bottom up:

    specs, validation           specifications and flags, and their checks
    decisions                   pure: restart, keep or forget; in which order; intensity exceeded?
    child, reports              one child: its start, its end, its events
    calls, errors               start_child, terminate_child, which_children …
    base                        what happens when a child ends
    ordered, supervisor         an ordered list of children
    dynamic, one_off            children that come and go; a coroutine as a child
    tree                        snapshots and pictures of a tree

`docs/actors.md` is the tutorial, `docs/otp.md` has every rule.
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
