"""The ledger for people to read."""

from collections import Counter
from collections.abc import Iterator

from taskqueue.verification.gate_checks import most_at_once
from tests.torture.run import Run

SHOWN = 5  # of what breaks a promise


def report(run: Run) -> str:
    """Return what was done, what came of it, and every promise with how often it was broken."""
    return "\n".join(_lines(run))


def _lines(run: Run) -> Iterator[str]:
    notes, tasks = run.books.notes, run.books.tasks
    ends = Counter(task["status"] for task in tasks)
    yield "faults"
    for name, number in run.injected.items():
        yield _row(number, name)
    if run.impossible:
        yield f"  ({run.impossible})"
    yield _row(run.lives, f"lives of services ({run.gave_up} gave up by themselves)")
    yield _row(run.restarts, "restarts of their parts")
    yield "clients"
    yield _row(len(notes), "tasks posted")
    yield _row(sum(note.accepted for note in notes), "accepted")
    yield _row(sum(not note.accepted for note in notes), "never answered 202")
    yield _row(sum("/" in note.key for note in notes), "of them in lists")
    yield _row(sum(note.cancel_asked for note in notes), "cancels")
    yield _row(sum(note.delete_asked for note in notes), "deletes of what had ended")
    yield _row(run.pauses, "pauses of the queue")
    yield _row(sum(note.closed for note in notes), "groups closed")
    yield _row(sum(note.unanswered for note in notes), "tries without an answer, or told 503")
    yield "tasks"
    for status, number in sorted(ends.items()):
        yield _row(number, status)
    yield _row(sum(task["attempt"] for task in tasks), "attempts")
    yield _row(sum(task["crashes"] for task in tasks), "of these crashed")
    yield _row(run.books.effects.total(), "effects")
    yield _row(len(run.books.runs), "runs under a limit of what runs at once")
    for key, number in sorted(most_at_once(run.books.runs).items()):
        yield _row(number, f"of {key} at once, at most")
    cut_off = sum(each.ended_at is None for each in run.books.runs)
    yield _row(cut_off, "of these without an end, their processes were killed")
    yield _row(len(run.books.claims), "starts under a rate")
    fired = sum(slot["outcome"] == "fired" for slot in run.books.slots)
    yield _row(fired, "slots of schedules that fired")
    yield f"  {len(tasks) / run.took_s:>8.0f}  tasks/s over {run.took_s:.0f} s, faults and all"
    yield f"  {run.calm_s:>8.1f}  s from the last fault to the last end"
    yield "ledger"
    for name, found in run.violations.items():
        yield _row(len(found), name)
        yield from (f"            {each}" for each in found[:SHOWN])


def _row(number: int, name: str) -> str:
    return f"  {number:>8}  {name}"
