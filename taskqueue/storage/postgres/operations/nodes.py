"""What the verbs about nodes do, in a transaction or on a connection that reads."""

import msgspec

from taskqueue.rules.nodes import FORGOTTEN_S, Heartbeat, ServiceNode
from taskqueue.rules.tasks import Owner
from taskqueue.storage.postgres.connections import SQL, changed_rows
from taskqueue.storage.postgres.transaction import Transaction

_BEAT = """
INSERT INTO taskqueue.nodes (name, incarnation, said, beat_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE SET
    incarnation = excluded.incarnation, said = excluded.said, beat_at = excluded.beat_at,
    draining_since = CASE
        WHEN nodes.incarnation = excluded.incarnation THEN nodes.draining_since
    END
"""
# What another node deletes at the same time is left to it.
_FORGET = """
DELETE FROM taskqueue.nodes WHERE name IN (
    SELECT name FROM taskqueue.nodes WHERE beat_at < $1 FOR UPDATE SKIP LOCKED
)
"""
_LEAVE = "DELETE FROM taskqueue.nodes WHERE name = $1 AND incarnation = $2"
_ALL = "SELECT said, beat_at, draining_since FROM taskqueue.nodes ORDER BY name"
_DRAIN = """
UPDATE taskqueue.nodes SET draining_since = coalesce(draining_since, $2) WHERE name = $1
"""
_RESUME = "UPDATE taskqueue.nodes SET draining_since = NULL WHERE name = $1"
_IS_DRAINING = """
SELECT count(*) > 0 FROM taskqueue.nodes
WHERE name = $1 AND incarnation = $2 AND draining_since IS NOT NULL
"""

_decode = msgspec.json.Decoder(Heartbeat).decode


async def beat(tx: Transaction, said: Heartbeat, *, now: float) -> None:
    """Write the row of a node, and delete those of nodes that have long been silent."""
    text = msgspec.json.encode(said).decode()
    await tx.db.execute(_BEAT, said.owner.node, said.owner.incarnation, text, now)
    await tx.db.execute(_FORGET, now - FORGOTTEN_S)


async def leave(tx: Transaction, owner: Owner) -> None:
    """Delete the row of an incarnation."""
    await tx.db.execute(_LEAVE, owner.node, owner.incarnation)


async def every(db: SQL) -> tuple[ServiceNode, ...]:
    """Return all nodes by name."""
    return tuple(
        ServiceNode(said=_decode(said), beat_at=beat_at, draining_since=draining_since)
        for said, beat_at, draining_since in await db.fetch(_ALL)
    )


async def drain(tx: Transaction, name: str, *, now: float) -> bool:
    """Note since when a node is to drain."""
    tx.is_news = True
    return changed_rows(await tx.db.execute(_DRAIN, name, now)) == 1


async def resume(tx: Transaction, name: str) -> bool:
    """Take that note away."""
    tx.is_news = True
    return changed_rows(await tx.db.execute(_RESUME, name)) == 1


async def is_draining(db: SQL, owner: Owner) -> bool:
    """Tell whether there is such a note for this incarnation."""
    return bool(await db.fetchval(_IS_DRAINING, owner.node, owner.incarnation))
