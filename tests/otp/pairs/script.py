"""Runs a script of a few statements with actors; `pairs.escript` runs the same with processes.

    start a trap; start b; ask a link b; tell b note a hello, die boom; heard a; ended b

Each statement that observes something adds one result:

    start X OPTS         start an actor from outside            stops      which `on_stop` ran, why
    child P X OPTS       P starts X and links it                whereis N  who carries a name
    sup S X              a supervisor with one child            register N X
    ask X OPS            a call: the answer of the last op      members G  the size of a group
    post X OPS           a call that is not waited for          answers    what became of those
    tell X OPS           a cast                                 heard X    messages and signals
    kill, suspend, resume, garbage X; stop X R; count X         ended X    the exit reason, or alive
    rest                 wait until all actors wait

OPTS: trap, ignore, fail=R, end=R or end=slow (what `on_stop` does), name=N.
OPS, done in one handler: link, unlink, monitor, demonitor, kill, alive, await Y; exit Y R;
note Y W; ask Y W; die R; crash W; say W; work; join G.
R is a reason: normal, shutdown, shutdown:x, killed, or any word.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from taskqueue.errors import ActorUnavailable, StartFailed
from taskqueue.runtime import (
    KILLED,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    Actor,
    ActorRef,
    Crash,
    Down,
    Exit,
    ExitReason,
    ExitSignal,
    Ignore,
    Message,
    Names,
    NameTaken,
    Reply,
    Request,
    Shutdown,
    System,
    ask,
    get_state,
    receives,
    request,
    resume,
    stop,
    suspend,
    tell,
)
from taskqueue.supervision import ChildSpec, Flags, Intensity, Supervisor
from tests.otp.canonical import Json

WORK_S = 0.02

Options = dict[str, str]
Rest = Callable[[System], Awaitable[None]]


class Do(Request[Json]):
    """Do these, one after the other; answer what the last one says."""

    ops: list[list[str]]


class StartChild(Request[Json]):
    """Start and link an actor."""

    kind: type["Puppet"]
    name: str
    options: Options


class Note(Message):
    """Remember this."""

    text: str


class Heard(Request[Json]):
    """Answer what you remember."""


class Garbage(Message):
    """A message that no actor understands."""


class Oops(Exception):
    """What `crash` raises."""


class Puppet(Actor):
    """An actor that does what its script says."""

    def __init__(self, stage: "Stage", name: str, options: Options) -> None:
        super().__init__()
        self._part = name
        self.registered_name = options.get("name")
        self.heard: list[Json] = []
        self.count = 0
        self._stage, self._options = stage, options
        self._monitors: dict[str, int] = {}

    def on_start(self) -> None:
        self._stage.enters(self._part, self.ref)
        if "ignore" in self._options:
            raise Ignore
        if (reason := self._options.get("fail")) is not None:
            end_with(reason)

    async def on_stop(self) -> None:
        assert self.exit_reason is not None
        self._stage.stops.append([self._part, json_of(self.exit_reason)])
        match self._options.get("end"):
            case None:
                return
            case "slow":
                await asyncio.sleep(3 * WORK_S)
            case reason:
                end_with(reason)

    @receives(Do)
    async def on_do(self, message: Do) -> Json:
        answer: Json = "ok"
        for op in message.ops:
            said = await self._do(op)
            answer = "ok" if said is None else said
        return answer

    async def _do(self, op: list[str]) -> Json:
        match op:
            case ["say", word]:
                return word
            case ["work"]:
                await asyncio.sleep(WORK_S)
            case ["join", group]:
                self.join(group)
            case ["die", reason]:
                raise Exit(reason_of(reason))
            case ["crash", word]:
                raise Oops(word)
            case [name, who, *words]:
                return await self._do_to(name, self._stage.refs[who], words)
        return None

    async def _do_to(self, name: str, ref: ActorRef, words: list[str]) -> Json:
        match name:
            case "link":
                self.link(ref)
            case "unlink":
                self.unlink(ref)
            case "monitor":
                self._monitors[self._stage.part(ref)] = self.monitor(ref)
            case "demonitor":
                self.demonitor(self._monitors[self._stage.part(ref)], ref)
            case "exit":
                ref.exit(reason_of(*words))
            case "kill":
                ref.kill()
            case "note":
                tell(ref, Note(text=words[0]))
            case "alive":
                return ref.is_alive()
            case "await":
                await ref.ended()
            case "ask":
                return await self._ask(ref, words[0])
        return None

    async def _ask(self, ref: ActorRef, word: str) -> Json:
        try:
            return await ask(ref, Do(ops=[["say", word]]))
        except RuntimeError:
            return "refused"

    @receives(StartChild)
    async def on_start_child(self, message: StartChild) -> Json:
        try:
            await message.kind.start_link(self._stage, message.name, message.options)
        except Ignore:
            return "ignore"
        except StartFailed as error:
            return ["error", json_of(error.cause)]
        return "ok"

    @receives(Heard)
    def on_heard(self, _: Heard) -> Json:
        return [*self.heard]

    @receives(Note)
    def on_note(self, message: Note) -> None:
        self.heard.append(message.text)
        self.count += 1

    @receives(Down)
    def on_down(self, message: Down) -> None:
        self.heard.append(["DOWN", self._stage.part(message.ref), json_of(message.reason)])

    def on_exit_signal(self, message: ExitSignal) -> None:
        assert message.sender is not None
        self.heard.append(["EXIT", self._stage.part(message.sender), json_of(message.reason)])

    def get_state(self) -> int:
        return self.count


class Trapping(Puppet):
    trap_exit = True


class WithThread(Puppet):
    dedicated_host = True


class TrappingWithThread(Trapping):
    dedicated_host = True


KINDS = {
    (False, False): Puppet,
    (True, False): Trapping,
    (False, True): WithThread,
    (True, True): TrappingWithThread,
}


class Stage:
    """Where a script is played: with all actors on one loop, or each on a thread of its own."""

    def __init__(self, system: System, rest: Rest, *, threads: bool) -> None:
        self.system = system
        self.refs: dict[str, ActorRef] = {}
        self.stops: list[Json] = []
        self._reasons: dict[str, Reply[ExitReason]] = {}
        self._posted: list[Reply[Json]] = []
        self._rest, self._threads = rest, threads

    def enters(self, name: str, ref: ActorRef) -> None:
        """Note who plays a part now."""
        self.refs[name] = ref
        self._reasons[name] = ref.ended()

    def part(self, ref: ActorRef) -> str:
        """Return the part that an actor plays."""
        return next(name for name, player in self.refs.items() if player is ref)

    async def play(self, script: str) -> list[Json]:
        """Return the results of all statements that have one."""
        results = [await self._perform(statement.split()) for statement in script.split(";")]
        return [result for result in results if result is not _NOTHING]

    async def _perform(self, statement: list[str]) -> Json:
        match statement:
            case ["start", name, *options]:
                kind, given = self._kind(options)
                await self.system.spawn(kind, self, name, given)
            case ["child", parent, name, *options]:
                kind, given = self._kind(options)
                start = StartChild(kind=kind, name=name, options=given)
                return await caught(ask(self.refs[parent], start, timeout_s=None))
            case ["sup", name, child, *options]:
                await self._start_supervisor(name, child, options)
            case ["ask", name, *words]:
                return await caught(ask(self.refs[name], Do(ops=ops_of(words)), timeout_s=None))
            case ["post", name, *words]:
                self._posted.append(request(self.refs[name], Do(ops=ops_of(words))))
            case ["answers"]:
                posted, self._posted = self._posted, []
                return [await caught(reply) for reply in posted]
            case ["tell", name, *words]:
                tell(self.refs[name], Do(ops=ops_of(words)))
            case _:
                return await self._look(statement)
        return _NOTHING

    async def _look(self, statement: list[str]) -> Json:
        match statement:
            case ["garbage", name]:
                tell(self.refs[name], Garbage())
            case ["kill", name]:
                self.refs[name].kill()
            case ["suspend", name]:
                await suspend(self.refs[name])
            case ["resume", name]:
                await resume(self.refs[name])
            case ["stop", name, reason]:
                return await stopped(self.refs[name], reason_of(reason))
            case ["count", name]:
                return await caught(get_state(self.refs[name]))
            case ["rest"]:
                await self._rest(self.system)
            case ["whereis", name]:
                ref = self.system.names.whereis(name)
                return None if ref is None else self.part(ref)
            case ["register", name, who]:
                return registered(self.system.names, name, self.refs[who])
            case ["members", group]:
                return len(self.system.names.members(group))
            case _:
                return await self._at_rest(statement)
        return _NOTHING

    async def _at_rest(self, statement: list[str]) -> Json:
        await self._rest(self.system)
        match statement:
            case ["heard", name]:
                return await caught(ask(self.refs[name], Heard()))
            case ["ended", name]:
                reply = self._reasons[name]
                return json_of(reply.result()) if reply.done() else "alive"
            case ["stops"]:
                return sorted(self.stops)
        raise ValueError(f"unknown statement {' '.join(statement)!r}")

    def _kind(self, words: list[str]) -> tuple[type[Puppet], Options]:
        options = dict(word.partition("=")[::2] for word in words)
        return KINDS["trap" in options, self._threads], options

    async def _start_supervisor(self, name: str, child: str, words: list[str]) -> None:
        kind, options = self._kind(words)
        spec = ChildSpec(id=child, start=lambda: kind.start_link(self, child, options))
        flags = Flags(intensity=Intensity(max_restarts=5, period_s=60))
        self.enters(name, await self.system.spawn(Supervisor, name, [spec], flags))


_NOTHING = object()


def ops_of(words: list[str]) -> list[list[str]]:
    """Return the operations of a handler."""
    return [op.split() for op in " ".join(words).split(",")]


async def caught(answer: Awaitable[object]) -> Json:
    """Return what became of a call, as Erlang shows it."""
    try:
        return ["ok", await answer]
    except ActorUnavailable as error:
        return ["exit", "noproc" if error.cause is None else json_of(error.cause)]


async def stopped(ref: ActorRef, reason: ExitReason) -> Json:
    """Return what became of a `stop`, as Erlang shows it."""
    was_dead = ref.exit_reason is not None
    got = json_of(await stop(ref, reason))
    return ["exit", got] if was_dead or got != json_of(reason) else ["ok", "ok"]


def registered(names: Names, name: str, ref: ActorRef) -> Json:
    """Return what became of a registration."""
    try:
        names.register(name, ref)
    except (NameTaken, ActorUnavailable):
        return "badarg"
    return True


def end_with(reason: str) -> None:
    """Raise what an option asks for."""
    if reason.startswith("crash:"):
        raise Oops(reason.removeprefix("crash:"))
    raise Exit(reason_of(reason))


def reason_of(word: str) -> ExitReason:
    """Return the reason that a script means."""
    orderly = {"normal": NORMAL, "shutdown": SHUTDOWN, "killed": KILLED, "noproc": NOPROC}
    if word.startswith("shutdown:"):
        return Shutdown(word.removeprefix("shutdown:"))
    return orderly.get(word) or Crash(word)


def json_of(reason: Any) -> Json:
    """Return a reason as Erlang shows it."""
    match reason:
        case Crash(cause=Oops() as error):
            return ["error", str(error)]
        case Crash(cause=NameTaken()):
            return "already_started"
        case Crash(cause=BaseException()):
            return "crash"
        case Crash(cause=cause):
            return cause
        case Shutdown(detail=str() as detail):
            return ["shutdown", detail]
    return str(reason)
