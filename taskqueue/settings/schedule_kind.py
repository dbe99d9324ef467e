"""The kind of setting that declares schedules."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from taskqueue.errors import ConfigError, Fault, InvalidTask
from taskqueue.rules import arguments
from taskqueue.rules.schedules.timing import MAX_EVERY_S, Timing
from taskqueue.rules.schedules.values import Declared, Plan
from taskqueue.rules.schedules.words import Missed, Origin, Overlap
from taskqueue.settings.kinds import Choice, Duration, Kind

_FIELDS = (
    *("name", "action", "cron", "every_s", "timezone", "data"),
    *("missed", "within_s", "overlap"),
)
_KINDS: Mapping[str, Kind] = {
    "every_s": Duration(1, MAX_EVERY_S),
    "within_s": Duration(),
    "missed": Choice(tuple(Missed)),
    "overlap": Choice(tuple(Overlap)),
}


class Schedules(Kind):
    """Tables `[[schedules]]`, or the same as a list in JSON."""

    metavar = "JSON"
    expected = "tables [[schedules]], or a JSON list of objects"

    def parse(self, value: object) -> tuple[Declared, ...] | None:
        """Return the schedules; None if these are no tables.

        Raises:
            ConfigError: with every fault of them.
        """
        tables = _decoded(value) if isinstance(value, str) else value
        if not isinstance(tables, list | tuple):
            return None
        if all(isinstance(each, Declared) for each in tables):
            return tuple(tables)
        if not all(isinstance(each, Mapping) for each in tables):
            return None
        return _read(tables)

    def spell(self, value: object) -> str:
        tables = [_spelled(each) for each in value]  # type: ignore[attr-defined]  # of `parse`
        return msgspec.json.encode(tables).decode() if tables else ""


def _decoded(text: str) -> object:
    try:
        return msgspec.json.decode(text) if text else []
    except (msgspec.DecodeError, RecursionError):
        return None


def _read(tables: Sequence[Mapping[str, Any]]) -> tuple[Declared, ...]:
    found: list[Declared] = []
    faults: list[Fault] = []
    for place, table in enumerate(tables):
        reading = _Table(table)
        declared = reading.declared()
        if declared.name in {each.name for each in found}:
            reading.faults.append(Fault("name", f"{declared.name!r} is there twice"))
        found.append(declared)
        faults += [Fault(f"[{place}].{each.field}", each.message) for each in reading.faults]
    if faults:
        raise ConfigError(tuple(faults))
    return tuple(found)


class _Table:
    """One table, and what is wrong with it."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self.faults = [
            Fault(key, f"unknown; there are {', '.join(_FIELDS)}")
            for key in table
            if key not in _FIELDS
        ]
        self._table = table

    def declared(self) -> Declared:
        """Return the schedule, as far as it can be read."""
        action = self._text("action")
        if "action" not in self._table:
            self.faults.append(Fault("action", "is required"))
        every_s = self._of_kind("every_s")
        timing = Timing(
            cron=self._text("cron", None),
            every_s=None if every_s is None else _whole(every_s),
            timezone=self._text("timezone", "UTC"),
        )
        plan = Plan(
            action=action,
            timing=timing,
            data=self._data(),
            missed=Missed(self._of_kind("missed") or Missed.LATEST),
            within_s=self._of_kind("within_s"),
            overlap=Overlap(self._of_kind("overlap") or Overlap.SKIP),
        )
        declared = Declared(name=self._text("name", action), plan=plan, origin=Origin.FILE)
        known = {fault.field for fault in self.faults}
        known |= set() if "name" in self._table else {"name"}  # then it is the action's
        self.faults += [each for each in declared.faults() if each.field not in known]
        return declared

    def _text(self, field: str, default: Any = "") -> Any:
        value = self._table.get(field, default)
        if value is not default and not isinstance(value, str):
            self.faults.append(Fault(field, f"expected a text, got {value!r}"))
            return default
        return value

    def _of_kind(self, field: str) -> Any:
        if field not in self._table:
            return None
        try:
            return _KINDS[field].read(self._table[field])
        except ValueError as error:
            self.faults.append(Fault(field, str(error)))
            return None

    def _data(self) -> str:
        data = self._table.get("data", {})
        try:
            if isinstance(data, Mapping):
                return arguments.encoded(data).decode()
            self.faults.append(Fault("data", f"expected a table, got {data!r}"))
        except InvalidTask as error:
            self.faults += error.faults
        return "{}"


def _whole(seconds: float) -> int:
    return int(seconds) if seconds.is_integer() else 0  # for `faults` to name


def _spelled(declared: Declared) -> dict[str, object]:
    plan, timing = declared.plan, declared.plan.timing
    fields: dict[str, object | None] = {
        "name": declared.name,
        "action": plan.action,
        "cron": timing.cron,
        "every_s": timing.every_s,
        "timezone": timing.timezone,
        "data": Raw(plan.data.encode()),
        "missed": plan.missed,
        "within_s": plan.within_s,
        "overlap": plan.overlap,
    }
    return {name: value for name, value in fields.items() if value is not None}
