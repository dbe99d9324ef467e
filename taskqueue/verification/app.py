"""The app under test: an action for every way in which a handler behaves, well or badly.

Each attempt, but of those `WITHOUT_EFFECT`, first writes a row into `effects` through its
transaction. So a row that is in the database belongs to the attempt that completed its task, or a
promise was broken.
"""

import asyncio
import os
import signal
import time
from collections.abc import Mapping

from taskqueue import App, Cancel, Context, Limit, Reject, Retry, Snooze, every
from taskqueue.verification import statements
from taskqueue.verification.witness import witnessed

CHILDREN = 2
CHILD = "child"

LANES = 2  # keys of a limit
NARROW = Limit(running=2, key="narrow:{lane}")
SINGLE = Limit(running=1, name="single")
BRISK = Limit(running=1, name="brisk")
RATED = Limit(starts=8, per_s=1, burst=3, name="rated")
AT_ONCE: Mapping[str, int] = {"narrow": 2, "single": 1, "brisk": 1}
"""How many tasks of each key may run, by the name of their limit."""

TICK = "tick"
LATEST = ("latest", 5)
"""A schedule of which the latest slot fires after a while without, and its seconds."""
COMPLETE_SCHEDULES: Mapping[str, int] = {"beside": 2, "one-by-one": 3}
"""The seconds between the slots of those schedules of which every slot has to fire."""

PATIENT = 10_000  # so many attempts that no number of faults spends them

app = App()
_SQL = statements.of_this_service()


def note_effect(ctx: Context) -> None:
    """Have one row committed with the result of this attempt."""
    ctx.transaction().execute(_SQL.note_effect, (ctx.task.id, ctx.attempt))


def note_start(ctx: Context) -> None:
    """Have the instant of the claim of this attempt committed with its result."""
    ctx.transaction().execute(_SQL.note_start, (ctx.task.id,))


@app.task("quick", max_attempts=PATIENT)
async def quick(ctx: Context, key: str) -> str:
    note_effect(ctx)
    return key


@app.task("thread", max_attempts=PATIENT)
def thread(ctx: Context, key: str) -> str:
    note_effect(ctx)
    time.sleep(0.005)
    return key


@app.task("slow", max_attempts=PATIENT)
async def slow(ctx: Context, key: str) -> str:
    note_effect(ctx)
    await asyncio.sleep(0.2)
    return key


@app.task("process", max_attempts=PATIENT, executor="process")
def process(ctx: Context, key: str) -> str:
    note_effect(ctx)
    time.sleep(0.02)
    return key


@app.task("die_once", max_attempts=PATIENT, executor="process")
def die_once(ctx: Context, key: str) -> str:
    note_effect(ctx)
    if ctx.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)  # as the OOM killer would
    return key


@app.task("raise_once", max_attempts=PATIENT)
async def raise_once(ctx: Context, key: str) -> str:
    note_effect(ctx)
    if ctx.attempt == 1:
        raise RuntimeError("the first attempt fails")
    return key


@app.task("decline_once", max_attempts=PATIENT)
async def decline_once(ctx: Context, key: str) -> bool | None:
    note_effect(ctx)
    return ctx.attempt > 1


@app.task("retry_once", max_attempts=PATIENT)
async def retry_once(ctx: Context, key: str) -> str:
    note_effect(ctx)
    if ctx.attempt == 1:
        raise Retry(after_s=0.05)
    return key


@app.task("snooze_once", max_attempts=PATIENT)
async def snooze_once(ctx: Context, key: str) -> str:
    note_effect(ctx)
    if ctx.task.deliveries == 1:
        raise Snooze(0.05)
    return key


@app.task("time_out_once", max_attempts=PATIENT, timeout_s=0.2)
async def time_out_once(ctx: Context, key: str) -> str:
    note_effect(ctx)
    if ctx.attempt == 1:
        await asyncio.Event().wait()
    return key


@app.task("crash_once", max_attempts=PATIENT)
async def crash_once(ctx: Context, key: str) -> str:
    note_effect(ctx)
    if ctx.attempt == 1:
        raise SystemExit("the consumer goes down")
    return key


@app.task("block", max_attempts=PATIENT)
async def block(ctx: Context, key: str) -> str:
    note_effect(ctx)
    time.sleep(0.3)  # noqa: ASYNC251 - as a handler should not: its whole consumer stands still
    return key


