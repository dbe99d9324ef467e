"""The app of taskqueue as one of the peers."""

from typing import Any, TypeAlias

from benchmarks.peers import ledger
from taskqueue import Action, App, Context, Limit

NoteAction: TypeAlias = Action[..., Any]

app = App()
APP = f"{__name__}:app"


@app.task("note")
async def note(ctx: Context, number: int) -> int:
    """Do the work."""
    ledger.note(number)
    return number


@app.task("note_limited", limit=Limit(running=1, name="hot"))
async def note_limited(ctx: Context, number: int) -> int:
    """Do the same, one at a time on all nodes together."""
    ledger.note(number)
    return number
