"""What is kept for event streams, and what each client gets of it."""

from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import MultiDict

from taskqueue.events import Event, Level
from taskqueue.http.event_stream.feed import STALE, Feed
from taskqueue.http.event_stream.filters import EVENT_FILTER, EventFilter
from taskqueue.http.event_stream.history import MOST, MOST_BYTES, PIECE_BYTES, History
from taskqueue.http.event_stream.public import FIELDS, MAX_TEXT, PublicEvent, public
from taskqueue.http.problems import Problem
from taskqueue.rules.access import Role
from tests.gateway.event_stream import Received, parsed

ALL = EventFilter()
A_TASK = "0197a4c8-0000-7000-8000-000000000000"


def happened(name: str, *, level: Level = "info", **fields: object) -> PublicEvent:
    seen = public(Event(name=name, level=level, fields=fields, at=1.5))
    assert seen is not None
    return seen


def kept(most: int = MOST, most_bytes: int = MOST_BYTES) -> History:
    """A history that keeps all events."""
    history = History(most, most_bytes)
    history.keep(FIELDS)
    return history


def numbered(history: History, count: int) -> None:
    for _ in range(count):
        history.append(happened("queue_paused", queue=str(history.next)))


def queues(blocks: bytes) -> list[str]:
    return [each.data["queue"] for each in parsed(blocks) if each.name == "queue_paused"]


def names(feed: Feed, wanted: EventFilter = ALL, role: Role = Role.ADMIN) -> list[str]:
    return [each.name for each in parsed(feed.take(wanted, role)) if each.name]


# --- what an event looks like ---------------------------------------------------------------------


def test_an_event_has_the_fields_that_are_listed_and_no_other() -> None:
    event = happened(
        "task_requeued",
        task_id=A_TASK,
        action="resize",
        queue="images",
        attempt=2,
        outcome="failed",
        run_at=3.5,
        error="OSError: lost",
        traceback="secret",
        payload="secret",
        exc_info=ValueError("secret"),
    )

    assert parsed(event.block("9f-1")) == [
        Received(
            "9f-1",
            "task_requeued",
            {
                "at": 1.5,
                "task_id": A_TASK,
                "action": "resize",
                "queue": "images",
                "attempt": 2,
                "outcome": "failed",
                "run_at": 3.5,
                "error": "OSError: lost",
            },
        )
    ]


@pytest.mark.parametrize("name", FIELDS)
def test_no_field_of_an_event_may_hold_what_a_task_was_given_or_gives(name: str) -> None:
    secret = {"payload", "data", "result", "traceback", "exception", "exc_info", "token"}

    assert secret.isdisjoint(FIELDS[name])


@settings(deadline=None)  # other tests may have the processors
@given(st.text(), st.text(max_size=20))
def test_no_text_can_forge_an_event(reason: str, consumer: str) -> None:
    event = happened("attempt_started", task_id=reason, consumer=consumer)

    [received] = parsed(event.block("9f-1"))

    assert received.name == "attempt_started"
    assert received.data["consumer"] == consumer


def test_long_texts_are_cut() -> None:
    [received] = parsed(happened("storage_degraded", reason="x" * 5_000).block("9f-1"))

    assert len(received.data["reason"]) == MAX_TEXT


def test_a_value_that_is_no_json_is_shown_as_text() -> None:
    [received] = parsed(happened("storage_degraded", reason=KeyError("a")).block("9f-1"))

    assert received.data["reason"] == "'a'"


@pytest.mark.parametrize(
    ("name", "level"),
    [("http_request", "debug"), ("actor_crashed", "error"), ("audit_change", "debug")],
)
def test_other_events_are_not_shown(name: str, level: Level) -> None:
    assert public(Event(name=name, level=level, fields={}, at=1.5)) is None


# --- what is kept ---------------------------------------------------------------------------------


@settings(deadline=None)  # other tests may have the processors
@given(st.integers(1, 30), st.integers(0, 60))
def test_the_latest_events_are_kept(most: int, count: int) -> None:
    history = kept(most)

    numbered(history, count)

    assert history.next == count + 1
    assert history.first == max(1, count + 1 - most)


def test_so_many_bytes_are_kept_and_the_latest_event_always() -> None:
    history = kept(most_bytes=500)

    numbered(history, 100)
    size = len(history.piece(history.first, ALL, Role.READ).blocks)
    history.append(happened("storage_degraded", reason="x" * 900))

    assert 400 < size <= 500
    assert history.next - history.first == 1


