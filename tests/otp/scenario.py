"""The tree of a scenario, built of our actors and supervisors, and the log of their lives."""

import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from taskqueue.errors import StartFailed
from taskqueue.logger import standard_processors
from taskqueue.runtime import Actor, ActorRef, Crash, Ignore, System
from taskqueue.supervision import BadReturn, Started
from tests.otp.canonical import (
    Event,
    Json,
    RaisedByStart,
    by_path,
    by_supervisor,
    flag_of,
    in_order_of_instances,
    json_of_reason,
    number_of,
    reason_of,
    shutdown_of,
    word_of,
)
from tests.otp.processes import (
    Path,
    Process,
    ScriptedSimpleOneForOne,
    ScriptedSupervisor,
    TrappingWorker,
    Worker,
)

BAD_RETURN = "bad_return"

# How the values of a specification and of flags are read, by key.
CHILD_READINGS: dict[str, Callable[[Json], object]] = {
    "restart": word_of,
    "shutdown": shutdown_of,
    "type": word_of,
    "significant": flag_of,
}
FLAG_READINGS: dict[str, Callable[[Json], object]] = {
    "strategy": word_of,
    "intensity": number_of,
    "period": number_of,
    "auto_shutdown": word_of,
}


class Clock:
    """Time that passes in `sleep` actions only: all else happens at once, as far as restarts go."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class Log:
    """What happened in one step."""

    events: list[Event] = field(default_factory=list)
    orphans: list[Event] = field(default_factory=list)
    reports: list[dict[str, Json]] = field(default_factory=list)


class World:
    """All processes of one scenario, and the log of their lives."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.clock = Clock()
        self.latest: dict[Path, Process] = {}  # who was started there most recently
        self._log = Log()
        self._attempts: Counter[Path] = Counter()
        self._by_urn: dict[str, Process] = {}
        self._by_name: dict[str, Process] = {}
        self._reasons: dict[str, Json] = {}  # by the text that a report has for them

    def process(self, ref: ActorRef) -> Process:
        """Return whose reference that is."""
        return self._by_urn[ref.actor_urn]

    # --- starting ---------------------------------------------------------------------------

    async def start_root(self, root: dict[str, Json]) -> ActorRef:
        """Start the whole tree; its parent is the outside."""
        started = await self._start((root["id"],), None, root)
        assert isinstance(started, ActorRef)
        return started

    def spec(self, child: Json, supervisor: Process) -> Any:
        """Return a child's specification as its supervisor is to be given it, right or wrong."""
        if not isinstance(child, dict):
            return child
        given: dict[str, Any] = {key: child[key] for key in ("id",) if key in child}
        if not child.get("no_start", False):
            given["start"] = self._start_function(child, supervisor)
        return given | _read(child, CHILD_READINGS)

    def _start_function(
        self, child: dict[str, Json], supervisor: Process
    ) -> Callable[..., Awaitable[object]]:
        async def start() -> object:
            return await self._start((*supervisor.path, child["id"]), supervisor, child)

        async def start_instance(name: str, override: dict[str, Json]) -> object:
            return await self._start((*supervisor.path, name), supervisor, child | override)

        return start_instance if supervisor.is_simple else start

    async def _start(
        self, path: Path, parent: Process | None, behaviour: dict[str, Json]
    ) -> object:
        """Be the start function of whoever has its place at `path`."""
        self._attempts[path] += 1
        process = Process(path, self._attempts[path], parent, behaviour)
        self._by_name[process.name] = process
        try:
            started = await self._attempt(process)
        except Ignore:
            self._note(process, "ignored")
            raise
        except StartFailed as error:
            self._note(process, "start_failed", error.cause)
            raise
        except RaisedByStart as error:
            self._note(process, "start_failed", Crash(error))
            raise
        if not isinstance(started, ActorRef):
            self._note(process, "start_failed", Crash(BadReturn(value=started)))
            return started
        self._begin(process, started)
        return Started(started, "info") if process.outcome == "ok_info" else started

    async def _attempt(self, process: Process) -> object:
        match process.outcome:
            case ["raise", reason]:
                raise RaisedByStart(reason)
            case ["return_error", reason]:
                raise StartFailed(process.name, reason_of(reason))
            case "bad_return":
                return BAD_RETURN
        return await self._launch(process)

    async def _launch(self, process: Process) -> ActorRef:
        kind, arguments = self._role(process)
        if process.parent is None:
            return await self.system.spawn(kind, *arguments)
        return await kind.start_link(*arguments)

    def _role(self, process: Process) -> tuple[type[Actor], tuple[object, ...]]:
        behaviour = process.behaviour
        if not process.supervises:
            return (TrappingWorker if behaviour.get("trap_exit", False) else Worker), (process,)
        children = [self.spec(child, process) for child in behaviour["children"]]
        kind = ScriptedSimpleOneForOne if process.is_simple else ScriptedSupervisor
        return kind, (process, children, _read(behaviour, FLAG_READINGS), self.clock)

    def _begin(self, process: Process, ref: ActorRef) -> None:
        process.ref = ref
        self.latest[process.path] = process
        self._by_urn[ref.actor_urn] = process
        self._note(process, "started")
        ref.ended().when_done(lambda: self._end(process, ref))

    def _end(self, process: Process, ref: ActorRef) -> None:
        self._note(process, "terminated", ref.exit_reason)
        process.ended = True

    # --- the log ----------------------------------------------------------------------------

    def take_log(self) -> Log:
        """Return what happened since the last time, in canonical order."""
        taken, self._log = self._log, Log()
        parallel = {each.path for each in self._by_name.values() if each.is_simple}
        return Log(
            events=in_order_of_instances(taken.events, parallel),
            orphans=sorted(taken.orphans, key=by_path),
            reports=sorted(taken.reports, key=by_supervisor),
        )

    def _note(self, process: Process, what: str, reason: object = None) -> None:
        event = {"e": what, "path": list(process.path), "n": process.n}
        if reason is not None:
            event["reason"] = self._reasons[str(reason)] = json_of_reason(reason)
        orphaned = what == "terminated" and process.is_orphan()
        (self._log.orphans if orphaned else self._log.events).append(event)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take what supervisors report, and let nothing out."""
        # Changed in place, because loggers that were bound before hold these very lists.
        pipelines: list[list[Any]] = [structlog.get_config()["processors"], standard_processors]
        before = [[*processors] for processors in pipelines]
        for processors in pipelines:
            processors[:] = [self._listen]
        try:
            yield
        finally:
            for processors, earlier in zip(pipelines, before, strict=True):
                processors[:] = earlier

    def _listen(self, _: WrappedLogger, level: str, event: EventDict) -> EventDict:
        if level == "error" and "context" in event:
            supervisor = self._by_name[event["supervisor"]]
            if not supervisor.is_orphan():
                self._log.reports.append(self._report(supervisor, event))
        raise structlog.DropEvent

    def _report(self, supervisor: Process, event: EventDict) -> dict[str, Json]:
        report = {
            "sup": list(supervisor.path),
            "context": event["context"],
            "reason": self._reasons.get(event["reason"], event["reason"]),
            "id": event["child_id"],
        }
        if "nb_children" in event:
            return report | {"nb_children": event["nb_children"]}
        child = self._by_urn.get(event["pid"])
        return report | {"child": event["pid"] if child is None else child.pid}


def _read(given: dict[str, Json], readings: dict[str, Callable[[Json], object]]) -> dict[str, Any]:
    return {key: read(given[key]) for key, read in readings.items() if key in given}
