"""The routes: what each call does.

    POST   /tasks                  create_task       202 once it is durable; a list: all or none
    GET    /tasks                  list_tasks        newest first; by status, action, queue
    GET    /tasks/{id}             show_task         with all its attempts
    DELETE /tasks/{id}             delete_task       one that has ended, with its history (*)
    POST   /tasks/{id}/cancel      cancel_task       it ends at once, or when its handler stops
    POST   /tasks/{id}/redrive     redrive_task      a dead task is queued again
    GET    /stats                  show_stats        how many tasks stand where
    POST   /dead/redrive           redrive_dead      many dead tasks are queued again (*)
    POST   /dead/purge             purge_dead        many dead tasks are deleted (*)
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

from aiohttp import web

from taskqueue.clock import Clock, SystemClock
from taskqueue.http import problems
from taskqueue.http.bodies import MAX_BODY_BYTES
from taskqueue.http.dead.routes import DeadRoutes
from taskqueue.http.probes import Probes
from taskqueue.http.queues import QueueRoutes
from taskqueue.http.service import Service
from taskqueue.http.supervision.routes import SupervisionRoutes
from taskqueue.http.tasks.creation import TaskCreation
from taskqueue.http.tasks.routes import TaskRoutes


def application(service: Service, *, bound_to: str, clock: Clock | None = None) -> web.Application:
    """Return the door to `service`.

    Args:
        service: does the work.
        bound_to: the address on which the server will listen; the service itself can be
            changed over HTTP only if it is a loopback address.
        clock: tells whether a task's `run_at` lies ahead.
    """
    creation = TaskCreation(service, clock or SystemClock())
    tasks = TaskRoutes(service, bound_to)
    dead = DeadRoutes(service, bound_to)
    queues = QueueRoutes(service, bound_to)
    probes = Probes(service)
    supervision = SupervisionRoutes(service, bound_to)
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[problems.answer_problems])
    app.add_routes(
        [
            web.post("/tasks", creation.create_task),
            web.get("/tasks", tasks.list_tasks),
            web.get("/tasks/{id}", tasks.show_task),
            web.delete("/tasks/{id}", tasks.delete_task),
            web.post("/tasks/{id}/cancel", tasks.cancel_task),
            web.post("/tasks/{id}/redrive", tasks.redrive_task),
            web.get("/stats", tasks.show_stats),
            web.post("/dead/redrive", dead.redrive_dead),
            web.post("/dead/purge", dead.purge_dead),
            web.get("/queues", queues.list_queues),
            web.post("/queues/{name}/pause", queues.pause_queue),
            web.post("/queues/{name}/resume", queues.resume_queue),
            web.get("/health", probes.show_health),
            web.get("/ready", probes.show_readiness),
            web.get("/supervision", supervision.show_tree),
            web.post("/supervision/kill", supervision.kill_actor),
            web.put("/supervision/consumers", supervision.resize_consumers),
        ]
    )
    return app
