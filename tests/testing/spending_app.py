"""Actions that say what they have cost."""

from taskqueue import App, Context, Limit

app = App()

TOKENS = Limit(name="tokens", starts=100, per_s=100, burst=1000, key="{user}")


@app.task("ask", limit=TOKENS)
async def ask(ctx: Context, user: str, tokens: float) -> None:
    ctx.spend("tokens", tokens)


@app.task("ask in a thread", limit=TOKENS)
def ask_in_a_thread(ctx: Context, user: str, tokens: float) -> None:
    ctx.spend("tokens", tokens)


@app.task("ask in a process", limit=TOKENS, executor="process")
def ask_in_a_process(ctx: Context, user: str, tokens: float) -> None:
    ctx.spend("tokens", tokens)


@app.task("fail", limit=TOKENS, max_attempts=1)
async def fail(ctx: Context, user: str) -> None:
    ctx.spend("tokens", 500)
    raise OSError("after the bill")


@app.task("spend elsewhere")
async def spend_elsewhere(ctx: Context, limit: str) -> None:
    ctx.spend(limit, 7, key="acme")
