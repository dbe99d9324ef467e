"""Which values a handler's statements take and answer: those of `Scalar`, and text for the rest.

A row travels between processes and is compared by its digest. So what Python would show as a date,
a Decimal or a UUID comes as PostgreSQL's own text, and is given as such.
"""

from taskqueue.errors import StatementRefused
from taskqueue.rules.tasks import Row
from taskqueue.storage.postgres.connections import Connection

_AS_TEXT = (
    *("numeric", "uuid", "inet", "cidr"),
    *("date", "time", "timetz", "timestamp", "timestamptz", "interval"),
)
_SCALARS = (int, float, str, bytes, type(None))


async def set_codecs(connection: Connection) -> None:
    """Have a connection take and answer as text what is no scalar."""
    for name in _AS_TEXT:
        await connection.set_type_codec(
            name, schema="pg_catalog", encoder=_text, decoder=str, format="text"
        )
    await connection.set_type_codec(
        "bool", schema="pg_catalog", encoder=_truth, decoder="t".__eq__, format="text"
    )


def plain_row(record: Row) -> Row:
    """Return a row of asyncpg as one that can be sent and compared.

    Raises:
        StatementRefused: a value has a type that is neither a scalar nor given as text.
    """
    row = tuple(record)
    for value in row:
        if not isinstance(value, _SCALARS):
            raise StatementRefused(
                f"answers a value that a row cannot hold ({type(value).__name__}):"
                " cast it to text in the statement"
            )
    return row


def _text(value: object) -> str:
    if isinstance(value, bytes):
        raise TypeError("expected text or a number, not bytes")
    return str(value)


def _truth(value: object) -> str:
    if not isinstance(value, int | str):
        raise TypeError("expected a bool, 0, 1 or text")
    return str(value).lower()
