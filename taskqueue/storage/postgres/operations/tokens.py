"""What the verbs about access tokens do, in a transaction or on a connection that reads."""

from collections.abc import Mapping

from taskqueue.rules.access import Token
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.transaction import Transaction


async def add(tx: Transaction, token: Token) -> bool:
    """Insert a token, unless its name is taken."""
    raise NotImplementedError


async def every(db: SQL) -> tuple[Token, ...]:
    """Return all tokens by name."""
    raise NotImplementedError


async def revoke(tx: Transaction, name: str) -> bool:
    """Delete a token."""
    raise NotImplementedError


async def note_use(tx: Transaction, used: Mapping[str, float]) -> None:
    """Move the instants of the latest uses forward."""
    raise NotImplementedError
