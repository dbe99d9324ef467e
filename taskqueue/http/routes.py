"""The routes: what each call does.

    POST /tasks                 create_task     202 once it is durable; an array: all or none
    GET  /tasks                 list_tasks      newest first; status, limit, cursor
    GET  /tasks/{id}            show_task       with all its attempts
    POST /tasks/{id}/redrive    redrive_task    a dead task is queued again
    GET  /stats                 show_stats      how many tasks stand where
    GET  /health                show_health     this loop turns
    GET  /ready                 show_readiness  tasks can be accepted and stored
    GET  /supervision           show_tree       the tree, as JSON or as a picture
    POST /supervision/kill      kill_actor      from this machine only
    PUT  /supervision/consumers resize_consumers how many there are; from this machine only

Nothing is stored before it is asked for and nothing is answered before it is stored.
"""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus

import msgspec
from aiohttp import web

from taskqueue.clock import Clock, SystemClock
from taskqueue.encoding import MAX_BYTES
from taskqueue.errors import Fault, InvalidTask, TaskTooLarge, UnknownAction
from taskqueue.http import guard, problems, schemas
from taskqueue.http.problems import Problem, Unavailable
from taskqueue.http.schemas import Accepted, TaskRequest
from taskqueue.http.service import Service
from taskqueue.supervision import picture
from taskqueue.tasks import NewTask, Status

# A payload of the largest size, with room for the options beside it.
MAX_BODY_BYTES = MAX_BYTES + 65_536

# So many tasks of one request are checked before everybody else on the loop gets a turn.
TURN = 100

ROOT = "root"

_QUEUEING = Unavailable(
    "failed to queue task",
    "It is not known to be stored. A second try may queue it a second time.",
)
_REDRIVING = Unavailable("failed to queue task")
_READING = Unavailable("database unavailable")
_SUPERVISING = Unavailable("supervision unavailable")


def application(service: Service, *, bound_to: str, clock: Clock | None = None) -> web.Application:
    """Return the door to `service`.

    Args:
        service: does the work.
        bound_to: the address on which the server will listen; actors can be killed over HTTP
            only if it is a loopback address.
        clock: tells whether a task's `run_at` lies ahead.
    """
    routes = _Routes(service, bound_to, clock or SystemClock())
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[problems.answer_problems])
    app.add_routes(
        [
            web.post("/tasks", routes.create_task),
            web.get("/tasks", routes.list_tasks),
            web.get("/tasks/{id}", routes.show_task),
            web.post("/tasks/{id}/redrive", routes.redrive_task),
            web.get("/stats", routes.show_stats),
            web.get("/health", routes.show_health),
            web.get("/ready", routes.show_readiness),
            web.get("/supervision", routes.show_tree),
            web.post("/supervision/kill", routes.kill_actor),
            web.put("/supervision/consumers", routes.resize_consumers),
        ]
    )
    return app


