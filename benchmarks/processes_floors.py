"""The floors of the process executor: children behind a bare pipe, which answer and do nothing.

Each child has one message in flight, as each worker of the executor has: a task is handed to a
process when that has ended the one before. They promise nothing: no limit, no look at how a child
fares, no other child if one dies.
"""

import asyncio
import multiprocessing
import os
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from time import perf_counter

from benchmarks.harness import Measure, on_loop
from taskqueue.children.messages import framed
from taskqueue.executors.process.messages import Done, Run
from taskqueue.rules.encoding import MAX_BYTES
from taskqueue.rules.tasks import Succeeded, Task

_CHUNK = 1 << 16


@contextmanager
def _children(count: int, answer: Callable[[socket.socket], None]) -> Iterator[list[socket.socket]]:
    """Fork children that `answer` what comes through their pipe; give our ends of the pipes."""
    ends: list[socket.socket] = []
    pids = []
    for _ in range(count):
        ours, theirs = socket.socketpair()
        if (pid := os.fork()) == 0:
            for end in [*ends, ours]:
                end.close()
            answer(theirs)
            os._exit(0)
        theirs.close()
        ends.append(ours)
        pids.append(pid)
    try:
        yield ends
    finally:
        for end in ends:
            end.shutdown(socket.SHUT_RDWR)
            end.close()
        for pid in pids:
            os.waitpid(pid, 0)


def _answering(answer: bytes) -> Callable[[socket.socket], None]:
    def answer_all(end: socket.socket) -> None:
        try:
            while end.recv(_CHUNK):
                end.sendall(answer)
        except ConnectionError:
            return

    return answer_all


def _bytes_of(task: Task) -> tuple[bytes, bytes]:
    """Return as many bytes as go to a worker and come back from it."""
    done = Done(outcome=Succeeded(result="null"), memory_mb=30.5)
    return framed(Run(task=task, max_result_bytes=MAX_BYTES)), framed(done)


def bare_pipes(task: Task, children: int) -> Measure:
    """Return answers per second of bytes through socket pairs, waited for with epoll."""
    asked, answer = _bytes_of(task)

    def measured(seconds: float) -> float:
        with _children(children, _answering(answer)) as ends, select.epoll() as epoll:
            by_descriptor = {end.fileno(): end for end in ends}
            for end in ends:
                epoll.register(end, select.EPOLLIN)
                end.sendall(asked)
            done, began = 0, perf_counter()
            while (took := perf_counter() - began) < seconds:
                for descriptor, _ in epoll.poll():
                    end = by_descriptor[descriptor]
                    end.recv(_CHUNK)
                    end.sendall(asked)
                    done += 1
        return done / took

    return measured


def pipes_on_a_loop(task: Task, children: int) -> Measure:
    """Return the same where coroutines wait for their answers: on an asyncio loop."""
    asked, answer = _bytes_of(task)

    @on_loop
    async def measured(seconds: float) -> float:
        loop, done = asyncio.get_running_loop(), 0
        ends_at = perf_counter() + seconds

        async def talk(end: socket.socket) -> None:
            nonlocal done
            end.setblocking(False)
            answered: asyncio.Future[bytes]
            loop.add_reader(end, lambda: answered.set_result(end.recv(_CHUNK)))
            while perf_counter() < ends_at:
                answered = loop.create_future()
                end.send(asked)
                await answered
                done += 1
            loop.remove_reader(end)

        with _children(children, _answering(answer)) as ends:
            began = perf_counter()
            await asyncio.gather(*map(talk, ends))
            return done / (perf_counter() - began)

    return measured


def pickled(task: Task) -> Measure:
    """Return answers per second of a child behind a `multiprocessing.Pipe`, all of it pickled."""

    def measured(seconds: float) -> float:
        fork = multiprocessing.get_context("fork")
        ours, theirs = fork.Pipe()
        child = fork.Process(target=_answer_pickled, args=(theirs, ours))
        child.start()
        theirs.close()
        done, began = 0, perf_counter()
        while (took := perf_counter() - began) < seconds:
            ours.send(task)
            ours.recv()
            done += 1
        ours.close()
        child.join()
        return done / took

    return measured


def _answer_pickled(end: "Connection[object, object]", other: "Connection[object, object]") -> None:
    other.close()
    outcome = Succeeded(result="null")
    while True:
        try:
            end.recv()
        except EOFError:
            return
        end.send(outcome)
