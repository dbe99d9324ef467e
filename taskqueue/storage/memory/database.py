"""Memory in the settings: `memory:`, without anything to choose."""

from typing import ClassVar, Self

from taskqueue.storage.backend import Database


class MemoryDatabase(Database):
    """Tasks in the memory of the service: they are gone when it ends."""

    scheme: ClassVar[str] = "memory"
    example: ClassVar[str] = "memory:"

    @classmethod
    def named(cls, url: str) -> Self | None:
        if url != cls.example:
            raise ValueError(f"nothing can follow memory: in {url!r}")
        return cls()

    def __str__(self) -> str:
        return self.example
