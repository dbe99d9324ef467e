"""Whether schedules kept their slots: each check yields the violations of one promise. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from taskqueue.verification.app import COMPLETE_SCHEDULES, LATEST, TICK
from taskqueue.verification.books import Books, Row


def left_out(books: Books) -> Iterator[str]:
    """Each slot of a schedule that makes up for what it has missed has fired."""
    for schedule in books.schedules:
        if schedule["name"] in COMPLETE_SCHEDULES:
            every_s = COMPLETE_SCHEDULES[schedule["name"]]
            slots = [slot for slot in books.slots if slot["schedule"] == schedule["name"]]
            yield from _not_fired(schedule, slots, every_s, until=books.calm_at)
    for name in COMPLETE_SCHEDULES.keys() - {schedule["name"] for schedule in books.schedules}:
        yield f"there is no schedule {name}"


def undecided(books: Books) -> Iterator[str]:
    """Each slot of a schedule that leaves some out has fired, was skipped, or was missed."""
    name, every_s = LATEST
    decided: set[int] = set()
    for slot in books.slots:
        if slot["schedule"] == name:
            slots = slot.get("slots") or 1  # a line of missed ones stands for several
            decided |= {int(slot["at"]) - every_s * back for back in range(slots)}
    if not decided:
        return
    last = max(decided | {_next(books.calm_at, every_s) - every_s})
    for at in range(min(decided), last + every_s, every_s):
        if at not in decided:
            yield f"{name} has decided nothing of {iso(at)}"


def not_one_task(books: Books) -> Iterator[str]:
    """Each slot that fired has one task, and no other slot has any."""
    fired = {
        f"{slot['schedule']} {iso(slot['at'])}"
        for slot in books.slots
        if slot["outcome"] == "fired"
    }
    tasks = Counter(task["key"] for task in books.tasks if task["action"] == TICK)
    for key in sorted(fired | tasks.keys()):
        if tasks[key] != (key in fired):
            told = "fired" if key in fired else "did not fire"
            yield f"{key} {told} and has {tasks[key]} tasks"


def iso(instant: float) -> str:
    """Return an instant as the data of its task have it."""
    return datetime.fromtimestamp(int(instant), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _not_fired(schedule: Row, slots: Sequence[Row], every_s: int, *, until: float) -> Iterator[str]:
    fired = {int(slot["at"]) for slot in slots if slot["outcome"] == "fired"}
    first = min(fired | {_next(schedule["created_at"], every_s)})
    last = max(fired | {_next(until, every_s) - every_s})
    for at in range(first, last + every_s, every_s):
        if at not in fired:
            told = [slot["outcome"] for slot in slots if slot["at"] == at]
            yield f"{schedule['name']} left out {iso(at)}: {told}"


def _next(after: float, every_s: int) -> int:
    """Return the first multiple after an instant."""
    return (int(after // every_s) + 1) * every_s
