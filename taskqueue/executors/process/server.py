"""A fork server as the service sees it: started, used to fork and kill, and reaped."""

import asyncio
import socket
import sys
from collections import deque
from contextlib import suppress

from taskqueue.children import kernel
from taskqueue.children.launch import PATH, Child, launch, when_ended
from taskqueue.children.messages import decoder, framed
from taskqueue.children.pipe import Pipe
from taskqueue.events import events
from taskqueue.executors.process.messages import (
    Ended,
    Fork,
    Forked,
    FromForkServer,
    FromWorker,
    Kill,
    Locate,
    Located,
    NotForked,
    Prepare,
    Prepared,
    Unusable,
)
from taskqueue.executors.process.worker import CannotStart, Worker
from taskqueue.logs import pipeline as logs
from taskqueue.process import origin
from taskqueue.process.forks import socket_pair
from taskqueue.process.hidden_tasks import hidden_task

END_S = 5.0  # how long its end may take with all below it

# Not `-m`: its modules are to be found where ours were, whatever has been done to the path since.
# It is told the path of the app as well, but not before all that it needs itself is imported.
_COMMAND = """\
import sys
sys.path[:] = {path!r}
from taskqueue.executors.process.forkserver import main
main({descriptor})
"""


class ForkServer:
    """Owns one fork server, and through it all its workers. Belongs to the loop it is used on.

    It ends with `close`, with this process, or with the thread that it was started from; its
    workers end with it.

    Raises:
        CannotStart: the system has no room for another process.
    """

    def __init__(self, app: str, folder: str, start_s: float) -> None:
        self.gone = False  # closed by us, or ended by itself
        self._app = app
        self._folder = folder
        self._start_s = start_s
        self._births: deque[tuple[asyncio.Future[Worker], socket.socket]] = deque()
        self._workers: dict[int, Worker] = {}
        self._loop = asyncio.get_running_loop()
        self._prepared: asyncio.Future[None] = self._loop.create_future()
        self._lost = asyncio.Event()  # nothing more will come from it
        end, self._process = _launched()
        self._control: Pipe[FromForkServer] = Pipe(end, decoder(FromForkServer))
        self._living = hidden_task(self._live())

    async def prepared(self) -> None:
        """Wait until it has imported the app.

        Raises:
            CannotStart: it could not, or took too long. It is closed then.
        """
        prepare = Prepare(
            app=self._app, folder=self._folder, path=_search_path(), log=logs.current()
        )
        try:
            async with asyncio.timeout(self._start_s):
                self._control.send(framed(prepare))
                await asyncio.shield(self._prepared)
        except TimeoutError:
            self.close()
            raise CannotStart(f"importing {self._app} took over {self._start_s:g} s") from None
        except BaseException:
            self.close()
            raise
        events.info("fork_server_started", pid=self._process.pid, app=self._app)

    @property
    def pids(self) -> tuple[int, ...]:
        """Its workers that live, as far as it has said."""
        return tuple(self._workers)

    async def fork(self) -> Worker:
        """Start a worker.

        Raises:
            CannotStart: the system has no room for it, or the fork server has gone or hangs. One
                that hangs, or cannot be reached, is killed, with its workers.
        """
        if self.gone:
            raise CannotStart("the fork server has ended")
        try:
            ours, theirs = socket_pair()
        except OSError as error:
            raise CannotStart(f"cannot make a pipe: {error.strerror}") from error
        birth: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        with theirs:
            try:
                self._control.send_now(framed(Fork()), [theirs.fileno()])
            except OSError as error:
                ours.close()
                # User code may have closed our end, and nothing would tell us of its end.
                self._process.kill()
                self.close()
                raise CannotStart(f"the fork server does not listen: {error.strerror}") from error
        self._births.append((birth, ours))
        try:
            async with asyncio.timeout(self._start_s):
                return await birth
        except TimeoutError:
            self._process.kill()
            self.close()
            raise CannotStart(f"forking took over {self._start_s:g} s") from None
        except asyncio.CancelledError:
            if birth.done() and not birth.cancelled() and birth.exception() is None:
                birth.result().abandon()  # born in the moment in which we were cancelled
            raise

    def close(self) -> None:
        """Let it end with all its workers. From any thread; waits for nothing."""
        if self.gone:
            return
        self.gone = True
        self._control.shut()
        when_ended(self._process, self._take_strays_along, kill_after_s=END_S)

    async def _live(self) -> None:
        """Receive its messages until it ends, or the loop does."""
        self._control.listen(self._take, self._lost.set)
        try:
            await self._lost.wait()
        finally:
            self._over()

    def _take(self, message: FromForkServer) -> None:
        match message:
            case Prepared():
                self._prepared.set_result(None)
            case Unusable(reason=reason):
                self._prepared.set_exception(CannotStart(reason))
            case Forked(pid=pid):
                self._born(pid, *self._births.popleft())
            case NotForked(reason=reason):
                _failed(*self._births.popleft(), reason)
            case Ended(pid=pid):
                self._workers.pop(pid).over(message)
            case Located(pid=pid):
                if (worker := self._workers.get(pid)) is not None:
                    worker.located(message)

    def _born(self, pid: int, birth: asyncio.Future[Worker], end: socket.socket) -> None:
        pipe = Pipe[FromWorker](end, decoder(FromWorker))
        worker = self._workers[pid] = Worker(pid, pipe, kill=self._kill, locate=self._locate)
        if birth.done():  # its caller has left
            worker.abandon()
        else:
            birth.set_result(worker)

    def _over(self) -> None:
        if not self.gone:
            events.warning("fork_server_lost", pid=self._process.pid, workers=len(self._workers))
        self.close()
        self._control.close()
        if not self._prepared.done():
            self._prepared.set_exception(CannotStart("the fork server ended while it started"))
            self._prepared.exception()  # retrieved, even if no caller waits for it any more
        while self._births:
            _failed(*self._births.popleft(), "the fork server has ended")
        for worker in self._workers.values():
            worker.over(None)

    def _take_strays_along(self, exit_code: int) -> None:
        if exit_code != 0:  # it had no time to kill what its workers have started
            for pid in tuple(self._workers):
                kernel.kill_group(pid)
        # Mostly the end of the pipe comes first; but user code may have closed our end of it.
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._lost.set)

    def _kill(self, pid: int) -> None:
        self._control.send(framed(Kill(pid=pid)))

    def _locate(self, pid: int) -> None:
        self._control.send(framed(Locate(pid=pid)))


def _search_path() -> tuple[str, ...]:
    """Return where to look for modules: where this process does now, and where it did before.

    The app may have added to what was there. A handler may have taken away what the app needs.
    """
    path: object = sys.path
    entries = path if isinstance(path, list) else ()
    return tuple(dict.fromkeys(entry for entry in (*entries, *PATH) if isinstance(entry, str)))


def _launched() -> Child:
    try:
        return launch(_COMMAND, has_site=True, stdout=origin.stream(1))
    except OSError as error:
        raise CannotStart(f"cannot start a fork server: {error.strerror}") from error


def _failed(birth: asyncio.Future[Worker], end: socket.socket, reason: str) -> None:
    end.close()
    if not birth.done():
        birth.set_exception(CannotStart(reason))
