"""The actor runtime: OTP's process semantics for pykka's actors.

    class Counter(Actor):
        @receives(Add)
        def on_add(self, message: Add) -> int: ...

    async with System() as system:
        counter = await system.spawn(Counter)
        total = await ask(counter, Add(amount=2))

Modules, from the bottom up:

    reply, deadlines, host         the future of an answer; a thread with a loop
    exits, messages, mailbox       exit reasons; messages and their queue
    ref, names, world, signals     references, names, exit signals and `Down`
    links, cell, owned, deferred   one incarnation: links, monitors, kill, tasks, its end
    lifecycle, starting, system    start handshake, message loop, end; the living actors
    asking, timers, limits         ask, request, tell, stop; timers; time limits of starts
    debugging, info, tracing       what an actor is doing and has done
    actor                          the base class of actors

`docs/actors.md` is the tutorial. Only this package imports pykka.
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
