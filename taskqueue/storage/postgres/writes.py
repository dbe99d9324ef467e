"""Writes that wait for their commit."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from taskqueue.storage.postgres.transaction import Transaction

T = TypeVar("T")


class Write(Generic[T]):
    """An operation that waits for its commit, and how it went."""

    def __init__(
        self, operation: Callable[[Transaction], Awaitable[T]], answer: "asyncio.Future[T]"
    ) -> None:
        self.operation = operation
        self._answer = answer

    def resolve(self, value: T) -> None:
        """Give the caller its answer, if it is still there."""
        if self._is_awaited():
            self._answer.set_result(value)

    def fail(self, error: BaseException) -> None:
        """Raise `error` in the caller, if it is still there."""
        if self._is_awaited():
            self._answer.set_exception(error)

    def _is_awaited(self) -> bool:
        return not self._answer.done() and not self._answer.get_loop().is_closed()
