"""The app under test: handlers that execute source code from their task's data, and healthy ones.

The healthy ones bind the functions they call when the app is imported. A misdeed that patches a
module would change them otherwise.
"""

import gc
import os
from asyncio import sleep
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from taskqueue import App, Context
from tests.misdeeds.kinds import Form

MAKE_EFFECTS = """
CREATE TABLE effects (task TEXT NOT NULL, attempt INTEGER NOT NULL) STRICT;
CREATE TABLE odd (value ANY);
"""
NOTE_EFFECT = "INSERT INTO effects (task, attempt) VALUES (?, ?)"

LIMIT_S = 1.0  # of handlers with a time limit
ATTEMPTS = 2  # of a misdeed; a healthy task has one attempt

app = App()
_exists, _touch, _collect = os.path.exists, Path.touch, gc.collect


def note_effect(ctx: Context) -> None:
    """Write one row in the transaction of this attempt."""
    ctx.transaction().execute(NOTE_EFFECT, (ctx.task.id, ctx.attempt))


def handler_of(source: str) -> Callable[[Context], Any]:
    """Return the handler that a source defines."""
    namespace: dict[str, Any] = {"__name__": "misdeed"}
    exec(compile(source, "<misdeed>", "exec"), namespace)
    handler: Callable[[Context], Any] = namespace["handler"]
    return handler


async def awaited(ctx: Context, source: str) -> object:
    """Run the `async def` that the source defines."""
    note_effect(ctx)
    running: Awaitable[object] = handler_of(source)(ctx)
    return await running


def called(ctx: Context, source: str) -> object:
    """Run the `def` that the source defines."""
    note_effect(ctx)
    return handler_of(source)(ctx)


async def healthy_async(ctx: Context, key: str) -> str:
    note_effect(ctx)
    await sleep(0.01)
    return key


def healthy(ctx: Context, key: str) -> str:
    note_effect(ctx)
    return key


for form in Form:
    executor: Any = "process" if form.in_process else None
    app.task(f"healthy_{form}", max_attempts=1, executor=executor)(
        healthy_async if form.is_async else healthy
    )
    app.task(f"misdeed_{form}", max_attempts=ATTEMPTS, executor=executor)(
        awaited if form.is_async else called
    )
    if form is not Form.THREAD:
        app.task(f"timed_{form}", max_attempts=ATTEMPTS, executor=executor, timeout_s=LIMIT_S)(
            awaited if form.is_async else called
        )


@app.task("collect_garbage", max_attempts=1)
async def collect_garbage(ctx: Context) -> None:
    """Collect all garbage of the service."""
    _collect()


@app.task("hold", max_attempts=1)
async def hold(ctx: Context, here: str, until: str) -> str:
    """Occupy a slot: create the file `here`, and return once the file `until` exists."""
    _touch(Path(here))
    while not _exists(until):  # noqa: ASYNC110 - another process creates it
        await sleep(0.01)
    return here
