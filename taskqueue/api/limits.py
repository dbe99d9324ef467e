"""How many tasks may run at once, and how many may start in a while: what a user writes.

@app.task("mail", limit=Limit(running=2, key="smtp:{domain}"))
async def mail(ctx: Context, domain: str, to: str) -> None: ...

@app.task("ask", limit=Limit(running=4, starts=90_000, per_s=60, cost="{tokens}"))
async def ask(ctx: Context, prompt: str, tokens: int) -> str: ...

See `docs/limits.md`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from taskqueue.errors import Fault
from taskqueue.foreign import conversion as plain
from taskqueue.rules import limit_checks
from taskqueue.rules.limits import LimitValues
from taskqueue.rules.options import converted_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit on tasks that run, on tasks that start, or on both.

    All tasks with the same key share its slots and its starts, of whatever action they are, and on
    whatever queue. In any `t` seconds at most `burst + t * starts / per_s` starts happen.
    """

    running: int | None = None
    """How many tasks may run at once; None: any number."""
    starts: float | None = None
    """How many may start within `per_s` seconds; None: any number."""
    per_s: float | None = None
    """The seconds that `starts` are for; by default 1."""
    burst: float | None = None
    """How many may start at once after a pause; by default 1, so that starts are spread evenly."""
    key: str | None = None
    """Text with fields of the data in braces: each text that comes of it has slots and starts of
    its own. None: all tasks share them."""
    cost: float | str = 1.0
    """What one start counts for; a number, or `"{field}"` for a number in the data."""
    name: str | None = None
    """By default the text before the first brace of `key`, without a colon at its end, or else the
    name of the action. Limits of one name are one limit."""

    def faults(self) -> Iterator[Fault]:
        """Yield what is wrong with its numbers and its name, each under its field."""
        yield from limit_checks.value_faults(
            running=self.running, starts=self.starts, per_s=self.per_s, burst=self.burst
        )
        if self.starts is None and self.cost != 1.0:
            yield Fault("cost", "needs starts beside it")
        if self.name is not None and not limit_checks.is_limit_name(self.name):
            yield Fault("name", limit_checks.LIMIT_NAME_RULE)

    @property
    def values(self) -> LimitValues:
        """What it allows, if it has no faults."""
        return limit_checks.values_of(
            running=self.running, starts=self.starts, per_s=self.per_s, burst=self.burst
        )


AnyLimits: TypeAlias = Limit | Sequence[Limit]
"""One limit, or several that all hold at once."""


def as_built_in(limit: Limit) -> Limit:
    """Return the same limit with values of built-in types. What cannot be converted stays."""
    values = {each.name: getattr(limit, each.name) for each in fields(limit)}
    converted: dict[str, Any] = {name: _converted(name, value) for name, value in values.items()}
    return Limit(**converted)


def _converted(name: str, value: object) -> object:
    if value is None:
        return None
    if name == "running":
        return converted_by(plain.integer, value)
    if name in {"key", "name"} or isinstance(value, str):
        return converted_by(plain.text, value)
    return converted_by(plain.number, value)
