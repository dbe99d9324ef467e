"""What the verbs about access tokens do, in a transaction or on a connection that reads."""

from collections.abc import Mapping

from taskqueue.rules.access import Role, Token
from taskqueue.storage.postgres.connections import SQL, changed_rows
from taskqueue.storage.postgres.transaction import Transaction

_ADD = """
INSERT INTO taskqueue.access_tokens (name, role, digest, created_at, expires_at, used_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO NOTHING
"""
_ALL = """
SELECT name, role, digest, created_at, expires_at, used_at FROM taskqueue.access_tokens
ORDER BY name
"""
_REVOKE = "DELETE FROM taskqueue.access_tokens WHERE name = $1"
# In the order of their names: several nodes note what they have seen at the same time.
_NOTE_USE = """
WITH used AS MATERIALIZED (
    SELECT access_tokens.name, given.at
    FROM taskqueue.access_tokens JOIN unnest($1::text[], $2::float8[]) AS given (name, at)
        ON given.name = access_tokens.name AND coalesce(used_at, -1) < given.at
    ORDER BY access_tokens.name FOR UPDATE OF access_tokens
)
UPDATE taskqueue.access_tokens SET used_at = greatest(used_at, used.at)
FROM used WHERE used.name = access_tokens.name
"""


async def add(tx: Transaction, token: Token) -> bool:
    """Insert a token, unless its name is taken."""
    row = (
        token.name,
        token.role.value,
        token.digest,
        token.created_at,
        token.expires_at,
        token.used_at,
    )
    return changed_rows(await tx.db.execute(_ADD, *row)) == 1


async def every(db: SQL) -> tuple[Token, ...]:
    """Return all tokens by name."""
    return tuple(
        Token(
            name=name,
            role=Role(role),
            digest=digest,
            created_at=created_at,
            expires_at=expires_at,
            used_at=used_at,
        )
        for name, role, digest, created_at, expires_at, used_at in await db.fetch(_ALL)
    )


async def revoke(tx: Transaction, name: str) -> bool:
    """Delete a token."""
    return changed_rows(await tx.db.execute(_REVOKE, name)) == 1


async def note_use(tx: Transaction, used: Mapping[str, float]) -> None:
    """Move the instants of the latest uses forward."""
    if used:
        await tx.db.execute(_NOTE_USE, [*used], [*used.values()])
