"""The app of taskqueue as one of the peers."""

from benchmarks.peers import ledger
from taskqueue import App, Context

app = App()
APP = f"{__name__}:app"


@app.task("note")
async def note(ctx: Context, number: int) -> int:
    """Do the work."""
    ledger.note(number)
    return number
