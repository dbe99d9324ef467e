"""When a client that waits looks at its file."""

import itertools

from taskqueue.client.waiting import LONG_S, SHORT_S, Looking, Pause

WAITS_S = 30.0


class Time:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def pauses(looking: Looking, time: Time) -> list[Pause]:
    """All pauses until the time is up, while nothing happens."""
    found = []
    while (pause := looking.next_pause()) is not None:
        found.append(pause)
        time.now += pause.seconds
    return found


def test_a_few_looks_for_a_commit_that_is_under_way_and_then_none() -> None:
    time = Time()

    found = pauses(Looking(WAITS_S, is_told=True, monotonic=time), time)

    *looks, rest = found
    assert looks == [
        *(Pause(each, until_written=False) for each in SHORT_S),
        *(Pause(each, until_written=True) for each in LONG_S),
    ]
    assert rest.until_written
    assert rest.seconds > WAITS_S - 1
    assert time.now >= 100.0 + WAITS_S


def test_a_write_is_followed_by_looks_at_once() -> None:
    time = Time()
    looking = Looking(WAITS_S, is_told=True, monotonic=time)
    for _ in range(len(SHORT_S) + len(LONG_S) + 1):
        looking.next_pause()

    looking.written()

    assert looking.next_pause() == Pause(SHORT_S[0], until_written=False)


def test_the_looks_become_rarer_while_changes_keep_coming() -> None:
    looking = Looking(WAITS_S, is_told=True, monotonic=Time())

    found = []
    for _ in range(7):
        looking.changed()
        pause = looking.next_pause()
        assert pause is not None
        found.append(pause.seconds)

    assert found == [0.002, 0.004, 0.008, 0.016, 0.032, 0.032, 0.032]


def test_where_no_writes_are_told_the_looks_go_on() -> None:
    time = Time()

    found = pauses(Looking(1.0, is_told=False, monotonic=time), time)

    assert not any(pause.until_written for pause in found)
    assert max(pause.seconds for pause in found) == SHORT_S[-1]
    assert all(a.seconds <= b.seconds for a, b in itertools.pairwise(found[:-1]))


def test_no_pause_is_longer_than_the_wait() -> None:
    time = Time()
    looking = Looking(0.001, is_told=True, monotonic=time)

    found = pauses(looking, time)

    assert [pause.seconds for pause in found[:2]] == [0.0005, 0.0005]
    assert time.now - 100.0 < 0.0011
    assert looking.next_pause() is None
