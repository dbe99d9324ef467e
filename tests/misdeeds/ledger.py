"""The ledger: checks of what was observed in one life of the service. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from taskqueue.testing.process import PRINTED
from tests.misdeeds.app import ATTEMPTS
from tests.misdeeds.life import CONSUMERS, SLOTS, Notes, Posted, WaveNotes
from tests.misdeeds.plan import is_repeated
from tests.misdeeds.processes import Resources

# By how much the resources of a service may grow. Handlers leave pools, threads and sockets behind.
MUCH = Resources(descriptors=64, threads=64, memory_mib=256)
SLIGHTLY = Resources(descriptors=10, threads=10, memory_mib=32)
WARM = 2  # the wave from which on a handler that is repeated needs nothing more

# Events that no handler may cause, and those that one may cause that crashes its consumer.
SURPRISES = frozenset({
    "actor_abandoned",
    "actor_close_failed",
    "actor_crashed",
    "child_restarted",
    "child_start_failed",
    "child_stop_failed",
    "database_degraded",
    "http_error",
    "message_unexpected",
    "supervisor_escalated",
})  # fmt: skip
OF_CONSUMERS = frozenset({"actor_abandoned", "actor_crashed", "child_restarted"})


def service_gone(notes: Notes) -> Iterator[str]:
    """The service answers until it is stopped, and all tasks end."""
    if notes.broken:
        yield notes.broken


def stuck(notes: Notes) -> Iterator[str]:
    """Every task has ended."""
    for each in _posted(notes):
        if each.shown and not each.ended:
            yield f"{_name(each)} is {each.shown['status']}: {each.shown}"


def healthy_harmed(notes: Notes) -> Iterator[str]:
    """A healthy task completes at its first attempt, with its own result."""
    for each in _posted(notes):
        if each.misdeed is None and each.ended:
            shown = each.shown
            if shown["status"] != "completed" or shown["result"] != each.key:
                yield f"{_name(each)} is {shown}"
            elif shown["attempt"] != 1:
                yield f"{_name(each)} took {shown['attempt']} attempts"


def neighbours_interrupted(notes: Notes) -> Iterator[str]:
    """Only a handler that may crash its consumer interrupts other tasks."""
    for wave in notes.waves:
        if not _takes_down(wave):
            for each in wave.posted:
                for attempt in each.shown.get("attempts", ()):
                    if attempt["outcome"] == "interrupted":
                        yield f"{_name(each)}: {attempt}"


def no_outcome(notes: Notes) -> Iterator[str]:
    """A task that misbehaves has a reason, an attempt, and no more attempts than it may have."""
    for each in _posted(notes):
        if each.misdeed is not None and each.ended:
            shown = each.shown
            if shown["status"] == "dead" and not shown.get("reason"):
                yield f"{_name(each)} is dead and has no reason"
            if shown["status"] != "completed" and not shown["attempts"]:
                yield f"{_name(each)} is {shown['status']} without an attempt"
            if shown["attempt"] > ATTEMPTS:
                yield f"{_name(each)} had {shown['attempt']} attempts"


def failed_for_nothing(notes: Notes) -> Iterator[str]:
    """A task of harmless kinds completes."""
    for each in _posted(notes):
        harmless = each.misdeed is not None and each.misdeed.harmless
        if harmless and each.ended and each.shown["status"] != "completed":
            yield f"{_name(each)} is {each.shown}"


def crashed(notes: Notes) -> Iterator[str]:
    """Attempts have crashed only where the documentation says so."""
    for each in _posted(notes):
        if each.misdeed is not None and not each.misdeed.may_crash:
            for attempt in each.shown.get("attempts", ()):
                if attempt["outcome"] == "crashed":
                    yield f"{_name(each)}: {attempt['error']}"


def wrong_effects(notes: Notes) -> Iterator[str]:
    """A task that completed has written its row once; any other has written none."""
    for each in _posted(notes):
        if each.ended and not notes.broken:
            wanted, found = int(each.shown["status"] == "completed"), notes.effects[each.id]
            if wanted != found:
                yield f"{_name(each)} is {each.shown['status']} and has {found} effects"


def slots_lost(notes: Notes) -> Iterator[str]:
    """All slots take tasks again after a wave."""
    for wave in notes.waves:
        if wave.took_s and wave.slots_s is None:
            yield f"{wave.held} of {CONSUMERS * SLOTS} in {notes.slots_limit_s:.1f} s"


def surprises(notes: Notes) -> Iterator[str]:
    """No part of the service has crashed or was restarted, except where documented."""
    for wave in notes.waves:
        allowed = OF_CONSUMERS if _takes_down(wave) else frozenset()
        for event in notes.events[wave.events.start : wave.events.stop]:
            if event.get("event") in SURPRISES and not (
                event["event"] in allowed and "consumer" in str(event)
            ):
                yield str(event)[:2000]


def torn_log(notes: Notes) -> Iterator[str]:
    """Every line of the log is a JSON object, except for what handlers print."""
    for event in notes.events:
        text = str(event.get("text"))
        of_a_handler = text in PRINTED_BY_PYTHON or ("odd" in text and '"event"' not in text)
        if event.get("event") == PRINTED and not of_a_handler:
            yield text[:500]


# On standard output, where `threading.excepthook` raises and `sys.stderr` is None.
PRINTED_BY_PYTHON = frozenset({"Exception in threading.excepthook:"})


def silent_log(notes: Notes) -> Iterator[str]:
    """The end of every task is logged."""
    logged = {event.get("task_id") for event in notes.events if event.get("event") in ENDS}
    ended = [each for each in _posted(notes) if each.ended]
    missing = [each for each in ended if each.id not in logged]
    if missing:
        yield f"{len(missing)} of {len(ended)} ends were not logged, first {_name(missing[0])}"


ENDS = frozenset({"task_completed", "task_dead_lettered", "task_cancelled"})


def growth(notes: Notes) -> Iterator[str]:
    """Descriptors, threads and memory do not grow, not even if one handler is repeated."""
    if is_repeated(notes.plan) and len(notes.waves) > WARM:
        yield from _grown(notes.waves[WARM].resources, notes, SLIGHTLY)
    yield from _grown(notes.at_first, notes, MUCH)


def _grown(first: Resources | None, notes: Notes, allowed: Resources) -> Iterator[str]:
    last = next((wave.resources for wave in reversed(notes.waves) if wave.resources), None)
    if first is not None and last is not None:
        for name in ("descriptors", "threads", "memory_mib"):
            before, now = getattr(first, name), getattr(last, name)
            if now > before + getattr(allowed, name):
                yield f"{name}: {now:.0f}, {before:.0f} before"


def bad_stop(notes: Notes) -> Iterator[str]:
    """SIGTERM ends the service in time with exit code 0, and no process is left."""
    if notes.exit_code != 0:
        code = "had to be killed" if notes.exit_code is None else f"ended with {notes.exit_code}"
        yield f"it {code}; standard error: {notes.complaint[-2000:]}"
    elif notes.stop_s > notes.stop_limit_s:
        yield f"it took {notes.stop_s:.1f} s of {notes.stop_limit_s:.1f}"
    for each in notes.left:
        yield f"left running: {each}"


Check: TypeAlias = Callable[[Notes], Iterable[str]]

CHECKS: Mapping[str, Check] = {
    "the service is gone or hangs": service_gone,
    "tasks that do not end": stuck,
    "healthy tasks harmed": healthy_harmed,
    "neighbours interrupted": neighbours_interrupted,
    "no outcome of its own": no_outcome,
    "failed for nothing": failed_for_nothing,
    "crashed without leave": crashed,
    "wrong effects": wrong_effects,
    "slots lost": slots_lost,
    "parts restarted": surprises,
    "the log is torn": torn_log,
    "the log is silent": silent_log,
    "growth": growth,
    "a bad stop": bad_stop,
}


def violations(notes: Notes) -> Mapping[str, Sequence[str]]:
    """Return the findings of each check that has any."""
    found = {name: tuple(check(notes)) for name, check in CHECKS.items()}
    return {name: what for name, what in found.items() if what}


def _posted(notes: Notes) -> Iterator[Posted]:
    for wave in notes.waves:
        yield from wave.posted


def _takes_down(wave: WaveNotes) -> bool:
    return any(misdeed.takes_down for misdeed in wave.wave)


def _name(each: Posted) -> str:
    if each.misdeed is None:
        return f"healthy {each.key}"
    return f"{each.misdeed.form}: {', '.join(each.misdeed.kinds)}"
