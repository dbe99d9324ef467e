"""Throws statements at a storage, beside tasks that have nothing to do with them."""

import asyncio
import os
import re
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path

import msgspec

from taskqueue.errors import StatementRefused
from taskqueue.rules.tasks import (
    AttemptOutcome,
    Complete,
    DeadLetter,
    Delivery,
    NotApplied,
    SettleBy,
    Settled,
    Settlement,
    Statement,
)
from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.storage.sqlite.handler_sql.permissions import QUEUE_TABLES
from tests.sandbox.alone import SET_UP, Processes, begin, completing, shrunk
from tests.sandbox.grammar import Grammar

LIMIT_S = 1.0
PATIENCE_S = 60.0  # for whatever is awaited: beyond it something hangs
CALM_S = 1.0
LOOK_S = 0.1
ATTACKERS = 4
_NAMES = re.compile(r"(?<=: )[\w.]+$|\"[^\"]*\"|(?<=table )\w+|(?<=index )\w+|\d+ values.*")


class Found(msgspec.Struct):
    """What a run has found; all is well if `violations` is empty."""

    answers: Counter[str] = msgspec.field(default_factory=Counter)
    refusals: Counter[str] = msgspec.field(default_factory=Counter)
    violations: list[str] = msgspec.field(default_factory=list)
    ended: dict[str, str] = msgspec.field(default_factory=dict)  # the status of each task by its id
    entries: int = 0  # in the ledger
    longest_stall_s: float = 0.0
    longest_lag_s: float = 0.0
    longest_sync_s: float = 0.0

    @property
    def bound_s(self) -> float:
        """For how long an insert may wait: 1.5 s, and what this machine is late by itself."""
        return 1.5 + 2 * self.longest_lag_s + 4 * self.longest_sync_s


async def attack(folder: Path, *, seconds: float, seed: int) -> Found:
    """Attack for so many seconds, and compare what is there with what ought to be."""
    path, processes = folder / "tasks.db", Processes()
    storage = SQLiteStorage(path, writes_in="process", spawn=processes)
    await storage.migrate()
    await storage.open()
    run = _Run(storage, path)
    await run.set_up()
    attacking = asyncio.create_task(_attack(run, seconds, seed))
    stalling = asyncio.create_task(run.stall())
    await asyncio.wait((attacking, stalling), return_when=asyncio.FIRST_COMPLETED)
    if stalling.done():
        suspects = run.suspects()
        attacking.cancel()
        processes.kill()  # what holds up the queue holds up its end too
        storage.abandon()
        await asyncio.gather(attacking, return_exceptions=True)
        named = await _named(stalling.result(), run.found.bound_s, suspects)
        run.found.violations.append(named)
        return run.found
    stalling.cancel()
    await attacking
    if processes.started[0].process.poll() is not None:
        run.found.violations.append("the process that writes for the queue has ended")
    await storage.close()
    try:
        run.compare()
    except sqlite3.Error as error:
        run.found.violations.append(f"the file cannot be read: {error}")
    return run.found


async def _attack(run: "_Run", seconds: float, seed: int) -> None:
    async with run.others():
        await asyncio.sleep(CALM_S)
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as attackers:
            for number in range(ATTACKERS):
                attackers.create_task(run.attack(Grammar(seed * ATTACKERS + number), number, until))


async def _named(stall_s: float, limit_s: float, suspects: Sequence[list[Statement]]) -> str:
    """Say that a commit has stalled, and which of the suspects does that alone."""
    what = f"a commit has waited for {stall_s:.2f} s and not ended"
    guilty = [each for statements in suspects for each in await shrunk(statements, limit_s)]
    if guilty:
        return f"{what}; alone, this stalls commits:{_listed(guilty)}"
    return f"{what}; not one alone of:{_listed([each for some in suspects for each in some])}"


def _listed(statements: Sequence[Statement]) -> str:
    shown = "\n    ".join(f"{each.sql[:300]} {each.parameters!r:.200}" for each in statements)
    return f"\n    {shown}"


