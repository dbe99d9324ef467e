"""The processes of a scenario: workers and supervisors that do as they are told."""

import asyncio
from dataclasses import dataclass
from typing import Any

from taskqueue.runtime import (
    Actor,
    ActorRef,
    Exit,
    Ignore,
    Message,
    receives,
)
from taskqueue.supervision import SimpleOneForOne, Supervisor
from tests.otp.canonical import Json, RaisedInCallback, reason_of

Path = tuple[str, ...]

SIMPLE = "simple_one_for_one"


@dataclass(eq=False)
class Process:
    """One start attempt at a path, and who came of it."""

    path: Path
    n: int
    parent: "Process | None"
    behaviour: dict[str, Json]
    ref: ActorRef | None = None
    ended: bool = False

    @property
    def name(self) -> str:
        return f"{'/'.join(self.path)}#{self.n}"

    @property
    def pid(self) -> Json:
        return {"pid": list(self.path), "n": self.n}

    @property
    def supervises(self) -> bool:
        return "children" in self.behaviour

    @property
    def is_simple(self) -> bool:
        return self.behaviour.get("strategy") == SIMPLE

    @property
    def outcome(self) -> Json:
        """What becomes of this attempt; the last of the list is that of all later ones."""
        outcomes = self.behaviour.get("start", ["ok"])
        return outcomes[min(self.n, len(outcomes)) - 1]

    def is_alive(self) -> bool:
        return self.ref is not None and self.ref.is_alive()

    def is_orphan(self) -> bool:
        """Tell whether an ancestor has ended."""
        return self.parent is not None and (self.parent.ended or self.parent.is_orphan())


class Die(Message):
    """End at once, without what the stop callback would do."""

    reason: Json


class Work(Message):
    """Take this long to handle, in seconds."""

    seconds: float


class Unlink(Message):
    """Cut the link to the supervisor."""


class SendExit(Message):
    """Send an exit signal to somebody."""

    to: ActorRef
    reason: Json


class Sender(Actor):
    """An actor that sends exit signals."""

    @receives(SendExit)
    def on_send_exit(self, message: SendExit) -> None:
        send_exit(message.to, message.reason)


class Stranger(Sender):
    """Nobody's parent, and linked to nobody."""


class Worker(Sender):
    """A worker that starts, stops and crashes as its scenario wants."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self.label = process.name
        self._process = process
        self._crashed = False

    async def on_start(self) -> None:
        await asyncio.sleep(self._process.behaviour.get("start_delay", 0) / 1000)
        play(self._process.outcome)

    async def on_stop(self) -> None:
        behaviour = self._process.behaviour
        if self._crashed or not self.trap_exit:
            return
        await asyncio.sleep(behaviour.get("stop_delay", 0) / 1000)
        if behaviour.get("ignore_shutdown", False):
            await asyncio.get_running_loop().create_future()
        if "stop_reason" in behaviour:
            raise Exit(reason_of(behaviour["stop_reason"]))

    @receives(Die)
    def on_die(self, message: Die) -> None:
        self._crashed = True
        match message.reason:
            case {"raise": cause}:
                raise RaisedInCallback(cause)
            case reason:
                raise Exit(reason_of(reason))

    @receives(Work)
    async def on_work(self, message: Work) -> None:
        await asyncio.sleep(message.seconds)

    @receives(Unlink)
    def on_unlink(self, _: Unlink) -> None:
        supervisor = self._process.parent
        assert supervisor is not None
        assert supervisor.ref is not None
        self.unlink(supervisor.ref)


class TrappingWorker(Worker):
    """One that gets exit signals as messages."""

    trap_exit = True


class Scripted(Actor):
    """A supervisor's init callback that does what its scenario wants."""

    def __init__(self, process: Process, *args: Any) -> None:
        super().__init__(process.name, *args)
        self._process = process

    async def on_start(self) -> None:
        play(self._process.outcome)
        hook = super().on_start()
        if hook is not None:
            await hook


class ScriptedSupervisor(Scripted, Supervisor):
    """A static supervisor of a scenario."""


class ScriptedSimpleOneForOne(Scripted, SimpleOneForOne):
    """A simple_one_for_one supervisor of a scenario."""


def send_exit(to: ActorRef, reason: Json) -> None:
    """Send an exit signal from whoever runs this: an actor, or the outside."""
    if reason == "kill":
        to.kill()
    else:
        to.exit(reason_of(reason))


def play(outcome: Json) -> None:
    """Do in a process that starts what the outcome says."""
    match outcome:
        case "ignore":
            raise Ignore
        case ["error" | "exit", reason]:
            raise Exit(reason_of(reason))
