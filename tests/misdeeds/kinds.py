"""What a kind of misdeed is: a piece of a handler's body, and where it may stand.

A generated handler is some deeds, one after the other, and one end: what it raises or returns.
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
        """Whether it runs in a process of its own."""
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
    ends: bool = False  # whether the handler is over with it
    # Whether the documented contract lets it end its consumer, and interrupt the neighbours.
    takes_down: bool = False
    leaves: bool = False  # whether what it leaves behind stays, because that is its point
    harmless: bool = False  # whether the contract is that it costs not even its own attempt


class Catalogue(dict[str, Kind]):
    """Kinds by name, in the order in which they were added."""

    def deed(
        self,
        name: str,
        code: str,
        forms: frozenset[Form] = EVERYWHERE,
        *,
        takes_down: bool = False,
        leaves: bool = False,
        harmless: bool = False,
    ) -> None:
        """Add what a handler does on its way; `name` is `family/what`."""
        self._add(name, code, forms, takes_down=takes_down, leaves=leaves, harmless=harmless)

    def end(
        self,
        name: str,
        code: str,
        forms: frozenset[Form] = EVERYWHERE,
        *,
        takes_down: bool = False,
    ) -> None:
        """Add what a handler returns or raises; `name` is `family/what`."""
        self._add(name, code, forms, ends=True, takes_down=takes_down)

    def _add(self, name: str, code: str, forms: frozenset[Form], **flags: bool) -> None:
        assert name not in self, name
        family, code = name.partition("/")[0], dedent(code).strip()
        self[name] = Kind(name=name, family=family, code=code, forms=forms, **flags)