class _Run:
    def __init__(self, storage: Storage, path: Path) -> None:
        self.found = Found()
        self.over = False
        self._storage = storage
        self._path = path
        self._schema: list[tuple[object, ...]] = []
        self._latest: dict[int, list[Statement]] = {}  # of each attacker
        self._waits_since: float | None = None  # the healthy task, for one or two commits

    async def set_up(self) -> None:
        delivery = await begin(self._storage, "set up", "setup")
        await self._end(completing(delivery, SET_UP), delivery)
        self._schema = self._queues_schema()

    @asynccontextmanager
    async def others(self) -> AsyncIterator[None]:
        """Have other tasks go on in the block, and measure what this machine does to them."""
        others = [self._healthy(), self._banking(), self._lag(), self._syncs()]
        working = asyncio.gather(*others)
        try:
            yield
        except asyncio.CancelledError:
            working.cancel()
            raise
        finally:
            self.over = True
            await asyncio.gather(working, return_exceptions=True)
        working.result()

    def suspects(self) -> Sequence[list[Statement]]:
        """Return what each attacker has done last."""
        return list(self._latest.values())

    # --- the attack -------------------------------------------------------------------------------

    async def attack(self, grammar: Grammar, number: int, until: float) -> None:
        """Have one task after the other do what the grammar says."""
        turn = 0
        while time.monotonic() < until and not self.found.violations:
            turn += 1
            statements = self._latest[number] = grammar.transaction()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._try(f"hostile {number} {turn}", statements, read=turn % 3 == 0)
            except Exception as error:  # noqa: BLE001  whatever it is, it is a finding
                self._violated(f"{error!r}")
            if self._queues_schema() != self._schema:
                changed = set(self._queues_schema()) ^ set(self._schema)
                self._violated(f"the queue's schema has changed: {changed!r:.500}")

    async def _try(self, task_id: str, statements: list[Statement], *, read: bool) -> None:
        delivery = await begin(self._storage, task_id, f"hostile {task_id[8]}")
        settlement: Settlement = Complete(result="1", statements=tuple(statements))
        if read:
            settlement = Complete(result="1")
            try:
                await self._storage.dry_run(statements[:-1], statements[-1], limit_s=LIMIT_S)
                self.found.answers["dry-run"] += 1
            except StatementRefused as error:
                self._refused(error.detail)
        answer = await self._settle(delivery, settlement)
        if isinstance(answer, NotApplied):
            self._refused(answer.error)
            dead = DeadLetter(reason="refused", outcome=AttemptOutcome.FAILED, error=answer.error)
            answer = await self._settle(delivery, dead)
            self.found.ended[task_id] = "dead"
        else:
            self.found.answers["applied"] += not read
            self.found.ended[task_id] = "completed"
        if answer is not Settled.WRITTEN:
            self._violated(f"{task_id} was answered {answer}")

    def _refused(self, error: str) -> None:
        kind = _NAMES.sub("…", error.partition(", in: ")[0])
        if "in a single step" in error:
            kind = "killed"
        self.found.answers["killed" if kind == "killed" else "refused"] += 1
        self.found.refusals[kind] += 1

    def _violated(self, what: str) -> None:
        """Note it, with what each attacker has done last."""
        latest = [each for statements in self.suspects() for each in statements]
        self.found.violations.append(f"{what}, after one of:{_listed(latest)}")

    # --- beside it --------------------------------------------------------------------------------

    async def _healthy(self) -> None:
        """Tasks without statements: each is stored soon and completed once."""
        number = 0
        while not self.over:
            number += 1
            with self._timed():
                delivery = await begin(self._storage, f"healthy {number}", "healthy")
            with self._timed():
                await self._end(completing(delivery, ()), delivery)
            await asyncio.sleep(0.01)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        self._waits_since = time.monotonic()
        try:
            yield
        finally:
            self.found.longest_stall_s = max(self.found.longest_stall_s, self._stall_s())
            self._waits_since = None

    def _stall_s(self) -> float:
        """Return for how long each commit has been waited for: of two at most."""
        return 0.0 if self._waits_since is None else (time.monotonic() - self._waits_since) / 2

    async def stall(self) -> float:
        """Wait until a commit takes too long, and return how long; it may never end by itself."""
        looks = 0  # at one stall: the lag that explains it may not have been measured yet
        while looks < 2:
            await asyncio.sleep(LOOK_S)
            looks = looks + 1 if self._stall_s() > self.found.bound_s else 0
        return self._stall_s()

    async def _banking(self) -> None:
        """Tasks with statements that do no harm: each is applied, whatever its neighbours do."""
        number = 0
        entry = Statement(sql="UPDATE ledger SET entries = entries + 1")
        while not self.over:
            number += 1
            delivery = await begin(self._storage, f"banking {number}", "banking")
            await self._end(completing(delivery, (entry,)), delivery)
            self.found.entries += 1
            await asyncio.sleep(0.02)

    async def _lag(self) -> None:
        while not self.over:
            began = time.monotonic()
            await asyncio.sleep(0.01)
            lag_s = time.monotonic() - began - 0.01
            self.found.longest_lag_s = max(self.found.longest_lag_s, lag_s)

    async def _syncs(self) -> None:
        while not self.over:
            sync_s = await asyncio.to_thread(_sync, self._path.with_name("probe"))
            self.found.longest_sync_s = max(self.found.longest_sync_s, sync_s)
            await asyncio.sleep(0.1)

    async def _end(self, by: SettleBy, delivery: Delivery) -> None:
        [answer] = await self._storage.settle([by], now=1.0)
        self.found.ended[delivery.task.id] = "completed"
        if answer is not Settled.WRITTEN:
            self.found.violations.append(f"{delivery.task.id} was answered {answer}")

    async def _settle(self, delivery: Delivery, settlement: Settlement) -> Settled | NotApplied:
        by = SettleBy(token=delivery.token, settlement=settlement)
        [answer] = await self._storage.settle([by], now=1.0)
        return answer

    # --- what is there ----------------------------------------------------------------------------

    def compare(self) -> None:
        """Look whether the file holds what was answered, and nothing else."""
        found = self.found
        with closing(sqlite3.connect(self._path)) as db:
            tasks = dict(db.execute("SELECT id, status FROM tasks"))
            counted = dict(db.execute("SELECT status, tasks FROM counters WHERE tasks > 0"))
            [attempts] = db.execute("SELECT count(*) FROM attempts").fetchone()
            [entries] = db.execute("SELECT entries FROM ledger").fetchone()
            [sound] = db.execute("PRAGMA integrity_check(1)").fetchone()
        statuses = Counter(found.ended.values())
        for what, is_there, ought in (
            ("tasks", tasks, found.ended),
            ("counts", counted, statuses),
            ("attempts", attempts, statuses["dead"]),
            ("entries in the ledger", entries, found.entries),
            ("integrity", sound, "ok"),
        ):
            if is_there != ought and not found.violations:
                found.violations.append(f"{what}: {is_there!r:.300}, not {ought!r:.300}")
        if found.longest_stall_s > found.bound_s:
            found.violations.append(f"an insert waited for {found.longest_stall_s:.2f} s")

    def _queues_schema(self) -> list[tuple[object, ...]]:
        names = ", ".join(f"'{name}'" for name in QUEUE_TABLES)
        with closing(sqlite3.connect(self._path)) as db:
            return db.execute(
                f"SELECT type, name, tbl_name, sql FROM sqlite_master"
                f" WHERE tbl_name COLLATE NOCASE IN ({names}) ORDER BY type, name"
            ).fetchall()


def _sync(path: Path) -> float:
    began = time.monotonic()
    with suppress(OSError), path.open("wb") as file:
        file.write(bytes(65536))
        file.flush()
        os.fsync(file.fileno())
    return time.monotonic() - began
