"""Whether limits held: each check yields the violations of one promise. Pure."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from taskqueue.verification.app import AT_ONCE, RATED
from taskqueue.verification.books import Books
from taskqueue.verification.evidence import HandlerRun

_ROUNDING_S = 1e-5  # of instants since 1970


def too_many_at_once(books: Books) -> Iterator[str]:
    """No more handlers of one key run at the same instant than its limit allows."""
    for key, running in _at_once(books.runs):
        most = AT_ONCE[key.partition(":")[0]]
        if len(running) > most:
            told = ", ".join(f"{run.task} in {run.process}" for run in running)
            yield f"{key}: {len(running)} instead of {most} at {running[-1].began_at}: {told}"


def most_at_once(runs: Sequence[HandlerRun]) -> Mapping[str, int]:
    """Return how many runs of each key there were at the same instant, at most."""
    most: Counter[str] = Counter()
    for key, running in _at_once(runs):
        most[key] = max(most[key], len(running))
    return most


def _at_once(runs: Sequence[HandlerRun]) -> Iterator[tuple[str, Sequence[HandlerRun]]]:
    """Yield each key, whenever a run of it begins, with all runs of it at that instant."""
    running: defaultdict[str, list[HandlerRun]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.began_at):
        for key in run.keys:
            running[key] = [each for each in running[key] if each.overlaps(run)] + [run]
            yield key, running[key]


def too_many_starts(books: Books) -> Iterator[str]:
    """In any `t` seconds at most `burst + t * starts / per_s` starts happen.

    Of all windows that end with a start, the one is looked at that exceeds its share most.
    """
    per_s = (RATED.starts or 0.0) / (RATED.per_s or 1.0)
    most_ahead = (RATED.burst or 1.0) - 1.0 + per_s * _ROUNDING_S
    first, least = (0, 0.0), math.inf
    for number, at in enumerate(sorted(books.claims)):
        ahead = number - at * per_s
        if ahead < least:
            first, least = (number, at), ahead
        if ahead - least > most_ahead:
            yield f"{number - first[0] + 1} starts within {at - first[1]:.3f} s, to {at:.3f}"


def slots_not_freed(books: Books) -> Iterator[str]:
    """When all tasks have ended, none has a slot of a limit."""
    ids: Mapping[int, str] = {task["seq"]: task["id"] for task in books.tasks}
    for slot in books.held_slots:
        yield f"{ids.get(slot['task'])} has a slot of {slot['gate']}"
