"""What the verbs about access tokens do, in a transaction or on a connection that reads."""

import sqlite3
from collections.abc import Mapping

from taskqueue.rules.access import Role, Token
from taskqueue.storage.sqlite.commit.transaction import Transaction

_ADD = """
INSERT INTO main.access_tokens (name, role, digest, created_at, expires_at, used_at)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING
"""
_ALL = """
SELECT name, role, digest, created_at, expires_at, used_at FROM main.access_tokens ORDER BY name
"""
_REVOKE = "DELETE FROM main.access_tokens WHERE name = ?"
_NOTE_USE = """
UPDATE main.access_tokens SET used_at = ?2 WHERE name = ?1 AND coalesce(used_at, -1) < ?2
"""


def add(tx: Transaction, token: Token) -> bool:
    """Insert a token, unless its name is taken."""
    row = (
        token.name,
        token.role.value,
        token.digest,
        token.created_at,
        token.expires_at,
        token.used_at,
    )
    return tx.db.execute(_ADD, row).rowcount == 1


def every(db: sqlite3.Connection) -> tuple[Token, ...]:
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
        for name, role, digest, created_at, expires_at, used_at in db.execute(_ALL).fetchall()
    )


def revoke(tx: Transaction, name: str) -> bool:
    """Delete a token."""
    return tx.db.execute(_REVOKE, (name,)).rowcount == 1


def note_use(tx: Transaction, used: Mapping[str, float]) -> None:
    """Move the instants of the latest uses forward."""
    tx.db.executemany(_NOTE_USE, list(used.items()))
