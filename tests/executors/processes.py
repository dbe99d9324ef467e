"""An app whose handlers run in processes, and do there what a test wants to see."""

import asyncio
import contextlib
import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from taskqueue import App, Cancel, Context, Reject, Retry, Snooze
from taskqueue.children.blocking_pipe import BlockingPipe
from taskqueue.errors import StatementRefused

app = App()

VERDICTS = {
    "retry": Retry(3, "busy"),
    "snooze": Snooze(3),
    "reject": Reject("no such user"),
    "cancel": Cancel("order gone"),
}


@app.task("pid", executor="process")
def pid(ctx: Context) -> int:
    return os.getpid()


@app.task("meet", executor="process", timeout_s=60)
def meet(ctx: Context, folder: str, people: int) -> int:
    """Wait until as many files are in this folder as people are to meet."""
    Path(folder, str(os.getpid())).touch()
    while len(list(Path(folder).iterdir())) < people:
        time.sleep(0.01)
    return os.getpid()


@app.task(executor="process")
def without_context(number: int) -> int:
    return 2 * number


@app.task(executor="process", false_is_failure=False)
def is_there() -> bool:
    return False


@app.task(executor="process")
def unload(sets_path: bool) -> int:
    """Leave nothing to import, neither the package nor what has not been imported yet."""
    for name in [each for each in sys.modules if each.partition(".")[0] == "taskqueue"]:
        del sys.modules[name]
    if sets_path:
        sys.path = None  # type: ignore[assignment]
    else:
        sys.path.clear()
    return os.getpid()


@app.task(executor="process")
def import_late() -> tuple[int, str, str]:
    import colorsys  # noqa: PLC0415 - this is the question

    import taskqueue  # noqa: PLC0415

    return os.getpid(), colorsys.__name__, taskqueue.Cancel.__name__


@app.task("async_pid", executor="process")
async def async_pid(ctx: Context) -> tuple[int, int]:
    await asyncio.sleep(0)
    return os.getpid(), id(asyncio.get_running_loop())


@app.task("cancelled_later", executor="process")
async def cancelled_later(ctx: Context) -> None:
    """End, and have whoever makes this attempt cancelled after that."""
    loop, me = asyncio.get_running_loop(), asyncio.current_task()
    assert me is not None
    loop.call_soon(loop.call_soon, loop.call_soon, me.cancel)


@app.task("cancel_itself", executor="process")
async def cancel_itself(ctx: Context, catch: bool) -> str:
    """Have its own task cancelled by a timer, which takes nothing back."""
    loop, me = asyncio.get_running_loop(), asyncio.current_task()
    assert me is not None
    loop.call_soon(me.cancel)
    try:
        return await loop.create_future()  # type: ignore[no-any-return]  # it never returns
    except asyncio.CancelledError:
        if catch:
            return "done"
        raise


@app.task("own_limit", executor="process")
async def own_limit(ctx: Context) -> str:
    """Run into a limit of its own, and out of it."""
    try:
        async with asyncio.timeout(0.01):
            await asyncio.get_running_loop().create_future()
    except TimeoutError:
        return "in time"
    raise AssertionError


@app.task("begin", executor="process")
async def begin(ctx: Context, into: str) -> None:
    """Begin something, and do not wait for it."""

    async def begun() -> None:
        _note(into, os.getpid())

    _kept.append(asyncio.create_task(begun()))


@app.task("own_loop", executor="process")
def own_loop(ctx: Context) -> int:
    return asyncio.run(asyncio.sleep(0, 7))


@app.task("misuse_loop", executor="process")
async def misuse_loop(ctx: Context, how: str) -> str:
    """Take away the loop from whoever else uses it."""
    loop = asyncio.get_running_loop()

    def cancel_all() -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def leave() -> None:
        raise SystemExit(3)

    match how:
        case "cancel_all":
            cancel_all()
        case "cancel_all_later":
            loop.call_soon(cancel_all)
        case "stop":
            loop.stop()
        case "exit_later":
            loop.call_soon(sys.exit, 3)
        case "exit_task":
            _kept.append(asyncio.create_task(leave()))
    await asyncio.sleep(0.01)
    return how


@app.task("close_loop", executor="process")
def close_loop(ctx: Context) -> bool | None:
    asyncio.get_event_loop_policy().get_event_loop().close()
    return True


@app.task("echo", executor="process")
def echo(ctx: Context, text: str) -> str:
    return text


@app.task("context", executor="process")
def context(ctx: Context) -> dict[str, Any]:
    ctx.log.info("seen", width=3)
    print("printed by a handler")  # noqa: T201 - it is what is seen
    return {"id": ctx.task.id, "attempt": ctx.attempt, "key": ctx.idempotency_key}


