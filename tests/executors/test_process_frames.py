"""What travels between processes: messages in frames, and endings in words."""

import asyncio
import doctest
import socket

import pytest

from taskqueue.children.blocking_pipe import BlockingPipe
from taskqueue.children.frames import CHUNK, BadFrame, Frames
from taskqueue.children.messages import decoder, framed
from taskqueue.children.pipe import Pipe
from taskqueue.executors.lines import MOST_CALLS, MOST_TEXT
from taskqueue.executors.process import endings
from taskqueue.executors.process.messages import (
    Done,
    DryRunAnswer,
    Ended,
    FromWorker,
    Kill,
    Located,
    Progressed,
    ToForkServer,
    ToWorker,
)
from taskqueue.rules.running import HandlerLine, HandlerStack
from taskqueue.rules.tasks import (
    Cancelled,
    Crashed,
    Failed,
    Interrupted,
    NewTask,
    Outcome,
    Rejected,
    Snoozed,
    Succeeded,
    TimedOut,
)

FOLLOW_UP = NewTask(id="a", action="mail", payload='{"action":"mail","data":{}}', run_at=1.5)
OUTCOMES: list[Outcome] = [
    Succeeded(result='"ä"', follow_ups=(FOLLOW_UP,)),
    Failed(error="a", traceback="b", retry_in_s=2.0),
    TimedOut(after_s=1.0),
    Snoozed(delay_s=1.0),
    Rejected(reason="a"),
    Cancelled(reason="a"),
    Crashed(error="a"),
    Interrupted(),
]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
def test_every_outcome_arrives_as_it_was_sent(outcome: Outcome) -> None:
    done = Done(outcome=outcome, memory_mb=None)

    assert Frames(decoder(FromWorker)).feed(framed(done)) == [done]


def test_the_largest_stack_is_received_at_once() -> None:
    text = "\N{SNOWMAN}" * MOST_TEXT
    call = HandlerLine(file=text, number=10**9, function=text)
    stack = HandlerStack(calls=(call,) * MOST_CALLS, truncated=True)
    located = Located(pid=10**6, task_id="0197a4c8-0000-7000-8000-000000000000", stack=stack)

    data = framed(located)

    assert len(data) <= CHUNK
    assert Frames[Located](decoder(Located)).feed(data) == [located]


def test_messages_arrive_whole_and_in_order_however_their_bytes_come() -> None:
    sent = [Kill(pid=pid) for pid in (1, 70_000, 3)]
    data = b"".join(map(framed, sent))

    for size in range(1, len(data) + 1):
        frames = Frames(decoder(ToForkServer))
        chunks = [data[start : start + size] for start in range(0, len(data), size)]
        assert [message for chunk in chunks for message in frames.feed(chunk)] == sent


@pytest.mark.parametrize(
    "data",
    [b"\0\0\0\5hello", framed(Ended(pid=1, exit_code=0, peak_mb=1.0))],
    ids=["no message", "not one for us"],
)
def test_what_somebody_else_wrote_is_told_from_a_message(data: bytes) -> None:
    with pytest.raises(BadFrame):
        Frames(decoder(ToForkServer)).feed(data)


async def test_a_pipe_sends_in_order_what_there_is_no_room_for_yet() -> None:
    here, there = socket.socketpair()
    pipe: Pipe[FromWorker] = Pipe(here, decoder(FromWorker))
    worker: BlockingPipe[ToWorker] = BlockingPipe(there, decoder(ToWorker))
    sent = [DryRunAnswer(refused=letter * (1 << 21)) for letter in "abc"]

    for message in sent:
        pipe.send(framed(message))

    with there:
        assert [await asyncio.to_thread(worker.receive) for _ in sent] == sent
        pipe.close()


@pytest.mark.parametrize("last", [b"", b"\0\0\0\5hello"], ids=["closed", "no message"])
async def test_a_pipe_tells_once_that_it_is_lost_after_all_that_came(last: bytes) -> None:
    here, there = socket.socketpair()
    pipe: Pipe[FromWorker] = Pipe(here, decoder(FromWorker))
    heard: list[FromWorker] = []
    lost = asyncio.Event()
    said = [Progressed(progress=str(number)) for number in range(3)]

    pipe.listen(heard.append, lost.set)
    for message in said:
        there.sendall(framed(message))
    async with asyncio.timeout(5):
        while len(heard) < len(said):  # noqa: ASYNC110 - the loop has to turn for it
            await asyncio.sleep(0)
    there.sendall(last)
    there.close()
    await asyncio.wait_for(lost.wait(), 5)

    assert heard == said
    pipe.send(framed(DryRunAnswer()))  # nobody is there, and nothing happens
    pipe.close()
    pipe.close()


def test_the_examples_in_the_docstrings_are_true() -> None:
    result = doctest.testmod(endings)

    assert result.attempted > 0
    assert result.failed == 0
