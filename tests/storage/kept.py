"""A storage that keeps something of all that there is, and what is in its file."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from taskqueue.rules.access import Role, Token, digest_of
from taskqueue.rules.audit import AuditedChange
from taskqueue.rules.edits import Change
from taskqueue.rules.groups import Close
from taskqueue.rules.limits import LimitUse, LimitValues, encoded
from taskqueue.rules.schedules.timing import Timing
from taskqueue.rules.schedules.values import Declared, Firing, Passed, Plan
from taskqueue.rules.schedules.words import Origin
from taskqueue.rules.sizes import SizeChange
from taskqueue.rules.tasks import SettleBy, Status
from taskqueue.rules.uniqueness import KeyEnd, KeyRule
from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.contract.steps import (
    DONE,
    FAILURE,
    claim,
    new_task,
    one_life_of_each_status,
    settle,
)

Dump = dict[str, list[dict[str, Any]]]

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def filled(path: Path) -> Path:
    """Make a file that keeps something of all that there is."""
    storage = SQLiteStorage(path)
    await storage.migrate()
    await storage.open()
    await fill(storage)
    await storage.close()
    return path


async def fill(storage: Storage) -> None:
    """Have a storage keep something of all that there is."""
    await one_life_of_each_status(storage)
    await _keys_groups_and_edits(storage)
    await _limits_and_flows(storage)
    await _schedules(storage)
    await storage.pause("mail", now=5.0)
    await storage.set_size("default", SizeChange(count=3))
    await storage.set_size("mail", SizeChange(slots=8))
    token = Token(name="ci", role=Role.ADMIN, digest=digest_of("ci"), created_at=1.5)
    await storage.add_token(token)
    change = AuditedChange(
        id="1",
        at=1.25,
        role=Role.ADMIN,
        who="ci",
        remote="::1",
        method="POST",
        path="/",
        status=200,
    )
    await storage.record_changes([change])


async def _keys_groups_and_edits(storage: Storage) -> None:
    rules = [None, KeyRule(until=KeyEnd.ENDED), KeyRule(until=3600), KeyRule(until=0.1)]
    keyed = [
        new_task(f"key-{n}", unique_key=f"k{n}", fingerprint="f", key_rule=rule, queue="keys")
        for n, rule in enumerate(rules)
    ]
    again = new_task("key-again", unique_key="k3", fingerprint="g", key_rule=rules[3], queue="keys")
    await storage.insert(keyed, now=0.0)
    await storage.insert([again], now=9.0)  # the key of the last one is over
    others = [
        new_task("odd", payload='{"data": "a\\u0000b é 🎉"}', queue="keys", traceparent=TRACE),
        new_task("child", parent="odd", queue="keys", expires_at=1e9, priority=7),
        new_task("edited", queue="keys", run_at=1e9),
    ]
    await storage.insert(others, now=0.1 + 0.2)
    await storage.edit("edited", Change(priority=3), who="ci", now=1.0)
    members = [new_task(f"member-{n}", group="import", queue="members") for n in range(3)]
    await storage.insert(members, now=0.0)
    [delivery, *_] = await claim(storage, queue="members", limit=1)
    await settle(storage, delivery, DONE)
    then = new_task("then", queue="members")
    await storage.close_group(Close(name="import", then=then), now=2.0)


async def _limits_and_flows(storage: Storage) -> None:
    rate = LimitValues(starts=1, per_s=60.0)
    await storage.declare_limits({"smtp": LimitValues(running=1), "api": rate}, now=0.0)
    await storage.change_limit("smtp", LimitValues(running=2), now=1.0)
    for name in ("smtp", "api"):
        limits = encoded((LimitUse(name),))
        tasks = [new_task(f"{name}-{n}", queue=name, limits=limits) for n in range(4)]
        await storage.insert(tasks, now=0.0)
        await claim(storage, queue=name)
    flows = [new_task(f"{flow}-{n}", queue="fair", flow=flow) for flow in "ab" for n in range(3)]
    await storage.insert(flows, now=0.0)
    [delivery, *_] = await claim(storage, queue="fair", limit=2)
    await storage.start([delivery.token], now=0.5)
    log = '{"lines": []}'
    failed = SettleBy(token=delivery.token, settlement=FAILURE, started_at=0.5, log=log)
    await storage.settle([failed], now=1.0)


async def _schedules(storage: Storage) -> None:
    timing = Timing(every_s=60)
    for name in ("report", "paused"):
        plan = Plan(action="echo", timing=timing)
        await storage.put_schedule(Declared(name=name, plan=plan, origin=Origin.API), now=0.0)
    await storage.pause_schedule("paused", reason="a holiday", now=1.0)
    task = new_task("of-schedule", schedule="report")
    await storage.fire(Firing(schedule="report", version=1, slot=60.0, task=task), now=60.0)
    passed = Passed(schedule="report", version=1, slots=1, first=120.0, last=120.0, reason="off")
    await storage.pass_over(passed, now=200.0)


def dump_of(path: Path) -> Dump:
    """Return all rows of all tables of a file, in some order of their values."""
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        names = "SELECT name FROM sqlite_master WHERE type = 'table'"
        return {
            name: [dict(row) for row in sorted(db.execute(f"SELECT * FROM {name}"), key=_in_order)]
            for [name] in db.execute(names).fetchall()
        }


def _in_order(row: sqlite3.Row) -> list[str]:
    return [str(value) for value in row]


def without_leases(dump: Dump) -> Dump:
    """Return what a copy of it has to be: leases have expired, and their tokens hold no more."""
    tasks = [
        row
        | {"token": f"{row['seq']:x}-copied", "node": "copied", "incarnation": "copied"}
        | {"expires_at": row["claimed_at"]}
        if row["token"] is not None
        else row
        for row in dump["tasks"]
    ]
    return dump | {"tasks": tasks}


def statuses_of(dump: Dump) -> set[str]:
    """Return the statuses that tasks have."""
    return {row["status"] for row in dump["tasks"]} & set(Status)
