"""A storage that fails or hesitates on command.

    storage = FaultyStorage(MemoryStorage())
    storage.fail_next("settle", StorageUnavailable("disk full"))
    held = storage.hold("insert")
    ...
    await held.reached()
    held.release()

Every call goes to the storage inside, unless a fault was set for it. All on one loop.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taskqueue.errors import StorageUnavailable
from taskqueue.rules.groups import GroupEnd
from taskqueue.storage.memory.engine import MemoryStorage
from taskqueue.storage.protocol import Storage

if TYPE_CHECKING:
    _AnyStorage = MemoryStorage  # what it stands for: a type checker shall know all verbs
else:
    _AnyStorage = object


class Hold:
    """Calls of one verb that wait until they are released."""

    def __init__(self) -> None:
        self._waiting = 0
        self._arrived = asyncio.Event()
        self._released = asyncio.Event()

    async def reached(self, calls: int = 1) -> None:
        """Wait until so many calls wait here."""
        while self._waiting < calls:
            self._arrived.clear()
            await self._arrived.wait()

    def release(self) -> None:
        """Release the calls that wait, and all later ones."""
        self._released.set()

    async def pause(self) -> None:
        """Wait here until released."""
        self._waiting += 1
        self._arrived.set()
        await self._released.wait()


@dataclass(frozen=True)
class Outage:
    """What does not work, and why."""

    reason: str
    verbs: Collection[str] | None  # None: all but `close`

    def hits(self, verb: str) -> bool:
        """Tell whether `verb` does not work."""
        return verb != "close" if self.verbs is None else verb in self.verbs


@dataclass
class Countdown:
    """A failure that comes after so many calls."""

    left: int
    verb: str | None  # None: all but `close` count
    error: Exception

    def counts(self, verb: str) -> bool:
        """Tell whether a call of `verb` brings it nearer."""
        return verb != "close" if self.verb is None else verb == self.verb


class FaultyStorage(_AnyStorage):
    """A storage around another one, to be broken by tests.

    Whether a task is claimed as it is inserted depends on who waits, so both are "insert" here.

    Attributes:
        inner: the storage inside, without faults.
        calls: the verbs called so far.
    """

    def __init__(self, inner: Storage) -> None:
        self.inner = inner
        self.calls: list[str] = []
        self._failures: defaultdict[str, deque[Exception]] = defaultdict(deque)
        self._before: dict[str, Hold] = {}
        self._after: dict[str, Hold] = {}
        self._outage: Outage | None = None
        self._notify_foreign: Callable[[], object] = lambda: None
        self._notify: Callable[[StorageUnavailable], object] = lambda _: None
        self._countdowns: list[Countdown] = []
        self._called = asyncio.Event()
        self._in_flight = 0
        self._returned = asyncio.Event()

    async def called(self, verb: str, times: int = 1) -> None:
        """Wait until `verb` has been called so many times from now on."""
        wanted = self.calls.count(verb) + times
        while self.calls.count(verb) < wanted:
            self._called.clear()
            await self._called.wait()

    async def called_since(self, calls: int) -> None:
        """Wait until there have been more calls than that, since the storage was made."""
        while len(self.calls) <= calls:
            self._called.clear()
            await self._called.wait()

    async def idle(self) -> None:
        """Wait until no call is in flight."""
        while self._in_flight:
            self._returned.clear()
            await self._returned.wait()

    def fail_next(self, verb: str, error: Exception) -> None:
        """Let the next call of `verb` raise `error` without doing anything; queues up."""
        self._failures[verb].append(error)

    def fail_nth(self, nth: int, error: Exception, *, verb: str | None = None) -> None:
        """Let the `nth` call from now on raise `error` without doing anything; queues up.

        Counted are the calls of `verb`, by default those of every verb but `close`.
        """
        self._countdowns.append(Countdown(nth, verb, error))

    def hold(self, verb: str) -> Hold:
        """Let calls of `verb` wait before they do anything."""
        self._before[verb] = Hold()
        return self._before[verb]

    def hold_answers(self, verb: str) -> Hold:
        """Let calls of `verb` do their work, and wait before they answer."""
        self._after[verb] = Hold()
        return self._after[verb]

    def break_down(
        self, reason: str = "broken on command", *, verbs: Collection[str] | None = None
    ) -> None:
        """Let these verbs raise `StorageUnavailable` until `repair`; by default all but `close`."""
        self._outage = Outage(reason, verbs)

    def have_trouble(self, reason: str) -> None:
        """Report that nothing can be written now, as a storage does whose disk hangs."""
        self._notify(StorageUnavailable(reason))

    def commit_elsewhere(self) -> None:
        """Report that another process has written what was written to the storage inside."""
        self._notify_foreign()

    def insert_elsewhere(self) -> None:
        """Report early that another process has inserted tasks into the storage inside."""
        self._notify_foreign_tasks()

    def repair(self) -> None:
        """End the outage."""
        self._outage = None

    def on_loss(self, notify: Callable[[StorageUnavailable], object]) -> None:
        """Let the storage inside call `notify`, and `have_trouble`."""
        self._notify = notify
        self.inner.on_loss(notify)

    def on_foreign_commit(self, notify: Callable[[], object]) -> None:
        """Let the storage inside call `notify`, and `commit_elsewhere`."""
        self._notify_foreign = notify
        self.inner.on_foreign_commit(notify)

    def on_foreign_tasks(self, notify: Callable[[], object]) -> None:
        """Let the storage inside call `notify`, and `insert_elsewhere`."""
        self._notify_foreign_tasks = notify
        self.inner.on_foreign_tasks(notify)

    def on_group_end(self, notify: Callable[[GroupEnd], object]) -> None:
        """Let the storage inside call `notify`."""
        self.inner.on_group_end(notify)

    def abandon(self) -> None:
        """Abandon the storage inside; the next `open` finds what was written."""
        self.inner.abandon()

    if not TYPE_CHECKING:

        def __getattr__(self, verb: str) -> Callable[..., Awaitable[Any]]:
            call = getattr(self.inner, verb)
            name = "insert" if verb == "insert_and_claim" else verb

            async def called(*args: object, **kwargs: object) -> object:
                self.calls.append(name)
                self._called.set()
                self._in_flight += 1
                try:
                    return await self._call(name, call, args, kwargs)
                finally:
                    self._in_flight -= 1
                    self._returned.set()

            return called

    async def _call(
        self,
        verb: str,
        call: Callable[..., Awaitable[object]],
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> object:
        if verb in self._before:
            await self._before[verb].pause()
        if self._outage is not None and self._outage.hits(verb):
            raise StorageUnavailable(self._outage.reason)
        if self._failures[verb]:
            raise self._failures[verb].popleft()
        self._count_down(verb)
        answer = await call(*args, **kwargs)
        if verb in self._after:
            await self._after[verb].pause()
        return answer

    def _count_down(self, verb: str) -> None:
        for countdown in [each for each in self._countdowns if each.counts(verb)]:
            countdown.left -= 1
            if countdown.left == 0:
                self._countdowns.remove(countdown)
                raise countdown.error
