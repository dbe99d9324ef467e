"""What becomes of tasks whose workers are killed: `kill -9` of all processes, while they drain."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic

from benchmarks.peers.ledger import Ledger
from benchmarks.peers.peer import AT_ONCE
from benchmarks.peers.sessions import Session

KILLS = 5
TASKS = 5_000
LOOK_S = 0.001
SETTLED_LOOK_S = 0.2
SILENT_S = 20.0  # after which nothing more comes: the peers give a task up to others after 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Toll:
    """What a peer has made of its tasks. Pure.

    Attributes:
        lost: never ran.
        doubled: ran more than once.
        unwritten: ran, and the peer does not know that they have finished; None if it never says.
    """

    tasks: int
    lost: int
    doubled: int
    unwritten: int | None


def toll(tasks: int, ran: Iterable[int], finished: int | None) -> Toll:
    """Return the toll of so many tasks, of the numbers that ran and how many finished.

    >>> toll(4, [0, 1, 1, 2], finished=2)
    Toll(tasks=4, lost=1, doubled=1, unwritten=1)
    """
    runs = Counter(ran)
    return Toll(
        tasks=tasks,
        lost=tasks - len(runs),
        doubled=sum(times > 1 for times in runs.values()),
        unwritten=None if finished is None else max(0, len(runs) - finished),
    )


async def killed(running: Session, seconds: float) -> Toll | None:
    """Kill the workers five times while they drain; None if they are the producer's own.

    There are 5,000 tasks, or less if there is less than a second.
    """
    if not len(running.workers):
        return None
    tasks = max(KILLS + 1, int(TASKS * min(1.0, seconds)))
    await running.hold()
    for enqueued in range(0, tasks, AT_ONCE):
        await running.enqueue_many(min(AT_ONCE, tasks - enqueued))
    await running.release()
    for kill in range(1, KILLS + 1):
        await _reach(running.ledger, running.enqueued * kill // (KILLS + 1))
        running.workers.kill()
        running.workers.start()
    await _settle(running)
    ran = [record.number for record in running.ledger.records()]
    return toll(running.enqueued, ran, await running.finished())


async def _reach(ledger: Ledger, records: int) -> None:
    """Wait until there are so many records, or no more of them come."""
    ran, ran_at = len(ledger), monotonic()
    while len(ledger) < records and monotonic() - ran_at < SILENT_S:
        await asyncio.sleep(LOOK_S)
        if (now := len(ledger)) != ran:
            ran, ran_at = now, monotonic()


async def _settle(running: Session) -> None:
    """Wait until every task has run and finished, or nothing has happened for long."""
    seen: tuple[int, int | None] = (-1, None)
    seen_at = monotonic()
    while monotonic() - seen_at < SILENT_S:
        now = (len(running.ledger), await running.finished())
        ran = {record.number for record in running.ledger.records()}
        if len(ran) == running.enqueued and now[1] in (None, running.enqueued):
            return
        if now != seen:
            seen, seen_at = now, monotonic()
        await asyncio.sleep(SETTLED_LOOK_S)
