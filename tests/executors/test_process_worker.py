"""A worker process as its parent sees it: what it says, and that it has ended."""

import socket

import pytest

from taskqueue.children.messages import decoder, framed
from taskqueue.children.pipe import Pipe
from taskqueue.executors.process.messages import Ended, FromWorker, Ready
from taskqueue.executors.process.worker import CannotStart, Worker


async def test_why_it_could_not_start_is_heard_although_its_end_is_told_first() -> None:
    here, there = socket.socketpair()
    pipe: Pipe[FromWorker] = Pipe(here, decoder(FromWorker))
    worker = Worker(7, pipe, kill=lambda _: None, locate=lambda _: None)

    there.sendall(framed(Ready(failure="no database")))
    there.close()
    worker.over(Ended(pid=7, exit_code=0, peak_mb=1.0))  # before the loop looks at the pipe

    with pytest.raises(CannotStart, match="no database"):
        await worker.ready(1.0)


async def test_one_that_ends_without_a_word_has_not_started() -> None:
    here, there = socket.socketpair()
    pipe: Pipe[FromWorker] = Pipe(here, decoder(FromWorker))
    worker = Worker(7, pipe, kill=lambda _: None, locate=lambda _: None)

    there.close()
    worker.over(Ended(pid=7, exit_code=1, peak_mb=1.0))

    with pytest.raises(CannotStart, match="the process ended while it started"):
        await worker.ready(1.0)