@pytest.mark.parametrize("text", ["", "7", "9f2c01ab-", "9f2c01ab-1\n", "x" * 9_000, "ab-1", "é-1"])
def test_an_id_that_is_none_cannot_be_gone_on_from(text: str) -> None:
    assert kept().number_after(text, FIELDS) is None


def test_an_id_of_another_life_or_of_the_future_cannot_be_gone_on_from() -> None:
    history, other = kept(), kept()
    numbered(history, 3)

    assert history.number_after(other.id_of(1), FIELDS) is None
    assert history.number_after(history.id_of(4), FIELDS) is None
    assert history.number_after(history.id_of(3), FIELDS) == 4


# --- what a client gets ---------------------------------------------------------------------------


def test_a_client_gets_what_comes_after_it() -> None:
    history = kept()
    numbered(history, 3)
    feed = Feed(history, None, ALL)

    numbered(history, 2)

    assert queues(feed.take(ALL, Role.READ)) == ["4", "5"]
    assert feed.take(ALL, Role.READ) == b""


@settings(deadline=None)  # other tests may have the processors
@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 30))
def test_a_client_that_comes_back_gets_each_event_once_or_a_gap(
    before: int, away: int, most: int
) -> None:
    history = kept(most)
    numbered(history, before)
    last = history.id_of(before)
    numbered(history, away)

    received = parsed(Feed(history, last, ALL).take(ALL, Role.READ))

    if away <= most:
        assert [each.data["queue"] for each in received] == [
            str(number) for number in range(before + 1, before + away + 1)
        ]
    else:
        assert [each.name for each in received] == ["gap"]
        assert received[0].data == {"after": last}


def test_a_gap_gives_the_id_to_go_on_with() -> None:
    history = kept()
    numbered(history, 3)
    [gap] = parsed(Feed(history, "00000000-1", ALL).take(ALL, Role.READ))
    numbered(history, 1)

    back = Feed(history, gap.id, ALL)

    assert gap.name == "gap"
    assert queues(back.take(ALL, Role.READ)) == ["4"]


def test_a_client_that_leaves_before_it_has_read_of_a_gap_is_shown_it_again() -> None:
    history = kept()
    numbered(history, 3)

    marked = parsed(Feed(history, "00000000-1", ALL).mark())

    assert [each.id for each in marked] == []


def test_a_client_is_behind_when_what_it_needs_next_is_gone() -> None:
    history = kept(most=3)
    feed = Feed(history, None, ALL)

    numbered(history, 3)
    in_time = feed.is_behind
    numbered(history, 1)

    assert (in_time, feed.is_behind) == (False, True)


def test_a_client_that_could_not_be_served_in_time_gets_a_gap_and_goes_on() -> None:
    history = kept(most=3)
    feed = Feed(history, None, ALL)
    begun = history.id_of(0)
    numbered(history, 5)

    feed.skip()
    [gap] = parsed(feed.take(ALL, Role.READ))
    numbered(history, 1)

    assert (gap.name, gap.data, gap.id) == ("gap", {"after": begun}, history.id_of(5))
    assert queues(feed.take(ALL, Role.READ)) == ["6"]


def test_what_a_client_gets_at_once_has_an_end() -> None:
    history = kept()
    feed = Feed(history, None, ALL)
    numbered(history, 2_000)

    pieces = list(iter(lambda: feed.take(ALL, Role.READ), b""))

    assert len(pieces) > 1
    assert max(map(len, pieces)) < PIECE_BYTES + 1_000
    assert queues(b"".join(pieces)) == [str(number) for number in range(1, 2_001)]


def test_clients_at_the_same_place_get_what_each_of_them_wants() -> None:
    history = kept()
    feeds = [Feed(history, None, ALL) for _ in range(6)]
    history.append(happened("audit_change", who="ci", method="POST", path="/dead/delete"))
    numbered(history, 3)
    mail = EventFilter(event=frozenset({"queue_resumed"}))

    got = [
        names(feed, wanted, role)
        for feed, (wanted, role) in zip(
            feeds,
            [(ALL, Role.READ), (ALL, Role.ADMIN), (mail, Role.ADMIN)] * 2,
            strict=True,
        )
    ]

    assert got[:3] == got[3:]
    assert [len(each) for each in got[:3]] == [3, 4, 0]


def test_a_client_that_wants_none_of_many_events_gets_a_later_id() -> None:
    history = kept()
    feed = Feed(history, None, ALL)
    numbered(history, STALE + 1)

    marked = parsed(feed.take(EventFilter(queue=frozenset({"mail"})), Role.READ))

    assert [(each.id, each.name) for each in marked] == [(history.id_of(STALE + 1), "")]


