"""A handler's own transaction: statements that are applied with the ack, or not at all.

    tx = ctx.transaction()
    tx.execute("UPDATE accounts SET balance = balance - ? WHERE id = ?", (amount, source))
    [[left]] = await tx.fetch("SELECT balance FROM accounts WHERE id = ?", (source,))

The SQL is that of the service's database: PostgreSQL has `$1`, `$2`, … where SQLite has `?`.

Nothing holds the database meanwhile. `execute` gathers, and what is gathered is applied in the one
commit that writes the result. `fetch` is a dry run: it applies what was gathered, reads, and rolls
back. The commit checks the rows that it returned once more; if one has changed since, nothing is
written and the handler is called again. The effect is the same as with exclusive access to the
database, and no handler can make another wait.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TypeAlias

from taskqueue.api.attempt_handle import AttemptHandle
from taskqueue.errors import StatementRefused
from taskqueue.foreign import conversion as plain
from taskqueue.foreign import rendering
from taskqueue.rules.tasks import Row, Rows, Scalar, Statement

Parameters: TypeAlias = Sequence[Scalar] | Mapping[str, Scalar]


class Transaction:
    """The statements of one attempt. They are its own: another attempt begins with none."""

    def __init__(self, handle: AttemptHandle) -> None:
        self._handle = handle
        self._statements: list[Statement] = []
        self._turn = asyncio.Lock()  # fetches one after the other, so that each sees those before

    def execute(self, sql: str, parameters: Parameters = ()) -> None:
        """Apply a statement with the ack. Its rows, if any, are not looked at.

        Safe to call from any thread. A statement that cannot be applied, then, is a failure of this
        attempt.

        Raises:
            StatementRefused: a parameter is nothing that a database holds.
        """
        self._statements.append(_statement(sql, parameters))

    async def fetch(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Return the rows of a statement, which sees what was gathered before; for `async def`.

        It is gathered as well, so it may write (`INSERT … RETURNING`).

        Raises:
            StatementRefused: the SQL is wrong or not allowed, or took too long.
            StorageUnavailable, ActorError: the database does not answer now.
        """
        query = _statement(sql, parameters)
        async with self._turn:
            before = self.statements
            return self._note(before, query, await self._handle.dry_run(before, query))

    def fetch_blocking(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Do the same for a handler that is no `async def`.

        Raises:
            RuntimeError: called from an `async def`, which it would block for ever.
        """
        query = _statement(sql, parameters)
        before = self.statements
        return self._note(before, query, self._handle.dry_run_blocking(before, query))

    def _note(self, before: tuple[Statement, ...], query: Statement, answer: Rows) -> list[Row]:
        saw = Statement(sql=query.sql, parameters=query.parameters, saw=answer.digest)
        # What was gathered meanwhile comes after it, as it did when the rows were given.
        self._statements.insert(len(before), saw)
        return list(answer.rows)

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What was gathered, in order."""
        return tuple(self._statements)


def _statement(sql: str, parameters: Parameters) -> Statement:
    # Converted here, where the handler's own line is to blame: what cannot be sent would end the
    # process that wants to send it, and what SQLite's module adapts would depend on the executor.
    text = _text(sql)
    if isinstance(parameters, Mapping):
        named = {_text(name): _scalar(value) for name, value in parameters.items()}
        return Statement(sql=text, parameters=named)
    return Statement(sql=text, parameters=tuple(map(_scalar, parameters)))


def _text(value: object) -> str:
    with suppress(ValueError):
        text = plain.text(value)
        if _is_storable(text):
            return text
    raise StatementRefused(f"must be text, not {rendering.shown(value, most=100)}")


def _scalar(value: object) -> Scalar:
    with suppress(ValueError):
        scalar = plain.scalar(value)
        if _is_storable(scalar):
            return scalar
    raise StatementRefused(
        "a parameter must be an integer of 64 bits, a float, text, bytes or None,"
        f" not {rendering.shown(value, most=100)}"
    )


def _is_storable(value: Scalar) -> bool:
    match value:
        case int():
            return -(2**63) <= value < 2**63
        case str():
            return value.isascii() or not any("\ud800" <= each <= "\udfff" for each in value)
        case _:
            return True
