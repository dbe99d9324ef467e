"""A kind of task, as user code holds it: what `@app.task` leaves in the place of the function."""

from collections.abc import Sequence
from typing import Generic, ParamSpec, Protocol, Self, TypeVar, cast

from taskqueue.api.context import Context
from taskqueue.api.parameters import AnyFunction
from taskqueue.api.readers import JSON
from taskqueue.api.signature import arguments_by_name
from taskqueue.rules import arguments
from taskqueue.rules.options import Options
from taskqueue.rules.tasks import NewTask
from taskqueue.rules.uniqueness import OnRepeatName, ScopeName, UntilName

P = ParamSpec("P")
R = TypeVar("R")


class Owner(Protocol):
    """The app that an action belongs to."""

    def prepare(self, action: str, data: JSON | None = None, *, options: Options = ...) -> NewTask:
        """Return the task that does `action` with `data`; see `App.prepare`."""
        ...

    async def enqueue(self, *tasks: NewTask) -> tuple[str, ...]:
        """Accept prepared tasks; see `App.enqueue`."""
        ...

    def enqueue_sync(self, *tasks: NewTask) -> tuple[str, ...]:
        """Accept prepared tasks; see `App.enqueue_sync`."""
        ...


class Enqueuing(Generic[P]):
    """Enqueues tasks for one handler, with arguments that the type checker knows.

    await resize.enqueue(url="…", width=400)
    await resize.with_options(delay_s=5, priority=1).enqueue(url="…")
    """

    def __init__(self, app: Owner, name: str, function: AnyFunction, options: Options) -> None:
        self.name = name
        self._app = app
        self._function = function
        self._options = options

    def __repr__(self) -> str:
        """Return the action's name, marked as an action."""
        return f"<Action {self.name}>"

    async def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> str:
        """Accept a task with these arguments; return its id. Durable when this returns.

        Under a unique key that has been asked for the same before, that is the id of that task.

        Raises:
            KeyConflict: something else was asked for under its unique key before.
            KeyTaken: its unique key is held by a task that stays as it is.
            GroupClosed: its group takes no more members.
            InvalidTask: the arguments or the options do not fit.
            TaskTooLarge: the payload has more than 1 MiB.
            NotRunning: there is no service in this process, and no client is configured.
            StorageUnavailable, ServiceUnavailable: it may or may not have been accepted.
        """
        task = self.prepare(*args, **kwargs)
        [task_id] = await self._app.enqueue(task)
        return task_id

    def enqueue_sync(self, /, *args: P.args, **kwargs: P.kwargs) -> str:
        """Accept a task as `enqueue` does, in a program without asyncio; return its id.

        Raises:
            WouldBlock: this is the loop of the service in this process; await `enqueue` instead.
        """
        [task_id] = self._app.enqueue_sync(self.prepare(*args, **kwargs))
        return task_id

    def prepare(self, /, *args: P.args, **kwargs: P.kwargs) -> NewTask:
        """Return a task with these arguments, for `App.enqueue` to accept with others at once.

        Raises:
            InvalidTask: the arguments or the options do not fit.
            TaskTooLarge: the payload has more than 1 MiB.
        """
        data = arguments.encoded(arguments_by_name(self._function, args, kwargs))
        return self._app.prepare(self.name, data, options=self._options)

    def with_options(
        self,
        *,
        queue: str | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
        delay_s: float | None = None,
        run_at: float | None = None,
        unique_key: str | None = None,
        unique_by: Sequence[str] | None = None,
        unique_scope: ScopeName | None = None,
        unique_until: UntilName | float | None = None,
        on_repeat: OnRepeatName | None = None,
        latest_s: float | None = None,
        expires_s: float | None = None,
        expires_at: float | None = None,
        group: str | None = None,
    ) -> Self:
        """Return this action with other options for the tasks made through it.

        `delay_s` counts from the enqueue, `run_at` is in seconds since 1970 (UTC). An option that
        cannot be is refused when a task is made. At most one task holds a `unique_key`, or the key
        that its fields `unique_by` make: enqueueing the same again gives the same task, so it is
        safe to repeat. `docs/uniqueness.md` has the other four. A task that has not started
        `expires_s` seconds after its enqueue, or at the instant `expires_at`, is cancelled.
        A `group` counts its tasks; see `docs/groups.md`.
        """
        options = Options(
            queue=queue,
            priority=priority,
            max_attempts=max_attempts,
            delay_s=delay_s,
            run_at=run_at,
            unique_key=unique_key,
            unique_by=unique_by,
            unique_scope=unique_scope,
            unique_until=unique_until,
            on_repeat=on_repeat,
            latest_s=latest_s,
            expires_s=expires_s,
            expires_at=expires_at,
            group=group,
        )
        return type(self)(self._app, self.name, self._function, options.over(self._options))


class Action(Enqueuing[P], Generic[P, R]):
    """A kind of task whose handler takes the context."""

    def __call__(self, ctx: Context, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself, as a test of it does."""
        return cast(R, self._function(ctx, *args, **kwargs))


class PlainAction(Enqueuing[P], Generic[P, R]):
    """A kind of task whose handler takes its data only."""

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself, as a test of it does."""
        return cast(R, self._function(*args, **kwargs))