@app.task("parent", max_attempts=PATIENT)
async def parent(ctx: Context, key: str) -> str:
    note_effect(ctx)
    for number in range(CHILDREN):
        ctx.enqueue(child, key=f"{key}/{number}", parent=ctx.task.id)
    if ctx.attempt == 1:
        raise RuntimeError("the first attempt fails, and its follow-ups with it")
    return key


@app.task(CHILD, max_attempts=PATIENT)
async def child(ctx: Context, key: str, parent: str) -> str:
    note_effect(ctx)
    return key


@app.task("fragile", max_attempts=2)
async def fragile(ctx: Context, key: str) -> str:
    note_effect(ctx)
    await asyncio.sleep(0.01)
    return key


@app.task("hapless", max_attempts=3)
async def hapless(ctx: Context, key: str) -> str:
    note_effect(ctx)
    raise RuntimeError("it never works")


@app.task("reject", max_attempts=PATIENT)
async def reject(ctx: Context, key: str) -> str:
    note_effect(ctx)
    raise Reject("it cannot be done")


@app.task("call_off", max_attempts=PATIENT)
async def call_off(ctx: Context, key: str) -> str:
    note_effect(ctx)
    raise Cancel("it is not needed any more")


# --- with limits ----------------------------------------------------------------------------------


@app.task("narrow", max_attempts=PATIENT, limit=NARROW)
async def narrow(ctx: Context, key: str, lane: int) -> str:
    with witnessed(ctx.task.id, f"narrow:{lane}"):
        note_effect(ctx)
        await asyncio.sleep(0.15)
    return key


@app.task("narrow_process", max_attempts=PATIENT, limit=NARROW, executor="process")
def narrow_process(ctx: Context, key: str, lane: int) -> str:
    with witnessed(ctx.task.id, f"narrow:{lane}"):
        note_effect(ctx)
        time.sleep(0.1)
    return key


@app.task("narrow_thread", max_attempts=PATIENT, limit=NARROW)
def narrow_thread(ctx: Context, key: str, lane: int) -> str:
    with witnessed(ctx.task.id, f"narrow:{lane}"):
        note_effect(ctx)
        time.sleep(0.3)  # runs on when its task is cancelled, and when its consumer is killed
    return key


@app.task("narrow_thrice", max_attempts=PATIENT, limit=NARROW)
async def narrow_thrice(ctx: Context, key: str, lane: int) -> str:
    with witnessed(ctx.task.id, f"narrow:{lane}"):
        note_effect(ctx)
        if ctx.task.deliveries == 1:
            raise Snooze(0.05)
        if ctx.attempt == 1:
            raise RuntimeError("the first attempt fails")
        await asyncio.sleep(0.1)
    return key


@app.task("single", max_attempts=PATIENT, limit=SINGLE)
async def single(ctx: Context, key: str) -> str:
    with witnessed(ctx.task.id, "single"):
        note_effect(ctx)
        await asyncio.sleep(0.1)
    return key


@app.task("brisk", max_attempts=PATIENT, limit=BRISK)
async def brisk(ctx: Context, key: str) -> str:
    """Be short and have no transaction, so that those of the key follow each other as a chain."""
    with witnessed(ctx.task.id, "brisk"):
        await asyncio.sleep(0.001)
    return key


@app.task("rated", max_attempts=PATIENT, limit=RATED)
async def rated(ctx: Context, key: str) -> str:
    note_effect(ctx)
    note_start(ctx)
    return key


@app.task("single_and_rated", max_attempts=PATIENT, limit=(SINGLE, RATED))
async def single_and_rated(ctx: Context, key: str) -> str:
    with witnessed(ctx.task.id, "single"):
        note_effect(ctx)
        note_start(ctx)
        await asyncio.sleep(0.1)
    return key


# --- by schedules ---------------------------------------------------------------------------------


@app.schedule(
    every(seconds=2), name="beside", data={"key": "beside {slot}"}, missed="all", overlap="allow"
)
@app.schedule(
    every(seconds=3),
    name="one-by-one",
    data={"key": "one-by-one {slot}"},
    missed="all",
    overlap="queue",
)
@app.schedule(every(seconds=LATEST[1]), name=LATEST[0], data={"key": "latest {slot}"})
@app.task(TICK, max_attempts=PATIENT)
async def tick(ctx: Context, key: str) -> str:
    note_effect(ctx)
    return key
