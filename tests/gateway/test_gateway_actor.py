"""The gateway actor between a scripted queue and a scripted database."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, Self

import pytest

from taskqueue.actors.gateway import GatewayActor
from taskqueue.actors.messages import DATABASE, QUEUE, UseStorage
from taskqueue.commands import Enqueue, GetQueues, GetReadiness, Pause, Redrive
from taskqueue.http import audit_writer
from taskqueue.http.state import HttpState
from taskqueue.rules.health import Availability, QueueState, Readiness
from taskqueue.rules.tasks import Accepted
from taskqueue.runtime import (
    KILLED,
    SHUTDOWN,
    Actor,
    ActorRef,
    Crash,
    System,
    receives,
    stop,
)
from taskqueue.storage.memory.engine import MemoryStorage
from taskqueue.supervision import ChildSpec, Supervisor
from taskqueue.testing.events import EventLog
from tests.gateway.scripted import NOW, StillClock, demo_app

LIMIT_S = 5.0  # what a test waits for at most, for anything
PAUSE = ("POST", "/queues/mail/pause")
POST = ("POST", "/tasks", b'{"action":"uppercase","data":{"text":"hi"}}')


class ScriptedQueue(Actor):
    """A queue that stores what it is given, once the gate is open."""

    registered_name = QUEUE

    def __init__(self, world: "World") -> None:
        super().__init__()
        self._world = world

    @receives(Enqueue, concurrently=True)
    async def on_enqueue(self, message: Enqueue) -> tuple[Accepted, ...]:
        self._world.asked.set()
        await self._world.gate.wait()
        return await self._world.storage.insert(message.tasks, now=NOW)

    @receives(Redrive)
    async def on_redrive(self, message: Redrive) -> tuple[str, ...]:
        return await self._world.storage.redrive(message.task_ids, now=NOW)

    @receives(Pause)
    async def on_pause(self, message: Pause) -> None:
        await self._world.storage.pause(message.queue, now=NOW)

    @receives(GetQueues)
    async def on_get_queues(self, _: GetQueues) -> tuple[QueueState, ...]:
        return (QueueState(name="mail", paused_at=None, consumers=1),)

    @receives(GetReadiness)
    def on_get_readiness(self, _: GetReadiness) -> Readiness:
        return Readiness(ready=True)


class ScriptedDatabase(Actor):
    """A database over the storage's model."""

    registered_name = DATABASE

    def __init__(self, world: "World") -> None:
        super().__init__()
        self._world = world

    @receives(UseStorage)
    async def on_use_storage(self, message: UseStorage) -> object:
        verb = getattr(self._world.storage, message.verb)
        answer = await verb(*message.args, **message.kwargs)
        if message.verb == "record_changes":
            self._world.recorded.set()
        return answer


class World:
    """Everything around a gateway, and the gateway itself when it is opened."""

    def __init__(self, system: System, sock: socket.socket) -> None:
        self.system = system
        self.sock = sock
        self.storage = MemoryStorage()
        self.asked = asyncio.Event()  # the queue has been asked to enqueue
        self.gate = asyncio.Event()  # the queue may answer
        self.gate.set()
        self.recorded = asyncio.Event()  # some of the audit trail is stored
        self.availability = Availability()
        self.http_state = HttpState()
        self._connections: list[Connection] = []

    async def open_door(self, *, shutdown_s: float = LIMIT_S) -> ActorRef:
        return await self.system.spawn(
            GatewayActor,
            self.sock,
            demo_app(),
            shutdown_s=shutdown_s,
            http_state=self.http_state,
            clock=StillClock(),
            availability=self.availability,
        )

    async def connect(self) -> "Connection":
        connection = await Connection.to(self.sock)
        self._connections.append(connection)
        return connection

    async def hang_up(self) -> None:
        for connection in self._connections:
            await connection.close()