def test_only_administrators_see_who_has_changed_what() -> None:
    history = kept()
    feeds = [Feed(history, None, ALL), Feed(history, None, ALL)]
    history.append(happened("audit_change", who="ci", method="POST", path="/queues/a/pause"))
    history.append(happened("queue_paused", queue="a"))

    reader, administrator = (
        names(feed, ALL, role) for feed, role in zip(feeds, (Role.READ, Role.ADMIN), strict=True)
    )

    assert reader == ["queue_paused"]
    assert administrator == ["audit_change", "queue_paused"]


# --- filters --------------------------------------------------------------------------------------

EVENTS = {
    "mine": happened("task_completed", task_id=A_TASK, action="resize", queue="images"),
    "other": happened("task_completed", task_id="7", action="send", queue="mail"),
    "deleted": happened("task_deleted", task_id="7"),
    "paused": happened("queue_paused", queue="images"),
    "restart": happened("child_restarted", supervisor="root", child_id="queue"),
}


def passing(**wanted: Iterable[str]) -> set[str]:
    sets = {name: frozenset(values) for name, values in wanted.items()}
    return {key for key, event in EVENTS.items() if EventFilter(**sets).wants(event)}


def test_an_event_has_to_match_every_filter() -> None:
    assert passing() == {*EVENTS}
    assert passing(task=[A_TASK]) == {"mine"}
    assert passing(queue=["images"]) == {"mine", "paused", "deleted"}
    assert passing(queue=["images", "mail"]) == {"mine", "other", "paused", "deleted"}
    assert passing(action=["resize"]) == {"mine", "deleted"}
    assert passing(event=["task_completed", "queue_paused"], queue=["images"]) == {"mine", "paused"}
    assert passing(event=["child_restarted"]) == {"restart"}


def test_several_values_are_separated_by_commas() -> None:
    read = EVENT_FILTER.read(MultiDict(queue="a,b", task=A_TASK.upper(), event="queue_paused"))

    assert read == EventFilter(
        queue=frozenset("ab"), task=frozenset({A_TASK}), event=frozenset({"queue_paused"})
    )


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("task", "7"),
        ("task", f"{A_TASK},"),
        ("queue", ""),
        ("queue", "a,,b"),
        ("action", "a\n"),
        ("event", "task_finished"),
        ("event", "gap"),
        ("event", "*"),
        ("kind", "task"),
    ],
)
def test_a_filter_that_matches_nothing_is_refused(field: str, text: str) -> None:
    with pytest.raises(Problem) as refused:
        EVENT_FILTER.read(MultiDict({field: text}))

    assert [fault.field for fault in refused.value.faults] == [field]


def test_the_data_is_one_line_of_json() -> None:
    [line] = [
        line
        for line in happened("storage_degraded", reason="a\nb\r\u2028").lines.splitlines()
        if line.startswith(b"data: ")
    ]

    assert msgspec.json.decode(line.removeprefix(b"data: "))["reason"] == "a\nb\r\u2028"


# --- events that no reader asks for ---------------------------------------------------------------

PAUSES = EventFilter(event=frozenset({"queue_paused"}))
RESUMES = EventFilter(event=frozenset({"queue_resumed"}))


def test_only_what_a_reader_has_wanted_is_kept() -> None:
    history = History()

    Feed(history, None, PAUSES)

    assert [name for name in FIELDS if history.keeps(name)] == ["queue_paused"]


def test_a_reader_that_wants_more_than_was_kept_gets_a_gap() -> None:
    history = History()
    before = parsed(Feed(history, None, PAUSES).mark())[0].id  # then a queue may have been resumed

    assert names(Feed(history, before, RESUMES)) == ["gap"]
    assert names(Feed(history, before, PAUSES)) == []


def test_a_reader_goes_on_after_others_have_begun_to_want_more() -> None:
    history = History()
    pauses = Feed(history, None, PAUSES)
    numbered(history, 1)
    resumes = Feed(history, None, RESUMES)
    begun = parsed(resumes.mark())[0].id
    history.append(happened("queue_resumed", queue="mail"))
    numbered(history, 1)

    assert names(pauses, PAUSES) == ["queue_paused", "queue_paused"]
    assert names(resumes, RESUMES) == ["queue_resumed"]
    assert names(Feed(history, begun, RESUMES), RESUMES) == ["queue_resumed"]
    assert names(Feed(history, begun, PAUSES), PAUSES) == ["queue_paused"]
