"""The app of the nodes: that of every service under test, and what only PostgreSQL has."""

from collections.abc import Mapping

from taskqueue import Context
from taskqueue.verification.app import PATIENT, app
from taskqueue.verification.behaviours import BEHAVIOURS, COMPLETED, Behaviour
from taskqueue.verification.statements import POSTGRES

__all__ = ["app"]

BEHAVIOURS_OF_NODES: Mapping[str, Behaviour] = {
    **BEHAVIOURS,
    "connected": Behaviour(100, COMPLETED),
}


@app.task("connected", max_attempts=PATIENT)
async def connected(ctx: Context, key: str) -> str:
    """Write over a connection, in the transaction that commits the result."""
    async with ctx.connection() as db:
        await db.execute(POSTGRES.note_effect, ctx.task.id, ctx.attempt)
    return key