class Connection:
    """One connection for several requests, as the wire sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, sock: socket.socket) -> Self:
        return cls(*await asyncio.open_connection(*sock.getsockname()))

    async def send(self, method: str, path: str, body: bytes = b"") -> None:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        await self._writer.drain()

    async def receive(self) -> tuple[int, Any]:
        async with asyncio.timeout(LIMIT_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
            size = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            body = await self._reader.readexactly(size)
        return int(head.split()[1]), json.loads(body)

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        await self.send(method, path, body)
        return await self.receive()

    async def closed(self) -> bool:
        """Wait for the other side to close; True if nothing came before."""
        async with asyncio.timeout(LIMIT_S):
            try:
                return await self._reader.read() == b""
            except ConnectionResetError:
                return True

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


@pytest.fixture
async def world(sock: socket.socket) -> AsyncIterator[World]:
    async with System() as system:
        made = World(system, sock)
        await made.storage.migrate()
        await made.storage.open()
        await system.spawn(ScriptedQueue, made)
        await system.spawn(ScriptedDatabase, made)
        yield made
        await made.hang_up()
        made.http_state.close()


@pytest.fixture
async def connection(world: World) -> Connection:
    """A connection that waits for the next listener."""
    world.sock.listen()
    return await world.connect()


async def end(ref: ActorRef | None) -> None:
    assert ref is not None
    ref.kill()
    await ref.ended()


def crash(ref: ActorRef) -> None:
    ref.exit(Crash("a bug"))


async def test_a_task_goes_through_the_queue_and_is_read_past_it(
    world: World, connection: Connection
) -> None:
    await world.open_door()

    status, accepted = await connection.ask(*POST)
    await end(world.system.names.whereis(QUEUE))
    listed = await connection.ask("GET", "/tasks")
    shown = await connection.ask("GET", f"/tasks/{accepted['id']}")
    stats = await connection.ask("GET", "/stats")

    assert status == 202
    assert listed[1]["tasks"][0]["payload"] == {"action": "uppercase", "data": {"text": "hi"}}
    assert (shown[0], shown[1]["id"]) == (200, accepted["id"])
    assert stats[1]["tasks"]["queued"] == 1


async def test_a_redrive_is_the_queues_business(world: World, connection: Connection) -> None:
    await world.open_door()
    _, accepted = await connection.ask(*POST)

    status, _ = await connection.ask("POST", f"/tasks/{accepted['id']}/redrive")

    assert status == 409


async def test_a_connection_outlives_the_queue(world: World, connection: Connection) -> None:
    await world.open_door()

    before = await connection.ask(*POST)
    await end(world.system.names.whereis(QUEUE))
    between = await connection.ask(*POST)
    await world.system.spawn(ScriptedQueue, world)
    after = await connection.ask(*POST)

    assert (before[0], after[0]) == (202, 202)
    assert (between[0], between[1]["error"]) == (503, "failed to queue task")


async def test_a_connection_outlives_the_database(world: World, connection: Connection) -> None:
    await world.open_door()

    before = await connection.ask("GET", "/tasks")
    await end(world.system.names.whereis(DATABASE))
    between = await connection.ask("GET", "/tasks")
    await world.system.spawn(ScriptedDatabase, world)
    after = await connection.ask("GET", "/tasks")

    assert (before[0], after[0]) == (200, 200)
    assert (between[0], between[1]["error"]) == (503, "database unavailable")


async def test_a_queue_that_dies_over_a_task_is_a_503(world: World, connection: Connection) -> None:
    await world.open_door()
    world.gate.clear()

    await connection.send(*POST)
    await world.asked.wait()
    await end(world.system.names.whereis(QUEUE))
    status, problem = await connection.receive()

    assert (status, problem["error"]) == (503, "failed to queue task")


async def test_readiness_follows_the_queue_and_health_does_not(
    world: World, connection: Connection
) -> None:
    await world.open_door()

    before = await connection.ask("GET", "/ready")
    await end(world.system.names.whereis(QUEUE))
    after = await connection.ask("GET", "/ready")
    health = await connection.ask("GET", "/health")

    assert (before[0], after[0], health[0]) == (200, 503, 200)
    assert "queue" in after[1]["detail"]


async def test_what_is_known_to_be_unavailable_is_told_without_asking_the_queue(
    world: World, connection: Connection
) -> None:
    world.availability.unavailable = "the disk is full"
    await world.open_door()

    status, problem = await connection.ask("GET", "/ready")

    assert (status, problem["detail"]) == (503, "the disk is full")


async def test_it_says_where_it_listens(world: World, events: EventLog) -> None:
    await world.open_door()

    host, port = world.sock.getsockname()
    assert events.select("gateway_listening", host=host, port=port)


@pytest.mark.parametrize("bring_down", [ActorRef.kill, crash], ids=["killed", "crashed"])
async def test_who_connects_between_two_gateways_waits_instead_of_being_refused(
    world: World, bring_down: Callable[[ActorRef], None]
) -> None:
    gateway = await world.open_door()
    bring_down(gateway)
    await gateway.ended()

    waiting = await world.connect()
    await waiting.send(*POST)
    await world.open_door()
    status, _ = await waiting.receive()

    assert status == 202


async def test_a_killed_gateway_cuts_its_connections_at_once(
    world: World, connection: Connection, events: EventLog
) -> None:
    gateway = await world.open_door()
    world.gate.clear()
    await connection.send(*POST)
    await world.asked.wait()

    gateway.kill()
    reason = await gateway.ended()

    assert await connection.closed()
    assert reason == KILLED
    assert events.select("actor_abandoned") == []
    assert events.select("actor_close_failed") == []


async def test_told_to_stop_it_refuses_who_comes_and_finishes_with_who_is_there(
    world: World, connection: Connection
) -> None:
    gateway = await world.open_door()
    idle = await world.connect()
    await idle.ask("GET", "/health")
    world.gate.clear()
    await connection.send(*POST)
    await world.asked.wait()

    stopping = asyncio.create_task(stop(gateway, SHUTDOWN))
    idle_was_closed = await idle.closed()
    with pytest.raises(ConnectionRefusedError):
        await world.connect()
    was_stopping = not stopping.done()
    world.gate.set()
    status, _ = await connection.receive()

    assert await stopping == SHUTDOWN
    assert await connection.closed()
    assert (status, was_stopping, idle_was_closed) == (202, True, True)


async def test_a_request_that_does_not_finish_is_cut_after_the_limit(
    world: World, connection: Connection, events: EventLog
) -> None:
    gateway = await world.open_door(shutdown_s=0.05)
    world.gate.clear()
    await connection.send(*POST)
    await world.asked.wait()

    reason = await stop(gateway, SHUTDOWN, timeout_s=LIMIT_S)

    assert reason == SHUTDOWN
    assert await connection.closed()
    assert events.select("gateway_requests_cut", after_s=0.05)


async def test_after_an_orderly_stop_the_same_socket_serves_again(world: World) -> None:
    await stop(await world.open_door(), SHUTDOWN)

    await world.open_door()
    connection = await world.connect()
    status, _ = await connection.ask("GET", "/health")

    assert status == 200


async def test_the_sockets_owner_keeps_it_whatever_becomes_of_gateways(world: World) -> None:
    for _ in range(3):
        await end(await world.open_door())
    await stop(await world.open_door(), SHUTDOWN)

    assert world.sock.fileno() != -1


# --- in a tree -----------------------------------------------------------------------------------


@pytest.fixture
async def tree(world: World) -> ActorRef:
    """A root that supervises a queue and a gateway."""
    await end(world.system.names.whereis(QUEUE))
    specs = (
        ChildSpec(id="queue", start=partial(ScriptedQueue.start_link, world)),
        ChildSpec(id="gateway", start=partial(GatewayActor.start_link, world.sock, demo_app())),
    )
    return await world.system.spawn(Supervisor, "root", specs)


def kill(path: str) -> tuple[str, str, bytes]:
    return ("POST", "/supervision/kill", json.dumps({"path": path}).encode())


async def test_a_killed_actor_is_seen_in_its_next_life(
    world: World, tree: ActorRef, events: EventLog
) -> None:
    connection = await world.connect()

    killed = await connection.ask(*kill("root/queue"))
    await events.wait_for("child_restarted", child_id="queue")
    _, root = await connection.ask("GET", "/supervision")
    posted = await connection.ask(*POST)

    queue, gateway = root["children"]
    assert killed == (202, {"killed": "root/queue"})
    assert (queue["incarnation"], queue["last_exit"]) == (2, "killed")
    assert (gateway["incarnation"], root["restarts_in_period"]) == (1, 1)
    assert posted[0] == 202


async def test_the_gateway_answers_before_it_kills_itself(
    world: World, tree: ActorRef, events: EventLog
) -> None:
    connection = await world.connect()

    killed = await connection.ask(*kill("root/gateway"))
    was_closed = await connection.closed()
    after = await world.connect()
    _, root = await after.ask("GET", "/supervision")

    assert killed == (202, {"killed": "root/gateway"})
    assert was_closed
    assert root["children"][1]["incarnation"] == 2


async def test_nobody_is_found_where_nobody_runs(world: World, tree: ActorRef) -> None:
    connection = await world.connect()

    nobody = await connection.ask(*kill("root/queue/nobody"))
    elsewhere = await connection.ask(*kill("queue"))

    assert (nobody[0], elsewhere[0]) == (404, 404)


async def test_without_a_tree_there_is_none_to_show(world: World, connection: Connection) -> None:
    await world.open_door()

    status, problem = await connection.ask("GET", "/supervision")

    assert (status, problem["error"]) == (503, "supervision unavailable")


async def test_a_change_is_stored_behind_its_answer_and_an_enqueue_is_not(
    world: World, connection: Connection
) -> None:
    await world.open_door()

    await connection.ask(*POST)
    status, _ = await connection.ask(*PAUSE)
    at_once = await world.storage.changes(limit=9)
    async with asyncio.timeout(LIMIT_S):
        await world.recorded.wait()

    assert (status, at_once) == (200, ())
    assert [each.path for each in await world.storage.changes(limit=9)] == [PAUSE[1]]


async def test_a_change_is_stored_before_an_orderly_stop_ends(
    world: World, connection: Connection
) -> None:
    gateway = await world.open_door()

    await connection.ask(*PAUSE)
    await stop(gateway, SHUTDOWN)

    assert [each.path for each in await world.storage.changes(limit=9)] == [PAUSE[1]]


async def test_the_next_gateway_stores_what_a_killed_one_has_left(
    world: World, connection: Connection
) -> None:
    gateway = await world.open_door()
    await connection.ask(*PAUSE)
    await end(gateway)
    left = await world.storage.changes(limit=9)

    await world.open_door()
    async with asyncio.timeout(LIMIT_S):
        await world.recorded.wait()

    assert left == ()
    assert [each.path for each in await world.storage.changes(limit=9)] == [PAUSE[1]]


async def test_a_change_waits_in_memory_while_the_database_is_away(
    world: World, connection: Connection, events: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_writer, "RETRY_S", 0.01)
    await world.open_door()
    await connection.ask("GET", "/tasks")
    await end(world.system.names.whereis(DATABASE))

    status, _ = await connection.ask(*PAUSE)
    await events.wait_for("audit_postponed")
    await world.system.spawn(ScriptedDatabase, world)
    async with asyncio.timeout(LIMIT_S):
        await world.recorded.wait()

    assert status == 200
    assert [each.path for each in await world.storage.changes(limit=9)] == [PAUSE[1]]
