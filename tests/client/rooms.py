"""An app whose handlers end only if six of them run at once."""

import threading

from taskqueue import App, Context

SEATS = 6

app = App()
_table = threading.Barrier(SEATS)


@app.task("meet", queue="rooms")
def meet(ctx: Context) -> None:
    _table.wait(60)


@app.task("greet")
async def greet(ctx: Context) -> str:
    return "hello"
