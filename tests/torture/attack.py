"""Where services are tortured, and how: what one run needs of it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from taskqueue.verification.behaviours import Behaviour
from taskqueue.verification.books import Books
from taskqueue.verification.kept import KeptService
from taskqueue.verification.load import Note


class Attack(Protocol):
    """Services on one database, and the harm that is done to them."""

    @property
    def faults(self) -> Sequence[str]:
        """The names of what is done."""
        ...

    @property
    def impossible(self) -> str:
        """What cannot be done here, and why; empty: nothing."""
        ...

    @property
    def behaviours(self) -> Mapping[str, Behaviour]:
        """The actions that clients post."""
        ...

    @property
    def services(self) -> Sequence[KeptService]:
        """The services, for their ends."""
        ...

    @property
    def url(self) -> str:
        """Where clients find a service now."""
        ...

    def opened(self, seed: int, on: Callable[[str], None]) -> AbstractAsyncContextManager[None]:
        """Have the services running while inside; nothing of them runs afterwards."""
        ...

    async def ready(self) -> None:
        """Wait until a service accepts tasks."""
        ...

    async def harass(self, seed: int, injected: Counter[str], on: Callable[[str], None]) -> None:
        """Do harm until cancelled; count it, and say what is done now."""
        ...

    async def close(self) -> None:
        """Stop the services as a deploy does."""
        ...

    async def books(self, notes: Sequence[Note], calm_at: float) -> Books:
        """Read the books after that."""
        ...

    def violations(self) -> Mapping[str, Sequence[str]]:
        """Return what was found beside the books, by promise."""
        ...
