"""An app whose handlers leave behind what outlives them: threads, children, exit handlers."""

import asyncio
import atexit
import contextlib
import multiprocessing
import os
import signal
import socket
import stat
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from taskqueue import App, Context

LONG_S = 60.0  # longer than any test waits

app = App()


@app.task("quick")
async def quick(ctx: Context) -> str:
    return "done"


@app.task("quick_in_process", executor="process")
def quick_in_process(ctx: Context) -> str:
    return "done"


# --- what holds the end of a process up -----------------------------------------------------------


@app.task("to_thread")
async def to_thread(ctx: Context) -> None:
    await asyncio.to_thread(time.sleep, LONG_S)


@app.task("own_executor")
def own_executor(ctx: Context) -> None:
    ThreadPoolExecutor().submit(time.sleep, LONG_S)


@app.task("own_thread")
def own_thread(ctx: Context) -> None:
    threading.Thread(target=time.sleep, args=(LONG_S,), daemon=False).start()


@app.task("look_up")
async def look_up(ctx: Context) -> None:
    """Resolve a name, which takes place in a thread of the loop's own executor."""
    socket.getaddrinfo = lambda *_, **__: time.sleep(LONG_S)  # type: ignore[assignment,return-value]  # a name server that does not answer
    await asyncio.get_running_loop().getaddrinfo("example.invalid", 80)


@app.task("exit_handler")
def exit_handler(ctx: Context) -> None:
    atexit.register(time.sleep, LONG_S)


@app.task("block_the_loop")
async def block_the_loop(ctx: Context) -> None:
    time.sleep(LONG_S)  # noqa: ASYNC251 - the misdeed


@app.task("stop_time")
async def stop_time(ctx: Context) -> None:
    """Replace functions of time for the whole process, for good, as a patch gone wrong does."""
    time.monotonic = lambda: 0.0
    time.sleep = None  # type: ignore[assignment]  # the misdeed
    await asyncio.to_thread(threading.Event().wait, LONG_S)


@app.task("nap")
async def nap(ctx: Context) -> str:
    await asyncio.sleep(0.01)
    return "rested"


@app.task("note_the_exit")
def note_the_exit(ctx: Context, into: str) -> None:
    atexit.register(Path(into).touch)


# --- children -------------------------------------------------------------------------------------


def _stay(into: str) -> None:
    Path(into).write_text(str(os.getpid()))
    time.sleep(LONG_S)


def _fork(into: str) -> None:
    multiprocessing.get_context("fork").Process(target=_stay, args=(into,)).start()


@app.task("fork_on_the_loop")
async def fork_on_the_loop(ctx: Context, into: str) -> None:
    _fork(into)


@app.task("fork_in_a_thread")
def fork_in_a_thread(ctx: Context, into: str) -> None:
    _fork(into)


@app.task("fork_in_a_process", executor="process")
def fork_in_a_process(ctx: Context, into: str) -> None:
    _fork(into)


@app.task("fork_and_return")
async def fork_and_return(ctx: Context) -> int:
    """Return twice, as a bare `os.fork()` does."""
    return os.fork()


@app.task("fork_and_wait")
async def fork_and_wait(ctx: Context) -> int:
    """Go back to the loop twice."""
    child = os.fork()
    await asyncio.sleep(0)
    return child


@app.task("fork_and_return_in_a_thread")
def fork_and_return_in_a_thread(ctx: Context) -> int:
    return os.fork()


@app.task("fork_and_exit")
def fork_and_exit(ctx: Context, code: int) -> int:
    """Return the exit code of a child that ends as a program does."""
    child = os.fork()
    if child == 0:
        raise SystemExit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@app.task("terminate_a_child")
def terminate_a_child(ctx: Context, into: str) -> int | None:
    """Return the exit code of a child that is told to end."""
    child = multiprocessing.get_context("fork").Process(target=_stay, args=(into,))
    child.start()
    while not Path(into).exists():
        time.sleep(0.01)
    child.terminate()
    child.join()
    return child.exitcode


@app.task("descriptors", executor="process")
def descriptors(ctx: Context) -> list[str]:
    """Return the sockets that a program inherits which a handler starts without closing any."""
    read, write = os.pipe()
    child = os.posix_spawn(
        "/bin/ls",
        ["ls", "-l", "/proc/self/fd"],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, write, 1)],
    )
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as listing:
        return [line for line in listing if "socket:" in line]


@app.task("forge", executor="process")
def forge(ctx: Context) -> str:
    """Have a child write to each socket that it has."""
    child = os.fork()
    if child == 0:
        for descriptor in range(3, 256):
            with contextlib.suppress(OSError):
                if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                    os.write(descriptor, b"\0\0\0\1\xc0")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    return "genuine"


@app.task("fork_and_raise")
def fork_and_raise(ctx: Context) -> int:
    """Let a child raise that has no standard error, and return its exit code."""
    child = os.fork()
    if child == 0:
        sys.stderr = None  # type: ignore[assignment]  # as it is in a program without a console
        raise RuntimeError("the child")
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# --- descriptors ----------------------------------------------------------------------------------


@app.task("close_streams")
async def close_streams(ctx: Context) -> None:
    os.closerange(0, 3)


@app.task("close_streams_in_thread")
def close_streams_in_thread(ctx: Context) -> None:
    os.closerange(0, 3)


@app.task("close_streams_in_process", executor="process")
def close_streams_in_process(ctx: Context) -> None:
    os.closerange(0, 3)


@app.task("print_in_process", executor="process", max_attempts=1)
def print_in_process(ctx: Context) -> None:
    print("printed in a process", flush=True)  # noqa: T201 - the test


@app.task("leave_watched_sockets")
async def leave_watched_sockets(ctx: Context) -> None:
    """Close sockets without removing their readers from the loop."""
    loop = asyncio.get_running_loop()
    ends = [end for _ in range(20) for end in socket.socketpair()]
    for end in ends:
        loop.add_reader(end, int)
    for end in ends:
        end.close()


@app.task("break_the_loop", max_attempts=1)
async def break_the_loop(ctx: Context) -> None:
    """Leave a loop on which nothing can run any more."""
    asyncio.get_running_loop()._selector.close()  # type: ignore[attr-defined]  # the misdeed
    await asyncio.sleep(LONG_S)


# --- the log --------------------------------------------------------------------------------------


@app.task("say")
async def say(ctx: Context, size: int) -> None:
    ctx.log.info("said", text="x" * size)


@app.task("shout")
def shout(ctx: Context, size: int) -> None:
    """Log until nobody reads it any more."""
    while True:
        ctx.log.warning("shouted", text="x" * size)


@app.task("fail", max_attempts=1)
async def fail(ctx: Context) -> None:
    raise ValueError("no")


@app.task("blocked_signals", executor="process")
def blocked_signals(ctx: Context) -> list[str]:
    return [signal.Signals(number).name for number in signal.pthread_sigmask(signal.SIG_BLOCK, ())]
