"""The app under test, with middleware and hooks that misbehave for the tasks that want it.

It is another app, because a `def` inside of middleware takes another way in a process.
"""

from collections.abc import Iterator
from re import MULTILINE, findall
from textwrap import indent
from typing import Any

from msgspec.json import decode  # bound here, like the others: a misdeed may patch their modules

from taskqueue import CallNext, Context, Task, TaskEvent
from tests.misdeeds.app import app
from tests.misdeeds.around import CODE
from tests.misdeeds.plan import IMPORTS

__all__ = ["app"]


def misdeeds_of(task: Task, family: str) -> Iterator[str]:
    """Yield the code of the misdeeds that the source of a handler names."""
    source = str(decode(task.payload)["data"].get("source", ""))
    for name in findall(rf"^ *# ({family}/\w+)$", source, MULTILINE):
        yield CODE[name]


def defined(signature: str, body: str) -> Any:
    namespace: dict[str, Any] = {"__name__": "misdeed"}
    source = f"{IMPORTS}\nasync def {signature}:\n{indent(body, '    ')}\n"
    exec(compile(source, "<misdeed>", "exec"), namespace)
    return namespace["misdeed"]


@app.middleware
async def misbehave(ctx: Context, call_next: CallNext) -> object:
    """Do the first misdeed of middleware that the task names."""
    for code in misdeeds_of(ctx.task, "middleware"):
        body = f"{code}\nreturn await call_next()"
        return await defined("misdeed(ctx, call_next)", body)(ctx, call_next)  # type: ignore[no-any-return]
    return await call_next()


@app.on_started
@app.on_succeeded
@app.on_failed
@app.on_dead
async def listen(event: TaskEvent) -> None:
    """Do the misdeeds of hooks that the task names."""
    for code in misdeeds_of(event.task, "hooks"):
        await defined("misdeed(event)", code)(event)
