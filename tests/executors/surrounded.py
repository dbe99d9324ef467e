"""An app with middleware, whose handlers do the same on each executor."""

import asyncio
from contextvars import ContextVar

import msgspec

from taskqueue import App, CallNext, Context, Reject

app = App()

LIMIT_S = 0.3

seen: ContextVar[str] = ContextVar("seen", default="nothing")


def what_of(ctx: Context) -> str:
    return str(msgspec.json.decode(ctx.task.payload)["data"]["what"])


@app.middleware
async def outer(ctx: Context, call_next: CallNext) -> object:
    match what_of(ctx):
        case "refuse":
            raise Reject("not today")
        case "break":
            raise LookupError("no such user")
        case "exit":
            raise SystemExit(3)
    return {"outer": await call_next()}


class Inner:
    """Middleware may be an object."""

    async def __call__(self, ctx: Context, call_next: CallNext) -> object:
        seen.set(what_of(ctx))
        if what_of(ctx) == "hang":
            await asyncio.get_running_loop().create_future()
        try:
            return await call_next()
        except ZeroDivisionError:
            return "caught"


app.middleware(Inner())


def do(what: str) -> object:
    match what:
        case "divide":
            return 1 // 0
        case "loop":
            return asyncio.run(answer())
        case "raise":
            raise KeyError("in the handler")
    return seen.get()


async def answer() -> str:
    await asyncio.sleep(0)
    return "from a loop of its own"


@app.task(timeout_s=LIMIT_S)
async def on_loop(ctx: Context, what: str) -> object:
    await asyncio.sleep(0)
    return do(what)


@app.task
def in_thread(what: str) -> object:
    return do(what)


@app.task(executor="process", timeout_s=LIMIT_S)
def in_process(what: str) -> object:
    return do(what)


@app.task(executor="process", timeout_s=LIMIT_S)
async def on_loop_in_process(what: str) -> object:
    await asyncio.sleep(0)
    return do(what)
