"""What a run has found, for people to read. Pure."""

from collections.abc import Iterator

from taskqueue.doctor.findings import Finding
from taskqueue.structs import Struct
from taskqueue.verification.killing import Progress, Verdict

_SHOWN = 5  # violations of one promise


class Report(Struct):
    """All that was found; `keeps_syncs` is that of the disk."""

    seconds: float
    seed: int
    disk: Finding
    keeps_syncs: bool
    verdict: Verdict

    @property
    def has_passed(self) -> bool:
        """Whether every promise was kept through kills, on a disk that keeps what it has synced."""
        return self.keeps_syncs and not self.verdict.broken and self.verdict.kills > 0


def progress_line(progress: Progress) -> str:
    """Return how far a run is."""
    return f"  {_number(progress.kills, 'kill')}, {_number(progress.accepted, 'task')} accepted"


def lines(report: Report) -> Iterator[str]:
    """Return what was done, each broken promise, and the verdict."""
    verdict = report.verdict
    yield (
        f"{_number(verdict.kills, 'kill')}; {_number(verdict.posted, 'task')} posted, "
        f"{verdict.accepted:,} accepted, {verdict.completed:,} completed"
    )
    yield f"{verdict.promises - len(verdict.broken)} of {verdict.promises} promises kept"
    for name, found in verdict.broken.items():
        yield f"  {name}: {len(found)}"
        yield from (f"    {each}" for each in found[:_SHOWN])
    yield f"sync: {report.disk.says}"
    yield _last(report)


def _last(report: Report) -> str:
    if report.verdict.broken:
        return "FAILED: promises were broken"
    if not report.keeps_syncs:
        return f"FAILED: the disk does not keep what it has synced; {report.disk.advice}"
    if report.verdict.kills == 0:
        return "FAILED: the time was too short to kill the service even once; raise --seconds"
    return "PASSED: everything that was acknowledged is there, and nothing ended twice"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
