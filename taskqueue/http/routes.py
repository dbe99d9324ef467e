"""The routes: what each call does.

    POST   /tasks                  create_task       202 once it is durable; a list: all or none
    GET    /tasks                  list_tasks        newest first; by status, action, queue
    GET    /tasks/{id}             show_task         with all its attempts
    DELETE /tasks/{id}             delete_task       one that has ended, with its history (*)
    POST   /tasks/{id}/cancel      cancel_task       it ends at once, or when its handler stops
    POST   /tasks/{id}/redrive     redrive_task      a dead task is queued again
    GET    /stats                  show_stats        how many tasks stand where
    POST   /dead/redrive           redrive_dead      many dead tasks are queued again (*)
    POST   /dead/delete             delete_dead        many dead tasks are deleted (*)
    GET    /queues                 list_queues       those that are served
    POST   /queues/{name}/pause    pause_queue       nothing more is handed out (*)
    POST   /queues/{name}/resume   resume_queue      tasks are handed out again (*)
    GET    /health                 show_health       this loop turns
    GET    /ready                  show_readiness    tasks can be accepted and stored
    GET    /supervision            show_tree         the tree, as JSON or as a picture
    POST   /supervision/kill       kill_actor        its supervisor restarts it (*)
    PUT    /supervision/consumers  resize_consumers  how many there are (*)

(*) from this machine only. Nothing is stored before it is asked for and nothing is answered before
it is stored.
"""

from collections.abc import Collection
from typing import NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler

from taskqueue.clock import Clock, SystemClock
from taskqueue.http import problems
from taskqueue.http.bodies import MAX_BODY_BYTES
from taskqueue.http.dead.routes import DeadRoutes
from taskqueue.http.guard import Guard, Role
from taskqueue.http.probes import Probes
from taskqueue.http.queues import QueueRoutes
from taskqueue.http.service import Service
from taskqueue.http.supervision.routes import SupervisionRoutes
from taskqueue.http.tasks.creation import TaskCreation
from taskqueue.http.tasks.routes import TaskRoutes

# aiohttp's own pattern takes no braces, which a name may have.
_QUEUE = "/queues/{name:[^/]+}"


class Route(NamedTuple):
    """One call: what is asked, what answers, and who may ask."""

    method: str
    path: str
    handler: Handler
    role: Role


def application(
    service: Service, *, bound_to: str, hosts: Collection[str] = (), clock: Clock | None = None
) -> web.Application:
    """Return the HTTP interface of `service`.

    Args:
        service: does the work.
        bound_to: the address on which the server will listen; the service itself can be
            changed over HTTP only if it is a loopback address.
        hosts: host names that are answered beside those of the loopback interface.
        clock: tells whether a task's `run_at` lies ahead.
    """
    table = routes(service, clock or SystemClock())
    guard = Guard({each.handler: each.role for each in table}, bound_to=bound_to, hosts=hosts)
    app = web.Application(
        client_max_size=MAX_BODY_BYTES, middlewares=[problems.answer_problems, guard.check]
    )
    for method, path, handler, _ in table:
        # As `web.get` does, which lets HEAD ask whatever GET may.
        verbs = (method, "HEAD") if method == "GET" else (method,)
        for verb in verbs:
            app.router.add_route(verb, path, handler)
    return app


def routes(service: Service, clock: Clock) -> tuple[Route, ...]:
    """Return all calls."""
    creation = TaskCreation(service, clock)
    tasks = TaskRoutes(service)
    dead = DeadRoutes(service)
    queues = QueueRoutes(service)
    probes = Probes(service)
    supervision = SupervisionRoutes(service)
    reader, client, administrator = Role.READER, Role.CLIENT, Role.ADMINISTRATOR
    return (
        Route("POST", "/tasks", creation.create_task, client),
        Route("GET", "/tasks", tasks.list_tasks, reader),
        Route("GET", "/tasks/{id}", tasks.show_task, reader),
        Route("DELETE", "/tasks/{id}", tasks.delete_task, administrator),
        Route("POST", "/tasks/{id}/cancel", tasks.cancel_task, client),
        Route("POST", "/tasks/{id}/redrive", tasks.redrive_task, client),
        Route("GET", "/stats", tasks.show_stats, reader),
        Route("POST", "/dead/redrive", dead.redrive_dead, administrator),
        Route("POST", "/dead/delete", dead.delete_dead, administrator),
        Route("GET", "/queues", queues.list_queues, reader),
        Route("POST", _QUEUE + "/pause", queues.pause_queue, administrator),
        Route("POST", _QUEUE + "/resume", queues.resume_queue, administrator),
        Route("GET", "/health", probes.show_health, reader),
        Route("GET", "/ready", probes.show_readiness, reader),
        Route("GET", "/supervision", supervision.show_tree, reader),
        Route("POST", "/supervision/kill", supervision.kill_actor, administrator),
        Route("PUT", "/supervision/consumers", supervision.resize_consumers, administrator),
    )
