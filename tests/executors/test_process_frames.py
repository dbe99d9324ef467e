"""What travels between processes: messages in frames, and endings in words."""

import doctest

import pytest

from taskqueue.executors.process import endings
from taskqueue.executors.process.frames import BadFrame, Frames, framed
from taskqueue.executors.process.messages import Done, Ended, FromWorker, Kill, ToForkServer
from taskqueue.tasks import (
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

    assert Frames[FromWorker](FromWorker).feed(framed(done)) == [done]


def test_messages_arrive_whole_and_in_order_however_their_bytes_come() -> None:
    sent = [Kill(pid=pid) for pid in (1, 70_000, 3)]
    data = b"".join(map(framed, sent))

    for size in range(1, len(data) + 1):
        frames = Frames[ToForkServer](ToForkServer)
        chunks = [data[start : start + size] for start in range(0, len(data), size)]
        assert [message for chunk in chunks for message in frames.feed(chunk)] == sent


@pytest.mark.parametrize(
    "data",
    [b"\0\0\0\5hello", framed(Ended(pid=1, exit_code=0, peak_mb=1.0))],
    ids=["no message", "not one for us"],
)
def test_what_somebody_else_wrote_is_told_from_a_message(data: bytes) -> None:
    with pytest.raises(BadFrame):
        Frames[ToForkServer](ToForkServer).feed(data)


def test_the_examples_in_the_docstrings_are_true() -> None:
    result = doctest.testmod(endings)

    assert result.attempted > 0
    assert result.failed == 0
