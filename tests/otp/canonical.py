"""The notation of the traces: Erlang's terms as JSON, and one order for what OTP leaves open."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from taskqueue.runtime import (
    KILLED,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    Crash,
    ExitReason,
    Killed,
    NoProc,
    Normal,
    Shutdown,
)
from taskqueue.supervision import BRUTAL_KILL, BadReturn, FailedToStartChild, InvalidSpec

Json = Any  # what `json.loads` returns
Event = dict[str, Any]


def compact(value: Json) -> str:
    """Return JSON in one form: no spaces, keys in alphabetic order."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Term:
    """An Erlang term that means nothing to us: carried along, and handed back as it came."""

    text: str

    @classmethod
    def of(cls, value: Json) -> "Term":
        return cls(compact(value))

    @property
    def json(self) -> Json:
        return json.loads(self.text)

    def __str__(self) -> str:
        """Return it as Erlang writes it; by chance, tuples come after atoms then, as in Erlang."""
        return erlang(self.json)


def erlang(value: Json) -> str:
    match value:
        case str():
            return value
        case list():
            return "{" + ",".join(map(erlang, value)) + "}"
        case _:
            return compact(value)


class RaisedInCallback(Exception):
    """What a `crash` of the form `{"raise": x}` raises: the exit reason has a stack trace."""


class RaisedByStart(Exception):
    """What a start function of outcome `["raise", r]` raises."""


# --- exit reasons ---------------------------------------------------------------------------------

ATOMS: dict[str, ExitReason] = {
    "normal": NORMAL,
    "shutdown": SHUTDOWN,
    "killed": KILLED,
    "noproc": NOPROC,
}


def reason_of(value: Json) -> ExitReason:
    """Return the exit reason that a scenario means."""
    match value:
        case str() if value in ATOMS:
            return ATOMS[value]
        case ["shutdown", detail]:
            return Shutdown(Term.of(detail))
        case _:
            return Crash(Term.of(value))


def json_of_reason(reason: object) -> Json:
    """Return an exit reason as the traces write it."""
    match reason:
        case Normal() | Killed() | NoProc() | Shutdown(detail=None):
            return str(reason)
        case Shutdown(detail=FailedToStartChild(child_id=child_id, reason=why)):
            return ["shutdown", ["failed_to_start_child", child_id, json_of_reason(why)]]
        case Shutdown(detail=Term() as detail):
            return ["shutdown", detail.json]
        case Crash(cause=Term() as term):
            return term.json
        case Crash(cause=BadReturn(value=value)):
            return value
        case Crash(cause=RaisedInCallback() as error):
            return [error.args[0], "stacktrace"]
        case Crash(cause=RaisedByStart() as error):
            return ["EXIT", [error.args[0], "stacktrace"]]
        case Crash(cause=InvalidSpec() as fault):
            return json_of_fault(fault)
        case _:
            return {"unexpected": repr(reason)}


# --- specifications -------------------------------------------------------------------------------

SPEC_KEYS = ("id", "restart", "shutdown", "significant", "type")


def shutdown_of(value: Json) -> object:
    """Return a shutdown limit in our units: seconds, `math.inf`."""
    if value == "infinity":
        return math.inf
    if isinstance(value, int) and not isinstance(value, bool):
        return value / 1000
    return value if value == BRUTAL_KILL else Term.of(value)


def json_of_shutdown(limit: object) -> Json:
    """Return a shutdown limit in OTP's units: milliseconds, `infinity`."""
    if isinstance(limit, int | float):
        return "infinity" if limit == math.inf else round(limit * 1000)
    return json_of_value(limit)


def word_of(value: Json) -> object:
    """Return a value that has to be one of some words; what is no text cannot be one of them."""
    return value if isinstance(value, str) else Term.of(value)


def flag_of(value: Json) -> object:
    """Return a value that has to be true or false."""
    return value if isinstance(value, bool) else Term.of(value)


def number_of(value: Json) -> object:
    """Return a value that has to be a whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else Term.of(value)


def json_of_value(value: object) -> Json:
    return value.json if isinstance(value, Term) else value


def json_of_spec(given: object) -> Json:
    """Return a specification as far as the traces show it."""
    if not isinstance(given, Mapping):
        return given
    shown = {key: json_of_value(given[key]) for key in SPEC_KEYS if key in given}
    return shown | (
        {"shutdown": json_of_shutdown(given["shutdown"])} if "shutdown" in given else {}
    )


def json_of_fault(fault: InvalidSpec) -> Json:
    """Return what is wrong with a specification, as OTP's error term."""
    match fault.tag, fault.value:
        case tag, None:
            return tag
        case tag, InvalidSpec() as inner:
            return [tag, json_of_fault(inner)]
        case "bad_start_spec" as tag, specs:
            return [tag, {"list": [json_of_spec(spec) for spec in specs]}]
        case "bad_combination" as tag, Mapping() as pairs:
            return [tag, {"list": [[key, value] for key, value in pairs.items()]}]
        case "invalid_shutdown" as tag, limit:
            return [tag, json_of_shutdown(limit)]
        case tag, value:
            return [tag, json_of_value(value)]


# --- order ----------------------------------------------------------------------------------------


def in_order_of_instances(events: list[Event], parallel: set[tuple[str, ...]]) -> list[Event]:
    """Sort the ends of instances that stopped at the same time by their names.

    `parallel` are the paths of simple_one_for_one supervisors. Only what stands right before the
    end of such a supervisor, and is beneath it, is sorted.
    """
    ordered = list(events)
    for end, event in enumerate(events):
        path = event["path"]
        if event["e"] != "terminated" or tuple(path) not in parallel:
            continue
        begin = end
        while begin > 0 and _is_beneath(ordered[begin - 1]["path"], path):
            begin -= 1
        ordered[begin:end] = sorted(ordered[begin:end], key=lambda each: each["path"][len(path)])
    return ordered


def _is_beneath(path: list[str], above: list[str]) -> bool:
    return len(path) > len(above) and path[: len(above)] == above


def by_path(event: Event) -> tuple[list[str], int]:
    return event["path"], event["n"]


def by_child(row: dict[str, Json]) -> str:
    return compact(row["child"])


def by_supervisor(report: dict[str, Json]) -> list[str]:
    return report["sup"]