class _Routes:
    def __init__(self, service: Service, bound_to: str, clock: Clock) -> None:
        self._service = service
        self._bound_to = bound_to
        self._clock = clock

    # --- tasks ------------------------------------------------------------------------------

    async def create_task(self, request: web.Request) -> web.Response:
        """Queue a task, or all tasks of an array."""
        guard.require_own_origin(request)
        asked = schemas.read_tasks(await _body_of(request))
        if isinstance(asked, TaskRequest):
            task = self._prepare(asked)
            with _QUEUEING:
                await self._service.enqueue((task,))
            return _answer(self._accepted(task), HTTPStatus.ACCEPTED)
        tasks = await self._prepare_all(asked)
        with _QUEUEING:
            await self._service.enqueue(tasks)
        accepted = [self._accepted(task) for task in tasks]
        answer = schemas.AcceptedTasks(tasks=accepted, count=len(accepted))
        return _answer(answer, HTTPStatus.ACCEPTED)

    async def list_tasks(self, request: web.Request) -> web.Response:
        """Show the newest tasks, or those after a cursor."""
        page = schemas.read_page(request.query)
        with _READING:
            tasks = await self._service.find(
                status=page.status, before=page.cursor, limit=page.limit + 1
            )
        return _answer(schemas.Page.of(tasks, page.limit))

    async def show_task(self, request: web.Request) -> web.Response:
        """Show one task and its attempts."""
        task_id = _task_id_of(request)
        with _READING:
            history = await self._service.get(task_id)
        if history is None:
            raise _no_task()
        return _answer(schemas.TaskDetail.of_history(history))

    async def redrive_task(self, request: web.Request) -> web.Response:
        """Queue a dead task again."""
        guard.require_own_origin(request)
        task_id = _task_id_of(request)
        with _REDRIVING:
            redriven = await self._service.redrive((task_id,))
            found = task_id in redriven or await self._service.get(task_id)
        if not found:
            raise _no_task()
        if task_id not in redriven:
            raise Problem(HTTPStatus.CONFLICT, "task is not dead", "Only dead tasks are redriven.")
        return _answer(Accepted(id=task_id, status=Status.QUEUED), HTTPStatus.ACCEPTED)

    async def show_stats(self, _: web.Request) -> web.Response:
        """Show how many tasks stand where."""
        with _READING:
            counts = await self._service.counts()
        return _answer(schemas.Stats(tasks={status: counts.get(status, 0) for status in Status}))

    def _prepare(self, asked: TaskRequest) -> NewTask:
        try:
            return self._service.prepare(asked.action, bytes(asked.data), asked.options())
        except problems.REFUSED as error:
            raise problems.refusal(error) from error

    async def _prepare_all(self, asked: Sequence[TaskRequest]) -> list[NewTask]:
        tasks: list[NewTask] = []
        faults: list[Fault] = []
        for index, one in enumerate(asked):
            try:
                tasks.append(self._service.prepare(one.action, bytes(one.data), one.options()))
            except (UnknownAction, InvalidTask) as error:
                faults += schemas.indexed(index, problems.faults_of(error))
            except TaskTooLarge as error:
                raise problems.refusal(error) from error
            if index % TURN == TURN - 1:
                await asyncio.sleep(0)
        if faults:
            raise Problem.invalid("invalid tasks", faults)
        return tasks

    def _accepted(self, task: NewTask) -> Accepted:
        ahead = task.run_at is not None and task.run_at > self._clock.now()
        return Accepted(id=task.id, status=Status.SCHEDULED if ahead else Status.QUEUED)

    # --- the service ------------------------------------------------------------------------

    async def show_health(self, _: web.Request) -> web.Response:
        """Answer; that is all there is to it. Asks nobody, so it says only that we are alive."""
        return _answer({"status": "ok"})

    async def show_readiness(self, _: web.Request) -> web.Response:
        """Tell whether tasks can be accepted and stored now."""
        readiness = await self._service.readiness()
        if not readiness.ready:
            raise problems.unavailable("not ready", readiness.reason)
        return _answer({"status": "ready"})

    async def show_tree(self, request: web.Request) -> web.Response:
        """Show the supervision tree."""
        wish = schemas.read_format(request.query)
        if wish is None and "text/plain" in request.headers.get("Accept", ""):
            wish = "text"
        with _SUPERVISING:
            tree = await self._service.tree()
        if wish == "text":
            return web.Response(text=picture(tree) + "\n")
        return _answer(schemas.part_of(tree))

    async def kill_actor(self, request: web.Request) -> web.Response:
        """Kill an actor, to see its supervisor restart it."""
        self._require_administrator(request)
        path = schemas.read_path(await _body_of(request))
        if path == ROOT:
            detail = "Nobody would restart it; stop the process instead."
            raise Problem(HTTPStatus.CONFLICT, "the root cannot be killed", detail)
        with _SUPERVISING:
            killed = await self._service.kill(path)
        if not killed:
            raise Problem(HTTPStatus.NOT_FOUND, "no such actor", f"Nobody runs at {path!r}.")
        return _answer(schemas.Killed(killed=path), HTTPStatus.ACCEPTED)

    async def resize_consumers(self, request: web.Request) -> web.Response:
        """Add or remove consumers; those that leave finish what they do."""
        self._require_administrator(request)
        count = schemas.read_count(await _body_of(request))
        with _SUPERVISING:
            await self._service.resize(count)
        return _answer(schemas.Resized(count=count), HTTPStatus.ACCEPTED)

    def _require_administrator(self, request: web.Request) -> None:
        guard.require_local(request, self._bound_to)
        guard.require_own_origin(request)
        guard.require_json(request)


async def _body_of(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as error:
        detail = f"A request has {MAX_BODY_BYTES} bytes at most."
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        raise Problem(status, "request too large", detail) from error
    except (web.RequestPayloadError, ConnectionError) as error:
        detail = "The body did not arrive as announced."
        raise Problem(HTTPStatus.BAD_REQUEST, "invalid JSON", detail) from error


def _task_id_of(request: web.Request) -> str:
    task_id = schemas.task_id_of(request.match_info["id"])
    if task_id is None:
        raise _no_task()
    return task_id


def _no_task() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "task not found")


def _answer(value: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json"
    )
