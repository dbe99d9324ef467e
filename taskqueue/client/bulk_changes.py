"""The verbs that change all tasks which match, however many requests that takes."""

from abc import ABC, abstractmethod
from typing import TypeVar, Unpack

from taskqueue.client import calls
from taskqueue.client.call import Call
from taskqueue.client.verbs import Filters

T = TypeVar("T")


class BulkChanges(ABC):
    """A part of `Client`."""

    @abstractmethod
    def _do(self, call: Call[T]) -> T:
        """Return the answer to a call."""

    def cancel_tasks(
        self, *, reason: str | None = None, dry_run: bool = False, **filters: Unpack[Filters]
    ) -> int:
        """Cancel all tasks that match and have not ended; return how many.

        Takes as many requests as that needs. With `dry_run` they are only counted. Without a
        filter all are meant. Repeating it is safe.

        Raises:
            ServiceUnavailable: some may have been changed.
        """
        return self._change_all("cancel", filters, dry_run=dry_run, reason=reason)

    def redrive_tasks(self, *, dry_run: bool = False, **filters: Unpack[Filters]) -> int:
        """Queue all dead tasks that match again; return how many.

        Takes as many requests as that needs. With `dry_run` they are only counted. Without a
        filter all are meant. Repeating it is safe.

        Raises:
            ServiceUnavailable: some may have been changed.
        """
        return self._change_all("redrive", filters, dry_run=dry_run)

    def delete_tasks(self, *, dry_run: bool = False, **filters: Unpack[Filters]) -> int:
        """Delete all tasks that match and have ended; return how many.

        Takes as many requests as that needs. With `dry_run` they are only counted. Without a
        filter all are meant. Repeating it is safe.

        Raises:
            ServiceUnavailable: some may have been changed.
        """
        return self._change_all("delete", filters, dry_run=dry_run)

    def run_tasks_now(self, *, dry_run: bool = False, **filters: Unpack[Filters]) -> int:
        """Make all tasks that match and are scheduled or retrying due now; return how many.

        Takes as many requests as that needs. With `dry_run` they are only counted. Without a
        filter all are meant. Repeating it is safe.

        Raises:
            ServiceUnavailable: some may have been changed.
        """
        return self._change_all("run-now", filters, dry_run=dry_run)

    def _change_all(
        self, verb: str, filters: Filters, *, dry_run: bool, reason: str | None = None
    ) -> int:
        total = 0
        cursor: str | None = None
        while True:
            progress = self._do(
                calls.change_all(verb, filters, dry_run=dry_run, cursor=cursor, reason=reason)
            )
            total += progress.matched if dry_run else progress.done
            cursor = progress.next
            if cursor is None:
                return total