@app.task("follow", executor="process")
def follow(ctx: Context, fails: bool) -> str:
    task_id = ctx.enqueue(echo, text="next")
    if fails:
        raise ValueError("no\nsuch size")
    return task_id


@app.task("verdict", executor="process")
async def verdict(ctx: Context, name: str) -> None:
    raise VERDICTS[name]


@app.task("decline", executor="process")
def decline(ctx: Context) -> bool | None:
    return False


@app.task("signal", executor="process")
def die(ctx: Context, number: int) -> None:
    """Die of a signal. SIGSEGV is come by honestly."""
    if number == signal.SIGSEGV:
        ctypes.string_at(0)
    os.kill(os.getpid(), number)


@app.task("exit", executor="process")
def leave(ctx: Context, code: int, at_once: bool = False) -> None:
    if at_once:
        os._exit(code)
    sys.exit(code)


@app.task("spin", executor="process", timeout_s=0.5)
def spin(ctx: Context, into: str) -> None:
    _note(into, os.getpid())
    while True:
        pass


@app.task("sleep_in_c", executor="process", timeout_s=0.5)
def sleep_in_c(ctx: Context, into: str) -> None:
    _note(into, os.getpid())
    ctypes.PyDLL(None).sleep(60)  # keeps the GIL


@app.task("hang", executor="process", timeout_s=0.5)
def hang(ctx: Context) -> None:
    with_family(ctx, ["60"])
    time.sleep(60)


@app.task("deaf", executor="process", timeout_s=0.5)
async def deaf(ctx: Context, into: str) -> None:
    _note(into, os.getpid())
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


@app.task("family", executor="process")
def family(ctx: Context, into: str, then: str) -> list[int]:
    """Start a child, and by that a grandchild; then end as told. Nobody waits for them."""
    child = multiprocessing.get_context("fork").Process(target=_parent, args=(into,))
    child.start()
    while not Path(into).exists():
        time.sleep(0.01)
    match then:
        case "return":
            return [os.getpid(), *_noted(into)]
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "wait":
            time.sleep(60)
    raise AssertionError(then)


def _parent(into: str) -> None:
    grandchild = subprocess.Popen(["sleep", "60"])
    _note(into, os.getppid(), os.getpid(), grandchild.pid)
    time.sleep(60)


@app.task("leave_orphan", executor="process")
def leave_orphan(ctx: Context) -> int:
    """Start a child that starts one and ends, so that the second has lost its parent and ends."""
    done = subprocess.run(
        ["sh", "-c", "sleep 0.05 & echo $!"], check=True, stdout=subprocess.PIPE, text=True
    )
    return int(done.stdout)


@app.task("leave_orphan_in_thread")
def leave_orphan_in_thread(ctx: Context) -> int:
    return leave_orphan(ctx)


@app.task("escape", executor="process")
def escape(ctx: Context) -> int:
    """Start a child in a session of its own."""
    return subprocess.Popen(["sleep", "60"], start_new_session=True).pid


@app.task("fork", executor="process")
def fork(ctx: Context) -> int:
    """Come back twice."""
    return os.fork()


@app.task("close_pipe", executor="process")
def close_pipe(ctx: Context, into: str) -> None:
    _note(into, os.getpid())
    os.closerange(3, 256)
    time.sleep(60)


@app.task("grow", executor="process")
def grow(ctx: Context, mib: int) -> int:
    _kept.append(b"x" * (mib << 20))
    return os.getpid()


@app.task("open_files", executor="process")
def open_files(ctx: Context) -> list[str]:
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(str(entry.readlink()))
    return found


@app.task("hold", executor="process")
def hold(ctx: Context, into: str, until: str) -> str:
    """Run until a file is there."""
    _note(into, os.getpid())
    while not Path(until).exists():
        time.sleep(0.01)
    return "held"


@app.task("compute", executor="process")
def compute(ctx: Context, seconds: float) -> int:
    """Keep the processor and the GIL busy."""
    end = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < end:
        rounds += 1
    return ctx.attempt


@app.task("parent", executor="process")
def with_family(ctx: Context, sleeps: list[str]) -> int:
    """Start a child for each time, of which some outlive the task."""
    for seconds in sleeps:
        subprocess.Popen(["sleep", seconds])
    return os.getpid()


@app.task("kill_server", executor="process")
def kill_server(ctx: Context) -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


_kept: list[bytes] = []


def _note(into: str, *pids: int) -> None:
    """Write a file in one piece."""
    draft = Path(f"{into}.draft")
    draft.write_text(" ".join(map(str, pids)))
    draft.rename(into)


def _noted(into: str) -> list[int]:
    return [int(pid) for pid in Path(into).read_text().split()[1:]]


