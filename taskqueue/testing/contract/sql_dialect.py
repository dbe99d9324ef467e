"""What the contract about SQL of handlers says in the words of one engine."""

from collections.abc import Mapping
from dataclasses import dataclass

from taskqueue.rules.tasks import Scalar, Statement

NO_LIMIT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """The SQL of one engine: each field is the same thing to every engine."""

    bank: tuple[str, ...]
    """Makes accounts 1 and 2 with 100 and 10, whose balance is never negative and which are never
    deleted, and the ways to the tables of the queue that `forbidden` tries."""

    pay_in: Statement
    """Adds 5 to account 1, with parameters by name where the engine has them."""

    endless_read: str
    endless_write: str

    mistakes: Mapping[str, Statement]
    """What fails, each for another reason."""

    forbidden: tuple[str, ...]
    """What is refused although the engine could do it."""

    schema: str
    """Shows all objects there are."""

    own_objects: tuple[str, ...]
    """Makes tables, indexes, a view `named` and a trigger, and changes them; inserts 'Ada'."""

    own_drops: tuple[str, ...]
    """Drops them; the last one is `people`."""

    people: str
    """Shows whether the table `people` is there."""

    changes: tuple[str, ...]
    """Changes what `SELECT balance FROM accounts` answers."""

    deferred: tuple[str, ...]
    """Makes a table `cards` and breaks a constraint of it that is checked at the commit."""

    has_constraints: bool
    """Whether such a constraint is kept at all."""

    values: tuple[Scalar, ...]
    values_shown: str
    """Answers `values`, which are its parameters."""

    blob: str
    """An expression for so many bytes: `{}`."""

    differing: tuple[str, ...]
    """Each answers other rows; the first one answers the number 1."""

    one: str
    """Answers its parameter, a number."""

    numbered: bool = False
    """Whether places of parameters are `$1`, `$2`, … and not `?`."""

    def statement(self, sql: str, *parameters: Scalar, saw: str | None = None) -> Statement:
        """Return a statement whose `?` are the places of parameters."""
        if self.numbered:
            first, *rest = sql.split("?")
            sql = first + "".join(f"${place}{text}" for place, text in enumerate(rest, 1))
        return Statement(sql=sql, parameters=parameters, saw=saw)
