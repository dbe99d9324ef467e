"""Keeps statements of handlers in two processes of their own: one that writes, one that reads.

settle ──────────────▶ applying     with the ack, while the writer commits nothing
dry_run ─▶ dry_runs ─┘           reads alone: beside all commits
                          └─ it would write: as a settlement does
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from taskqueue.errors import StatementRefused, StatementsFatal, StorageError
from taskqueue.rules.groups import GroupEnd
from taskqueue.rules.tasks import AttemptOutcome, NotApplied, Rows, SettleBy, Settled
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.commit.writer import Writer
from taskqueue.storage.sqlite.connections.process import ProcessConnection
from taskqueue.storage.sqlite.connections.set_up import SetUp
from taskqueue.storage.sqlite.disk.file import FileWatch
from taskqueue.storage.sqlite.handler_sql.bounded import (
    SHARE_S,
    NeedsWriter,
    serve_reading,
    serve_writing,
    set_up_reading,
    set_up_writing,
)
from taskqueue.storage.sqlite.handler_sql.dry_run import DryRun
from taskqueue.storage.sqlite.handler_sql.execution import LIMIT_S
from taskqueue.storage.sqlite.handler_sql.sandbox import Sandbox, beside
from taskqueue.storage.sqlite.operations import settling
from taskqueue.storage.sqlite.operations.settling import Answer, NotBegun


class Isolation:
    """Runs what has statements of a handler. The processes are started when first needed."""

    def __init__(
        self,
        connect: Callable[[SetUp], Awaitable[ProcessConnection]],
        set_up: SetUp,
        writer: Writer,
        watch: FileWatch,
        *,
        patience_s: float,
        on_group_end: Callable[[GroupEnd], object],
    ) -> None:
        """Make one beside `writer`, whose connection was prepared by `set_up`."""
        sandbox = partial(Sandbox, patience_s=patience_s, on_group_end=on_group_end)
        self._applying = sandbox(
            partial(connect, partial(set_up_writing, set_up=set_up)),
            serve_writing,
            writer.held,
            watch,
        )
        self._dry_runs = sandbox(partial(connect, set_up_reading), serve_reading, beside, watch)

    @property
    def rows_changed(self) -> int:
        """By all commits so far, undone or not."""
        return self._applying.rows_changed

    async def dry_run(self, dry_run: DryRun) -> Rows | StatementRefused:
        """Return what the query answers, or why it does not.

        Raises:
            StatementRefused: a statement was killed, or the process that ran it.
        """
        if dry_run.may_only_read:
            answer = await self._dry_runs.run(dry_run, limit_s=dry_run.limit_s)
            if not isinstance(answer, NeedsWriter):
                return answer
        return await self._applying.run(dry_run, limit_s=dry_run.limit_s)

    async def settle(
        self, settlements: Sequence[SettleBy], *, now: float
    ) -> Sequence[Settled | NotApplied]:
        """Apply the statements of each with its ack; answer in the order given."""
        if len(settlements) == 1:
            return [await self._settle_alone(settlements[0], now=now)]
        try:
            answers = await self._applying.run(
                _settling(settlements, now), limit_s=LIMIT_S + SHARE_S
            )
        except StorageError:
            raise
        except Exception:  # noqa: BLE001  it belongs to one of them, which will raise it alone
            return [await self._settle_alone(each, now=now) for each in settlements]
        left = [
            by
            for by, answer in zip(settlements, answers, strict=True)
            if isinstance(answer, NotBegun)
        ]
        later = iter(await self.settle(left, now=now) if left else ())
        return [next(later) if isinstance(each, NotBegun) else each for each in answers]

    async def _settle_alone(self, by: SettleBy, *, now: float) -> Settled | NotApplied:
        try:
            [answer] = await self._applying.run(_settling([by], now), limit_s=LIMIT_S)
        except StatementsFatal as error:
            return NotApplied(error=error.detail, outcome=AttemptOutcome.CRASHED)
        except StatementRefused as error:
            return NotApplied(error=error.detail)
        assert not isinstance(answer, NotBegun)  # noqa: S101 - there is time for the first
        return answer

    async def close(self) -> None:
        """Finish what waits, then end the processes."""
        await self._dry_runs.close()
        await self._applying.close()

    def abandon(self, then: Callable[[], object]) -> None:
        """Let go without waiting; `then` is called when the last commit has ended."""
        self._dry_runs.abandon(then=lambda: None)
        self._applying.abandon(then=then)


def _settling(
    settlements: Sequence[SettleBy], now: float
) -> Callable[[Transaction], Sequence[Answer]]:
    return partial(
        settling.settle, settlements=tuple(settlements), refused={}, now=now, share_s=SHARE_S
    )