@app.task("pay", executor="process")
async def pay(ctx: Context, amount: int) -> object:
    """Write through the task's transaction, and read what was written."""
    tx = ctx.transaction()
    tx.execute("INSERT INTO paid VALUES (?, ?)", (ctx.task.id, amount))
    return await tx.fetch("SELECT sum(amount) FROM paid")


@app.task("pay_blocking", executor="process")
def pay_blocking(ctx: Context, amount: int) -> object:
    """Do the same in a function that cannot await."""
    tx = ctx.transaction()
    tx.execute("INSERT INTO paid VALUES (?, ?)", (ctx.task.id, amount))
    return tx.fetch_blocking("SELECT sum(amount) FROM paid")


@app.task("forge", executor="process")
def forge(ctx: Context) -> str:
    """Try to write what is not ours to write."""
    try:
        ctx.transaction().fetch_blocking("DELETE FROM tasks RETURNING id")
    except StatementRefused as error:
        return error.detail
    return "deleted"


@app.task("tell", executor="process")
def tell(ctx: Context, until: str) -> None:
    """Say how far it is, and wait for a file."""
    for step in range(1, 6):
        ctx.progress({"step": step})
    while not Path(until).exists():
        time.sleep(0.01)


@app.task("change_signals", executor="process")
async def change_signals(ctx: Context, number: int, limit_s: float) -> int:
    """Let each later signal of this number raise, have one sent soon, and block another."""

    def fail(*_: object) -> None:
        raise OSError("a signal of another task")

    signal.signal(number, fail)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    return os.getpid()


@app.task("signals", executor="process")
def signals(ctx: Context, number: int) -> tuple[int, bool, float, list[int]]:
    """Return the process, whether the signal is handled, until when a timer runs, the mask."""
    handled = callable(signal.getsignal(number))
    running_s, _ = signal.getitimer(signal.ITIMER_REAL)
    return os.getpid(), handled, running_s, [*signal.pthread_sigmask(signal.SIG_BLOCK, ())]


@app.task("signal_itself", executor="process")
def signal_itself(ctx: Context) -> None:
    """Leave a blocked signal that is delivered when it is unblocked, and raises then."""

    def fail(*_: object) -> None:
        raise OSError("a signal of its own")

    signal.signal(signal.SIGUSR1, fail)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    os.kill(os.getpid(), signal.SIGUSR1)


@app.task("show_other_loop", executor="process")
def show_other_loop(ctx: Context) -> None:
    asyncio._set_running_loop(asyncio.new_event_loop())


@app.task("raise_late", executor="process")
def raise_late(ctx: Context, into: str) -> int:
    """Have an exception raised in this thread once it waits for the next attempt."""
    threading.Thread(target=_raise_late, args=(threading.get_ident(), Path(into))).start()
    return os.getpid()


class Late(BaseException):
    """What a library raises when the time of a call is up."""


def _raise_late(thread: int, into: Path) -> None:
    while sys._current_frames()[thread].f_code is not BlockingPipe.wait.__code__:
        time.sleep(0.001)
    interpreter = ctypes.pythonapi
    interpreter.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Late))
    into.touch()


@app.task("break_loop", executor="process")
async def break_loop(ctx: Context) -> None:
    """Leave a loop on which nothing can run any more."""
    asyncio.get_running_loop()._selector.close()  # type: ignore[attr-defined]  # the misdeed
    await asyncio.sleep(0)


@app.task("hide_loop", executor="process")
async def hide_loop(ctx: Context) -> None:
    """Run another loop inside the running one, after which none is known to run."""
    asyncio._set_running_loop(None)
    asyncio.run(asyncio.sleep(0))


@app.task("stand", executor="process")
def stand(ctx: Context, into: str, padding: str = "") -> None:
    _note(into, os.getpid())
    _stand()


def _stand() -> None:
    time.sleep(60)  # it stands here


@app.task("stand_async", executor="process")
async def stand_async(ctx: Context, into: str) -> None:
    _note(into, os.getpid())
    await asyncio.sleep(60)  # it stands here


@app.task("keep_lock", executor="process")
def keep_lock(ctx: Context, into: str) -> None:
    _note(into, os.getpid())
    ctypes.PyDLL(None).sleep(60)  # keeps the GIL


@app.task("join_all", executor="process")
def join_all(ctx: Context) -> int:
    """Wait for all threads of the process, as some do before they fork."""
    others = [each for each in threading.enumerate() if each is not threading.current_thread()]
    for each in others:
        each.join()
    return len(others)


@app.task("alarm", executor="process")
def alarm(ctx: Context) -> str:
    """Have a signal interrupt a blocking call."""
    signal.signal(signal.SIGALRM, _interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        time.sleep(60)
    except InterruptedError:
        return "interrupted"
    raise AssertionError


def _interrupt(*_: object) -> None:
    raise InterruptedError
