"""An SQLite connection in a process of its own, reached in one hop.

    run(function) ─▶ frame ─▶ socket ─▶ process_main: function(connection)
                                                          └─▶ frame ─▶ socket ─▶ the answer

What it runs does not compete for the interpreter of the service: neither does a commit wait for a
thread that computes, nor the loop for a commit. The price is that all must be pickled.
"""

import asyncio
import contextlib
import signal
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from taskqueue.children.frames import Body, frame
from taskqueue.children.launch import Child, when_ended
from taskqueue.children.pipe import Pipe
from taskqueue.errors import StorageUnavailable
from taskqueue.storage.sqlite.connections.pickling import NotSent, answered, request
from taskqueue.storage.sqlite.connections.set_up import Mode, SetUp, connect
from taskqueue.storage.sqlite.connections.spawn import spawn
from taskqueue.storage.sqlite.connections.watchdog import Watchdog
from taskqueue.storage.sqlite.errors import WriterLost

T = TypeVar("T")


class _Call(NamedTuple):
    function: Callable[..., Any]
    request: bytes
    answer: asyncio.Future[Any]


def _nothing(*_: object) -> None:
    pass


class ProcessConnection:
    """Belongs to the loop it was opened on. Its process ends with it, or with ours.

    If the process ends by itself, whatever it was asked and will be asked raises `WriterLost`. What
    it was committing just then is committed or not.

    A process that does not answer is reported after about 1.5 s and killed later, as `watchdog`
    decides; that is then an end as any other.
    """

    def __init__(
        self,
        spawned: Child,
        on_loss: Callable[[StorageUnavailable], object],
        check: Callable[[sqlite3.Connection], object],
        on_closed: Callable[[], object],
        *,
        has_limit: bool,
    ) -> None:
        end, self._process = spawned
        self._pipe: Pipe[Body] = Pipe(end, _undecoded)
        self._on_loss = on_loss
        self._check = check
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._calls: deque[_Call] = deque()  # the first is in the process, and the only one there
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._lost: WriterLost | None = None
        self._watchdog = Watchdog(
            self._process.pid,
            is_idle=self._idle.is_set,
            ping=lambda: self.run(self._check).add_done_callback(self._checked),
            kill=self._process.kill,
            report=lambda reason: self._on_loss(StorageUnavailable(reason)),
            has_limit=has_limit,
        )
        self._watchdog.start()
        self._pipe.listen(self._answered, self._lose)

    @classmethod
    async def open(
        cls,
        path: Path,
        mode: Mode,
        *,
        busy_timeout_s: float,
        set_up: SetUp,
        own_sectors: bool = False,
        spawn: Callable[[], Child] = spawn,
        keep: Sequence[int] = (),
        on_loss: Callable[[StorageUnavailable], object] = _nothing,
        check: Callable[[sqlite3.Connection], object] = _nothing,
        on_closed: Callable[[], object] = _nothing,
        has_limit: bool = False,
    ) -> "ProcessConnection":
        """`connect` to the file at `path` in a process of `spawn`, which keeps those files open.

        Should it not answer, end by itself (`WriterLost`), or `check` raise `StorageUnavailable`,
        which an idle process calls now and then, `on_loss` is called. `has_limit` says that the
        caller limits how long functions may compute, and kills the process.
        When this fails or is cancelled, the process ends by itself. However the connection ends,
        `on_closed` is called once the process has ended, on any thread.

        Raises:
            StorageUnavailable, StorageCorrupt: as `faults` translates what SQLite says; or no
                process can be started.
        """
        try:
            spawned = spawn()
        except BaseException:
            on_closed()
            raise
        connection = cls(spawned, on_loss, check, on_closed, has_limit=has_limit)
        try:
            connection._lend(keep)
            await connection.run(
                partial(
                    connect,
                    path,
                    mode,
                    busy_timeout_s=busy_timeout_s,
                    set_up=set_up,
                    own_sectors=own_sectors,
                )
            )
        except BaseException:
            connection.abandon()
            raise
        connection._watchdog.is_opening = False
        return connection

    @property
    def is_lost(self) -> bool:
        """Whether the process has ended by itself."""
        return self._lost is not None

    @property
    def exit_code(self) -> int | None:
        """How the process has ended, as `Popen.returncode` says it; None if that is not known."""
        return self._process.returncode

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def kill(self) -> None:
        """End the process at once, whatever it has in hand."""
        self._process.kill()

    def run(self, function: Callable[..., T]) -> asyncio.Future[T]:
        """Call `function` with the connection; answer with what it returns or raises.

        Functions run in the order of the calls. Cancelling the answer does not stop the function.
        One that cannot be sent there is not run, and answers `NotSent`.

        Raises:
            StorageUnavailable: the connection is closed.
        """
        if self._closed:
            raise StorageUnavailable("closed")
        answer: asyncio.Future[T] = self._loop.create_future()
        if self._lost is not None:
            answer.set_exception(self._lost)
            return answer
        try:
            self._calls.append(_Call(function, request(function), answer))
        except NotSent as error:
            answer.set_exception(error)
            return answer
        if len(self._calls) == 1:
            self._idle.clear()
            self._pipe.send(self._calls[0].request)
        return answer

    async def close(self) -> None:
        """Finish what was asked for, then close; refuse what comes later. Harmless when closed.

        If no other connection is open, SQLite brings the log into the file and removes it.
        """
        if self._closed:
            return
        try:
            await self._idle.wait()
        except asyncio.CancelledError:  # who gives up waiting wants it closed all the same
            self.abandon()
            raise
        closed = asyncio.Event()
        if self._lost is None:
            self.run(methodcaller("close"))  # the last that the process reads
        self.abandon(then=partial(self._tell, closed.set))
        await closed.wait()

    def abandon(self, then: Callable[[], object] = _nothing) -> None:
        """Let go without waiting: the process ends what it has in hand, and `then` is called.

        The connection ends with the process and is not closed, so the log stays as it is.
        Works without a running loop. What is not answered yet raises `StorageUnavailable`. On a
        connection whose process has ended `then` is called at once.
        """
        self._closed = True
        self._shut()
        if self._watchdog.is_opening:  # nothing is in hand, and to begin may take it long
            self._process.kill()
        self._process.send_signal(signal.SIGCONT)  # one that is stopped would never end
        self._fail(StorageUnavailable("closed"))
        if self._process.returncode is None:
            when_ended(self._process, lambda _: self._end(then))
        else:
            self._end(then)

    def _end(self, then: Callable[[], object]) -> None:
        self._on_closed()
        then()

    # --- what is said -----------------------------------------------------------------------------

    def _lend(self, descriptors: Sequence[int]) -> None:
        """Have the process hold those open as well, from before it does anything to its end."""
        with contextlib.suppress(OSError):  # it has ended, as the pipe will say
            self._pipe.send_now(frame(b""), descriptors)

    def _answered(self, message: Body) -> None:
        self._watchdog.answers += 1
        function, _, answer = self._calls.popleft()
        if self._calls:
            self._pipe.send(self._calls[0].request)
        else:
            self._idle.set()
        if answer.done():  # its asker may have been cancelled
            return
        try:
            value, error = answered(message, to=function)
        except Exception as defect:  # noqa: BLE001  else its asker would wait for ever
            value, error = None, defect
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(value)

    def _checked(self, answer: asyncio.Future[Any]) -> None:
        error = answer.exception()
        if isinstance(error, StorageUnavailable) and self._lost is None and not self._closed:
            self._on_loss(error)

    # --- its end ----------------------------------------------------------------------------------

    def _lose(self) -> None:
        """Hear no more of it, and say why as soon as that is known."""
        self._shut()
        self._lost = WriterLost("the process that writes has ended")
        when_ended(self._process, lambda code: self._tell(partial(self._lost_by, code)))

    def _lost_by(self, code: int) -> None:
        self._lost = WriterLost(f"the process that writes {self._how_ended(code)}")
        self._fail(self._lost)
        if not self._closed:
            self._on_loss(self._lost)

    def _how_ended(self, code: int) -> str:
        if (doing := self._watchdog.killed_because) is not None:
            return f"was killed because it did not answer: it {doing}"
        return "has ended " + (f"by signal {-code}" if code < 0 else f"with exit code {code}")

    def _shut(self) -> None:
        """Let the process read the end of the socket, when it is done with what it has in hand."""
        self._watchdog.stop()
        self._pipe.close()

    def _fail(self, error: StorageUnavailable) -> None:
        calls, self._calls = self._calls, deque()
        self._idle.set()
        for _, _, answer in calls:
            if not answer.done() and not self._loop.is_closed():
                answer.set_exception(error)
                answer.exception()  # its caller may be gone, and asyncio would log it

    def _tell(self, what: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed, and its callers are gone
            self._loop.call_soon_threadsafe(what)


def _undecoded(body: Body) -> Body:
    """Leave it as it is: an answer that cannot be decoded is an error of its request."""
    return body
