"""Texts about a run and its failures."""

from collections.abc import Iterator

from tests.misdeeds.ledger import CHECKS
from tests.misdeeds.plan import KINDS
from tests.misdeeds.run import Failure, Run

SHOWN = 4  # findings of each check


def report(run: Run) -> str:
    """Return a table of what was run and what was found."""
    return "\n".join(_lines(run))


def _lines(run: Run) -> Iterator[str]:
    yield from (
        _row(run.lives, "lives of the service"),
        _row(run.waves, "waves"),
        _row(run.healthy, "healthy tasks"),
        _row(run.ends.total(), "handlers that misbehaved"),
        _row(len(run.kinds), f"of {len(KINDS)} kinds of misdeeds"),
    )
    yield from (_row(number, f"ended {status}") for status, number in sorted(run.ends.items()))
    yield from (_row(number, f"attempts {name}") for name, number in sorted(run.outcomes.items()))
    yield f"  {run.slots_s:>8.2f}  s until all slots had taken a task again, at most"
    yield f"  {run.stop_s:>8.2f}  s for a stop, at most"
    for name in CHECKS:
        yield _row(sum(name in failure.found for failure in run.failures), name)


def described(failure: Failure) -> str:
    """Return the findings of a failure, and the smallest plan with the same finding."""
    return "\n".join(_failure_lines(failure))


def _failure_lines(failure: Failure) -> Iterator[str]:
    yield f"FAILED in the life {failure.seed}: {', '.join(failure.found)}"
    for name, found in failure.least_found.items():
        yield f"  {name}"
        yield from (f"    {each}" for each in found[:SHOWN])
    for number, wave in enumerate(failure.least, 1):
        for misdeed in wave:
            limit = " with a limit" if misdeed.timed else ""
            yield f"--- wave {number}, {misdeed.form}{limit}: {' '.join(misdeed.kinds)}"
            yield misdeed.source


def _row(number: int, name: str) -> str:
    return f"  {number:>8}  {name}"
