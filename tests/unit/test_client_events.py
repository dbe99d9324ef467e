"""A stream of events as a client takes it apart, and when it comes back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskqueue.client.call import Answer, NoAnswer
from taskqueue.client.event_stream import Block, BlockReader, event_of, path_of
from taskqueue.client.following import ENDED, Following
from taskqueue.errors import AccessDenied, ServiceUnavailable
from taskqueue.http.documentation.examples import EVENTS

URL = "http://127.0.0.1:8080"


@settings(deadline=None)  # other tests may have the processors
@given(st.lists(st.integers(1, 40), max_size=40))
def test_a_stream_is_the_same_in_whatever_pieces_it_arrives(sizes: list[int]) -> None:
    stream, reader, blocks = EVENTS.encode() + b":\nid: 9f2c01ab-18\n\n:\n\n", BlockReader(), []

    for size in [*sizes, len(stream)]:
        blocks += reader.feed(stream[:size])
        stream = stream[size:]

    assert [(each.id, each.name) for each in blocks] == [
        ("9f2c01ab-16", ""),
        ("9f2c01ab-17", "task_completed"),
        ("9f2c01ab-18", ""),
        ("", ""),
    ]
    event = event_of(blocks[1])
    assert (event.name, event.action, event.attempt) == ("task_completed", "resize", 1)
    assert event.data["at"] == event.at == 1_800_000_000.0


def test_a_gap_has_no_time() -> None:
    event = event_of(Block("9f2c01ab-1", "gap", b'{"after":"9f2c01ab-0"}'))

    assert (event.is_gap, event.at, event.data) == (True, None, {"after": "9f2c01ab-0"})


def test_filters_take_one_value_or_several() -> None:
    assert path_of({}) == "/events"
    assert path_of({"queue": "a b", "event": None}) == "/events?queue=a+b"
    assert path_of({"task": ["7", "8"], "action": "é"}) == "/events?task=7%2C8&action=%C3%A9"


def test_the_next_connection_goes_on_after_the_last_id() -> None:
    following = Following("/events", URL, 30.0)
    at_first = dict(following.headers)

    for block in (Block("9f2c01ab-1"), Block("9f2c01ab-2", "queue_paused"), Block()):
        following.took(block)

    assert "Last-Event-ID" not in at_first
    assert following.headers["Last-Event-ID"] == "9f2c01ab-2"


def test_what_was_received_gives_the_next_failures_their_time_again() -> None:
    following = Following("/events", URL, 0.18)
    pauses = [following.pause_s(ENDED), following.pause_s(NoAnswer("refused", was_sent=False))]

    following.took(Block())
    again = following.pause_s(ENDED)
    following.pause_s(ENDED)
    with pytest.raises(ServiceUnavailable):
        following.pause_s(ENDED)

    assert pauses[0] < pauses[1]
    assert again < pauses[1]


def test_a_refusal_is_raised_and_a_busy_service_is_asked_again() -> None:
    following = Following("/events", URL, 30.0)

    assert following.pause_s(Answer(503, b"{}", "2")) >= 2
    with pytest.raises(AccessDenied):
        following.pause_s(Answer(401, b"{}"))
