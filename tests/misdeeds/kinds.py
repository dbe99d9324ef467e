"""Kinds of misdeeds: pieces of code from which the bodies of handlers are generated.

A generated handler is a sequence of deeds, followed by at most one end: what it raises or returns.
"""

from dataclasses import dataclass
from enum import StrEnum
from textwrap import dedent


class Form(StrEnum):
    """How a handler is written and where it runs."""

    LOOP = "loop"
    THREAD = "thread"
    PROCESS = "process"
    ASYNC_PROCESS = "async_process"

    @property
    def is_async(self) -> bool:
        """Whether the handler is an `async def`."""
        return self in ASYNC

    @property
    def in_process(self) -> bool:
        """Whether it runs in a worker process."""
        return self in IN_PROCESS


ASYNC = frozenset({Form.LOOP, Form.ASYNC_PROCESS})
IN_PROCESS = frozenset({Form.PROCESS, Form.ASYNC_PROCESS})
EVERYWHERE = frozenset(Form)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One misdeed."""

    name: str
    family: str
    code: str
    forms: frozenset[Form] = EVERYWHERE
    ends: bool = False  # whether it ends the handler
    # Whether it may crash its consumer, as documented, and interrupt the consumer's other tasks.
    takes_down: bool = False
    harmless: bool = False  # whether the attempt must succeed all the same


class Catalogue(dict[str, Kind]):
    """Kinds by name, in insertion order."""

    def deed(
        self,
        name: str,
        code: str,
        forms: frozenset[Form] = EVERYWHERE,
        *,
        takes_down: bool = False,
        harmless: bool = False,
    ) -> None:
        """Add code that runs before the end of a handler; `name` is `family/kind`."""
        self._add(name, code, forms, takes_down=takes_down, harmless=harmless)

    def end(
        self,
        name: str,
        code: str,
        forms: frozenset[Form] = EVERYWHERE,
        *,
        takes_down: bool = False,
    ) -> None:
        """Add what a handler returns or raises; `name` is `family/kind`."""
        self._add(name, code, forms, ends=True, takes_down=takes_down)

    def _add(self, name: str, code: str, forms: frozenset[Form], **flags: bool) -> None:
        assert name not in self, name
        family, code = name.partition("/")[0], dedent(code).strip()
        self[name] = Kind(name=name, family=family, code=code, forms=forms, **flags)
