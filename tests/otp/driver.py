"""The driver of a scenario: does its actions, one after the other, and sees what comes of each."""

import asyncio

from taskqueue.errors import ActorUnavailable, StartFailed
from taskqueue.runtime import (
    SHUTDOWN,
    ActorRef,
    Message,
    System,
    resume,
    stop,
    suspend,
    tell,
)
from taskqueue.supervision import (
    AlreadyStarted,
    ChildSpec,
    ChildStartFailed,
    ChildState,
    ChildStatus,
    Counts,
    InvalidSpec,
    Started,
    SupervisionError,
    check_childspecs,
    count_children,
    delete_child,
    get_childspec,
    restart_child,
    start_child,
    start_instance,
    terminate_child,
    which_children,
)
from tests.otp.canonical import (
    Json,
    by_child,
    json_of_fault,
    json_of_reason,
    json_of_shutdown,
    reason_of,
)
from tests.otp.processes import Die, Process, SendExit, Stranger, Unlink, Work, send_exit
from tests.otp.scenario import World
from tests.otp.virtual_time import VirtualTimeLoop

NO_PROCESS = "no_process"


async def run(scenario: Json) -> Json:
    """Return the trace of a scenario."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    system = System()
    world = World(system)
    with world.listening():
        async with system:
            stranger = await system.spawn(Stranger)
            trace = await Driver(world, stranger, loop).run(scenario)
            left = [world.process(ref).pid for ref in system.actors if ref is not stranger]
    return trace | {"leaked": left}


class Driver:
    """Drives one scenario. It is the parent of the root."""

    def __init__(self, world: World, stranger: ActorRef, loop: VirtualTimeLoop) -> None:
        self._world = world
        self._stranger = stranger
        self._loop = loop
        self._root: ActorRef | None = None

    async def run(self, scenario: Json) -> Json:
        """Start the root, do the actions, look at what is left, and stop it."""
        start = self._step(await self._start(scenario["root"]), with_orphans=False)
        if self._root is None:
            final = {"root": "not_started", "tree": []}
            return {"start": start, "steps": [], "final": final, "cleanup": None}
        steps = [self._step(await self._rested(action)) for action in scenario["actions"]]
        final = await self._final()
        return {"start": start, "steps": steps, "final": final, "cleanup": await self._clean_up()}

    async def _start(self, root: Json) -> Json:
        try:
            self._root = await self._world.start_root(root)
        except StartFailed as error:
            result: Json = ["error", json_of_reason(error.cause)]
        else:
            result = ["ok", self._world.process(self._root).pid]
        await self._loop.rest()
        return result

    async def _rested(self, action: Json) -> Json:
        """Do an action; wait until the whole tree is at rest."""
        result = await self._perform(action)
        await self._loop.rest()
        return result

    def _step(self, result: Json, *, with_orphans: bool = True) -> Json:
        log = self._world.take_log()
        step = {"result": result, "events": log.events, "reports": log.reports}
        return step | ({"orphans": log.orphans} if with_orphans else {})

    async def _final(self) -> Json:
        assert self._root is not None
        if not self._root.is_alive():
            reason = json_of_reason(self._root.exit_reason)
            return {"root": ["exit", reason], "tree": []}
        return {"root": "alive", "tree": await self._tree(self._world.process(self._root))}

    async def _tree(self, supervisor: Process) -> list[Json]:
        """Return the living supervisors from here on, children in start order."""
        assert supervisor.ref is not None
        states = await which_children(supervisor.ref)
        rows: list[Json] = [
            {
                "sup": list(supervisor.path),
                "which": self._which(supervisor, states),
                "count": _count(await count_children(supervisor.ref)),
            }
        ]
        present = [self._world.process(state.ref) for state in reversed(states) if state.ref]
        if supervisor.is_simple:
            present.sort(key=lambda process: process.path)
        for process in present:
            if process.supervises and process.is_alive():
                rows += await self._tree(process)
        return rows

    async def _clean_up(self) -> Json:
        assert self._root is not None
        if not self._root.is_alive():
            return None
        self._root.exit(SHUTDOWN)
        reason = json_of_reason(await self._root.ended())
        await self._loop.rest()
        return self._step(reason)

    # --- actions ----------------------------------------------------------------------------

    async def _perform(self, action: Json) -> Json:
        match action["do"]:
            case "crash":
                return self._crash(action)
            case "signal":
                return self._signal(action)
            case "stop":
                return await self._stop(action["reason"])
            case "sleep":
                self._world.clock.seconds += action["ms"] / 1000
                return "ok"
            case "burst":
                return await self._burst(action)
            case "together":
                return await self._together(action["items"])
            case "sys_stop":
                return await self._sys_stop(action)
            case "busy":
                return self._tell(action["path"], Work(seconds=action["ms"] / 1000))
            case "unlink":
                return self._tell(action["path"], Unlink())
            case "exit_from":
                return self._exit_from(action)
            case "check_childspecs":
                return self._check(action)
            case _:
                return await self._call(action)

    def _alive(self, path: list[str]) -> ActorRef | None:
        process = self._world.latest.get(tuple(path))
        return process.ref if process is not None and process.is_alive() else None

    def _crash(self, action: Json) -> Json:
        ref = self._alive(action["path"])
        if ref is None:
            return NO_PROCESS
        if action["reason"] == "kill":
            ref.kill()
        else:
            tell(ref, Die(reason=action["reason"]))
        return "ok"

    def _signal(self, action: Json) -> Json:
        ref = self._alive(action["path"])
        if ref is None:
            return NO_PROCESS
        tell(self._stranger, SendExit(to=ref, reason=action["reason"]))
        return "ok"

    async def _stop(self, reason: Json) -> Json:
        root = self._root
        if root is None or not root.is_alive():
            return NO_PROCESS
        send_exit(root, reason)
        return ["down", json_of_reason(await root.ended())]

    async def _burst(self, action: Json) -> Json:
        """Put all items into the supervisor's mailbox before it gets to handle any."""
        ref = self._alive(action["sup"])
        if ref is None:
            return NO_PROCESS
        await suspend(ref)
        items = []
        for item in action["items"]:
            items.append(asyncio.ensure_future(self._perform(item)))
            await self._loop.rest()
        await resume(ref)
        return list(await asyncio.gather(*items))

    async def _together(self, items: list[Json]) -> Json:
        """Do each item at its time, whether or not those before it are done."""
        return list(await asyncio.gather(*(self._at(item) for item in items)))

    async def _at(self, item: Json) -> Json:
        await asyncio.sleep(item["at"] / 1000)
        return await self._perform(item["act"])

    async def _sys_stop(self, action: Json) -> Json:
        ref = self._alive(action["path"])
        if ref is None:
            return NO_PROCESS
        reason = json_of_reason(await stop(ref, reason_of(action["reason"])))
        return "ok" if reason == action["reason"] else ["exit", reason]

    def _exit_from(self, action: Json) -> Json:
        to = self._alive(action["to"])
        if to is None:
            return NO_PROCESS
        return self._tell(action["from"], SendExit(to=to, reason=action["reason"]))

    def _tell(self, path: list[str], message: Message) -> Json:
        ref = self._alive(path)
        if ref is None:
            return NO_PROCESS
        tell(ref, message)
        return "ok"

    def _check(self, action: Json) -> Json:
        nobody = self._nobody()
        specs = [self._world.spec(spec, nobody) for spec in action["specs"]]
        mode = action.get("auto_shutdown")
        try:
            check_childspecs(specs, mode)
        except InvalidSpec as fault:
            return ["error", json_of_fault(fault)]
        return "ok"

    # --- calls ------------------------------------------------------------------------------

    async def _call(self, action: Json) -> Json:
        supervisor = self._world.latest.get(tuple(action["sup"])) or self._nobody()
        try:
            return await self._answer(action, supervisor)
        except ActorUnavailable as error:
            return ["exit", "noproc" if error.cause is None else json_of_reason(error.cause)]
        except AlreadyStarted as error:
            return ["error", [error.tag, self._world.process(error.ref).pid]]
        except ChildStartFailed as error:
            reason = json_of_reason(error.reason)
            return ["error", [reason, {"child": error.spec.id}] if error.spec else reason]
        except InvalidSpec as fault:
            return ["error", json_of_fault(fault)]
        except SupervisionError as error:
            return ["error", error.tag]

    async def _answer(self, action: Json, supervisor: Process) -> Json:
        address = self._world.system.address(supervisor.name)
        match action:
            case {"do": "start_child", "instance": name}:
                arguments = name, action.get("override", {})
                return self._started(await start_instance(address, *arguments))
            case {"do": "start_child", "child": child}:
                spec = self._world.spec(child, supervisor)
                return self._started(await start_child(address, spec))
            case {"do": "which_children"}:
                return self._which(supervisor, await which_children(address))
            case {"do": "count_children"}:
                return _count(await count_children(address))
        child = self._child(action)
        match action["do"]:
            case "terminate_child":
                await terminate_child(address, child)
                return "ok"
            case "delete_child":
                await delete_child(address, child)
                return "ok"
            case "restart_child":
                return self._started(await restart_child(address, child))
            case "get_childspec":
                return ["ok", _spec(await get_childspec(address, child))]
        raise ValueError(f"unknown action {action['do']!r}")

    def _child(self, action: Json) -> str | ActorRef:
        """Return whom a call is about: an id, or the last one who had an instance's name."""
        if "id" in action:
            return action["id"]
        process = self._world.latest.get((*action["sup"], action["instance"]))
        return self._stranger if process is None or process.ref is None else process.ref

    def _started(self, started: Started | ActorRef | None) -> Json:
        match started:
            case None:
                return ["ok", None]
            case Started(ref=ref, info=info):
                return ["ok", self._world.process(ref).pid, info]
            case ref:
                return ["ok", self._world.process(ref).pid]

    def _which(self, supervisor: Process, states: tuple[ChildState, ...]) -> list[Json]:
        rows = [
            {"id": state.id, "child": self._present(state), "type": str(state.type)}
            for state in states
        ]
        return sorted(rows, key=by_child) if supervisor.is_simple else rows

    def _present(self, state: ChildState) -> Json:
        if state.ref is not None:
            return self._world.process(state.ref).pid
        return "restarting" if state.status == ChildStatus.RESTARTING else None

    def _nobody(self) -> Process:
        """Return the process of a supervisor that has never been."""
        return Process(("nobody",), 0, None, {})


def _count(counts: Counts) -> Json:
    return {
        "specs": counts.specs,
        "active": counts.active,
        "supervisors": counts.supervisors,
        "workers": counts.workers,
    }


def _spec(spec: ChildSpec) -> Json:
    return {
        "id": spec.id,
        "restart": str(spec.restart),
        "shutdown": json_of_shutdown(spec.shutdown),
        "significant": spec.significant,
        "type": str(spec.type),
    }
