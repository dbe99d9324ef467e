"""The actor runtime: what OTP gives a process, given to pykka's actors.

    hosts      threads with a loop, on which actors live           host
    starting   returns when `on_start` is done, or raises          actor, system
    talking    ask, tell, mailboxes, declared errors               ref, mailbox, reply, messages
    waiting    limits on waits and on starts                       deadlines, limits
    ending     reasons, links, monitors, kill, who is told when    exits, cell
    finding    names and groups                                    names
    later      messages that are sent after a while                timers
    debugging  what an actor is doing, and has done                info, tracing

Nobody outside this package touches pykka.
"""

from taskqueue.runtime.actor import Actor
from taskqueue.runtime.asking import (
    DEFAULT_ASK_TIMEOUT_S,
    Target,
    ask,
    request,
    stop,
    tell,
)
from taskqueue.runtime.debugging import Logged, get_log, get_state, resume, suspend
from taskqueue.runtime.deferred import Deferred
from taskqueue.runtime.exits import (
    KILLED,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    Crash,
    Exit,
    ExitReason,
    Ignore,
    Killed,
    NoProc,
    Normal,
    Shutdown,
    as_reason,
    is_orderly,
)
from taskqueue.runtime.host import Host, log_loop_error
from taskqueue.runtime.info import ProcessInfo, Status, process_info
from taskqueue.runtime.limits import start_within
from taskqueue.runtime.messages import Message, Request, receives
from taskqueue.runtime.names import Names, NameTaken
from taskqueue.runtime.ref import ActorRef
from taskqueue.runtime.reply import Reply
from taskqueue.runtime.signals import Down, ExitSignal
from taskqueue.runtime.system import System
from taskqueue.runtime.timers import Timer, send_after
from taskqueue.runtime.tracing import Figures, Trace, Traced, traced
from taskqueue.runtime.world import Address, World

__all__ = [
    "DEFAULT_ASK_TIMEOUT_S",
    "KILLED",
    "NOPROC",
    "NORMAL",
    "SHUTDOWN",
    "Actor",
    "ActorRef",
    "Address",
    "Crash",
    "Deferred",
    "Down",
    "Exit",
    "ExitReason",
    "ExitSignal",
    "Figures",
    "Host",
    "Ignore",
    "Killed",
    "Logged",
    "Message",
    "NameTaken",
    "Names",
    "NoProc",
    "Normal",
    "ProcessInfo",
    "Reply",
    "Request",
    "Shutdown",
    "Status",
    "System",
    "Target",
    "Timer",
    "Trace",
    "Traced",
    "World",
    "as_reason",
    "ask",
    "get_log",
    "get_state",
    "is_orderly",
    "log_loop_error",
    "process_info",
    "receives",
    "request",
    "resume",
    "send_after",
    "start_within",
    "stop",
    "suspend",
    "tell",
    "traced",
]
