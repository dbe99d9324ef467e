"""What user code says of schedules: `@app.schedule(…)` above `@app.task(…)`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from taskqueue.api.action import Enqueuing
from taskqueue.api.readers import JSON
from taskqueue.errors import ConfigError, Fault, InvalidTask, TaskTooLarge, UnknownAction
from taskqueue.foreign import conversion as plain
from taskqueue.foreign import rendering
from taskqueue.rules import arguments
from taskqueue.rules.names import is_name
from taskqueue.rules.options import converted_by
from taskqueue.rules.schedules.deciding import with_slot
from taskqueue.rules.schedules.timing import Timing
from taskqueue.rules.schedules.values import Declared, Plan
from taskqueue.rules.schedules.words import Missed, Origin, Overlap
from taskqueue.rules.tasks import NewTask

A = TypeVar("A", bound=Enqueuing[Any])
E = TypeVar("E", Missed, Overlap)

UNFIT = (UnknownAction, InvalidTask, TaskTooLarge)
"""What is raised where an action, or its arguments, do not fit the app (any more)."""


def every(
    *, weeks: float = 0, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
) -> timedelta:
    """Return an interval for `app.schedule`: `every(minutes=5)`.

    Its slots are the multiples of it since 1970 (UTC): a restart does not move them.

    >>> every(minutes=5).total_seconds()
    300.0
    """
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


class Scheduling(ABC):
    """The schedules of an app."""

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__()
        self.schedules: dict[str, Declared] = {}

    @abstractmethod
    def prepare(self, action: str, data: JSON | None = None) -> NewTask:
        """Return the task that does `action` with `data`; see `App.prepare`."""

    def prepare_scheduled(self, plan: Plan, slot: float) -> NewTask:
        """Return the task of a slot.

        Raises:
            UnknownAction, InvalidTask, TaskTooLarge: see `App.prepare`.
        """
        return self.prepare(plan.action, with_slot(plan.data, slot).encode())

    def plan_faults(self, plan: Plan) -> tuple[Fault, ...]:
        """Return everything that is wrong with a plan, its data included."""
        return (*plan.faults(), *_task_faults(self, plan))

    def schedule(
        self,
        when: str | timedelta,
        *,
        name: str | None = None,
        timezone: str = "UTC",
        data: Mapping[str, object] | None = None,
        missed: str = Missed.LATEST,
        within_s: float | None = None,
        overlap: str = Overlap.SKIP,
    ) -> Callable[[A], A]:
        """Enqueue the action that it decorates again and again; several may be stacked.

            @app.schedule("0 3 * * *", timezone="Europe/Berlin", data={"day": "{slot}"})
            @app.schedule(every(minutes=5), name="report-often")
            @app.task("report")
            async def report(day: str | None = None) -> None: ...

        Args:
            when: a cron expression (five fields, or six with the seconds first), or an interval.
            name: of the schedule; default: that of the action.
            timezone: in which the expression is read, as `Europe/Berlin`.
            data: the arguments of each task; `{slot}` in a text is the slot, as ISO 8601 in UTC.
            missed: which slots run that came while the service did not: `latest`, `all`, `skip`.
            within_s: a slot that is later than this, in seconds, does not run. By default only
                `skip` has a limit, of 60 s.
            overlap: what becomes of a slot while an earlier run has not ended: `skip`, `queue`,
                `allow`, `cancel`.

        Raises:
            ConfigError: with every fault of it.
        """

        def register(action: A) -> A:
            if not issubclass(type(action), Enqueuing):
                fault = Fault("schedule", "must stand above @app.task, which makes the action")
                raise ConfigError((fault,))
            chosen = action.name if name is None else converted_by(plain.text, name)
            self._register(chosen, lambda: self._plan(action.name, when, timezone, data, rules))
            return action

        rules = {"missed": missed, "within_s": within_s, "overlap": overlap}
        return register

    def _register(self, name: str, plan_of: Callable[[], Plan]) -> None:
        what = f"schedule {rendering.text(name)!r}"
        faults: list[Fault] = []
        if is_name(name) and name in self.schedules:
            faults.append(Fault("name", "is registered already; give this one a name of its own"))
        try:
            declared = Declared(name=name, plan=plan_of(), origin=Origin.CODE)
            faults += [*declared.faults(), *_task_faults(self, declared.plan)]
        except ConfigError as error:
            faults += error.faults
        if faults:
            raise ConfigError(tuple(Fault(f"{what}, {f.field}", f.message) for f in faults))
        self.schedules[name] = declared

    def _plan(
        self,
        action: str,
        when: object,
        timezone: str,
        data: Mapping[str, object] | None,
        rules: Mapping[str, Any],
    ) -> Plan:
        try:
            encoded = arguments.encoded(data or {}).decode()
        except InvalidTask as error:
            raise ConfigError(error.faults) from error
        return Plan(
            action=action,
            timing=_timing_of(when, converted_by(plain.text, timezone)),
            data=encoded,
            missed=_choice("missed", Missed, rules["missed"]),
            within_s=converted_by(_optional_number, rules["within_s"]),
            overlap=_choice("overlap", Overlap, rules["overlap"]),
        )


def _task_faults(app: Scheduling, plan: Plan) -> tuple[Fault, ...]:
    try:
        app.prepare_scheduled(plan, 0.0)
    except InvalidTask as error:
        return error.faults
    except UnknownAction as error:
        known = ", ".join(sorted(error.known)) or "none"
        return (Fault("action", f"unknown; this app knows: {known}"),)
    except TaskTooLarge as error:
        return (Fault("data", str(error)),)
    return ()


def _timing_of(when: object, timezone: str) -> Timing:
    if isinstance(when, timedelta):
        seconds = when.total_seconds()
        # What is no whole number stays, for `faults` to name.
        return Timing(every_s=int(seconds) if seconds.is_integer() else 0, timezone=timezone)
    if isinstance(when, str):
        return Timing(cron=str.__str__(when), timezone=timezone)
    fault = Fault("when", "must be a cron expression or an interval, as every(minutes=5)")
    raise ConfigError((fault,))


def _choice(field: str, kind: type[E], value: str) -> E:
    try:
        return kind(value)
    except ValueError:
        fault = Fault(field, f"must be one of {', '.join(kind)}, not {rendering.text(value)!r}")
        raise ConfigError((fault,)) from None


def _optional_number(value: object) -> float | None:
    return None if value is None else plain.number(value)
