"""A lifespan: the service runs from the start of a web application to its end.

web = FastAPI(lifespan=queue_lifespan(app))  # Starlette, too
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TypeAlias, TypedDict

from msgspec.structs import replace

from taskqueue.api.app import App
from taskqueue.api.loading import load_app
from taskqueue.client.aio import AsyncClient
from taskqueue.embedding import role
from taskqueue.embedding.child import ServiceChild, search_path
from taskqueue.embedding.in_process import InProcess
from taskqueue.embedding.messages import Run, packed
from taskqueue.embedding.reference import reference_of
from taskqueue.embedding.running_service import RunningService, StartService
from taskqueue.embedding.shared_service import SharedService
from taskqueue.errors import ConfigError, Fault
from taskqueue.service import Service
from taskqueue.settings import Settings, checked


class LifespanState(TypedDict):
    """What a request of Starlette finds in its `state`."""

    queue: AsyncClient


Lifespan: TypeAlias = Callable[[object], AbstractAsyncContextManager[LifespanState]]


def queue_lifespan(
    app: App | str,
    settings: Settings | None = None,
    *,
    in_process: bool = False,
    **values: object,
) -> Lifespan:
    """Return a lifespan for Starlette and FastAPI that runs the service with the application.

    The service runs in a child process: it starts with the application, is started again after a
    crash, drains on SIGTERM when the application ends, and is killed if the application dies. Of
    several processes with the same database one runs it, and the others use it. Meanwhile
    `action.enqueue(…)` goes to it, and `request.state.queue` is an `AsyncClient`.

    Args:
        app: a global variable, so that the child can import it; or its `package.module:app`.
        settings: of the service; None: the defaults, with a free port unless `listen` names a Unix
            socket.
        in_process: run it on the application's loop instead, without a process of its own.
        values: single settings by their names in `taskqueue.toml`, over `settings`.

    Raises:
        ConfigError: a setting does not fit, or the app cannot be imported.
    """
    if settings is None and not values.get("listen"):
        values = {"port": 0, **values}
    used = checked(settings, **values)
    loaded = load_app(app) if isinstance(app, str) else app

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[LifespanState]:
        _require_application()
        begin = partial(_in_process, loaded, used) if in_process else _in_child(loaded, used)
        async with SharedService(loaded, used, begin) as shared:
            yield {"queue": shared.client}

    return lifespan


async def _in_process(app: App, settings: Settings, port: int) -> RunningService:
    return await InProcess.begin(lambda port: Service(app, replace(settings, port=port)), port)


def _in_child(app: App, settings: Settings) -> StartService:
    name, folder = reference_of(app)

    async def begin(port: int) -> RunningService:
        run = Run(
            folder=folder,
            path=search_path(),
            actions=app.actions,
            settings=packed(replace(settings, port=port, app=name)),
        )
        return await ServiceChild.begin(run, settings.drain_s)

    return begin


def _require_application() -> None:
    """Refuse to start a service within the service.

    Raises:
        ConfigError: this process is the service, and has imported a program that starts a server.
    """
    if role.is_service:
        fault = Fault(
            "app",
            "importing its module starts the web server; put that under if __name__ == '__main__':",
        )
        raise ConfigError((fault,))
