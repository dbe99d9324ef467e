"""The database connection of an attempt, for `ctx.connection()`, and the end of its transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from taskqueue.actors.storage_client import StorageClient
from taskqueue.clock import Clock
from taskqueue.errors import NoConnection
from taskqueue.rules import policy
from taskqueue.rules.leases.values import Taken
from taskqueue.rules.tasks import Complete, Failed, NotApplied, Outcome, SettleBy, Succeeded
from taskqueue.storage.handler_sql import HandlerTransaction
from taskqueue.storage.protocol import Storage


class AttemptConnection:
    """At most one transaction, from the first block that uses it to the end of the attempt.

    The task is settled here, on the loop of the connection. The outcome is reported as well, and
    the queue's settlement finds by the token that this was done.
    """

    def __init__(self, taken: Taken, storage: StorageClient, clock: Clock) -> None:
        self._taken = taken
        self._storage = storage
        self._clock = clock
        self._transaction: HandlerTransaction | None = None
        self._is_lent = False
        self._has_ended = False

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[Any]:
        """Give the connection to a block of the handler."""
        if self._is_lent:
            raise NoConnection("another block of this attempt is using it")
        self._is_lent = True
        try:
            if self._transaction is None:
                self._require_running()
                self._transaction = await self._begun()
            async with self._transaction.block() as connection:
                yield connection
        finally:
            self._is_lent = False

    async def _begun(self) -> HandlerTransaction:
        transactions = await self._storage.use(Storage.handler_transactions)
        if transactions is None:
            raise NoConnection("the database of this service lends none")
        delivery = self._taken.delivery
        transaction = await transactions.begin(delivery.task.id, delivery.token)
        try:
            self._require_running()
        except NoConnection:
            transaction.abandon()
            raise
        return transaction

    def _require_running(self) -> None:
        if self._has_ended:  # its transaction would never be concluded
            raise NoConnection("the attempt has ended")

    async def conclude(self, outcome: Outcome) -> Outcome:
        """Commit with the result, or roll back; return the resulting outcome."""
        self._has_ended = True
        transaction, self._transaction = self._transaction, None
        if transaction is None:
            return outcome
        if self._is_lent and isinstance(outcome, Succeeded):
            outcome = Failed(error="a block of ctx.connection() was still open at the end")
        if not isinstance(outcome, Succeeded):
            await transaction.roll_back()
            return outcome
        by = SettleBy(
            token=self._taken.delivery.token,
            settlement=Complete(result=outcome.result, follow_ups=outcome.follow_ups),
            started_at=self._taken.at,
            log=self._taken.log.text(),
        )
        answer = await transaction.settle(by, now=self._clock.now())
        return policy.outcome_of(answer) if isinstance(answer, NotApplied) else outcome

    def abandon(self) -> None:
        """Drop an open connection, and give out no other."""
        self._has_ended = True
        if self._transaction is not None:
            self._transaction.abandon()
