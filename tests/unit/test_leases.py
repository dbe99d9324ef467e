"""The lease ledger: which consumer has which delivery."""

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from taskqueue.attempt_log import AttemptLog
from taskqueue.rules.leases.buffers import MOST_AHEAD
from taskqueue.rules.leases.ledger import Leases
from taskqueue.rules.leases.values import (
    Actions,
    CancelRunning,
    ConsumerEnd,
    Finished,
    NothingRuns,
    Search,
    Settle,
    Taken,
    Wake,
)
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.tasks import (
    Crashed,
    Delivery,
    Interrupted,
    Outcome,
    Status,
    Succeeded,
    Task,
)
from taskqueue.testing.clock import ManualClock


def delivery(token: str) -> Delivery:
    task = Task(
        id=token,
        action="echo",
        payload="{}",
        queue="default",
        priority=0,
        status=Status.QUEUED,
        attempt=1,
        max_attempts=5,
        crashes=0,
        deliveries=1,
        run_at=0.0,
        created_at=0.0,
        started_at=None,
        processed_at=None,
        result=None,
        reason=None,
    )
    return Delivery(token=token, task=task, expires_at=30.0, started=False)


def deliveries(tokens: Iterable[object]) -> list[Delivery]:
    return [delivery(str(token)) for token in tokens]


def ledger(*queues: str, prefetch: int = 5) -> Leases[str]:
    """Return a ledger that has searched for orphans and found none."""
    leases: Leases[str] = Leases(queues or ("default",), prefetch, RetryPolicy())
    leases.end_search((), ())
    return leases


def put(leases: Leases[str], queue: str, given: list[Delivery]) -> Actions[str]:
    """Claim deliveries."""
    return leases.add(leases.reserve(queue, at=0.0), given, at=0.0)


def took(leases: Leases[str], consumer: str, at: float = 0.0) -> str | None:
    """Have a consumer take something; return its token."""
    taken = leases.take(consumer, now=at, at=at)
    return None if taken is None else taken.delivery.token


def finish(leases: Leases[str], consumer: str, *tokens: str) -> Actions[str]:
    """Have a consumer report that it is done with these."""
    return leases.finished(consumer, [finished(token) for token in tokens])


def finished(token: str) -> Finished:
    return Finished(delivery=delivery(token), outcome=Succeeded(result="1"), started_at=0.0)


def woken(actions: Actions[str]) -> list[str]:
    return [action.consumer for action in actions if isinstance(action, Wake)]


def settled(actions: Actions[str]) -> list[tuple[str, str]]:
    """Return what is to be settled: tokens and kinds of outcomes."""
    return [
        (each.delivery.token, type(each.outcome).__name__)
        for action in actions
        if isinstance(action, Settle)
        for each in action.finished
    ]


KILLED = ConsumerEnd(consumer="a", reason="killed", ordered=False)


# --- room -----------------------------------------------------------------------------------------


def test_nothing_is_claimed_without_a_consumer() -> None:
    assert ledger().room("default") == 0


def test_a_task_that_is_taken_too_late_does_not_begin() -> None:
    leases, late = ledger(), delivery("late")
    leases.register("a", 2, ("default",))
    put(leases, "default", [replace(late, task=replace(late.task, expires_at=5.0)), delivery("b")])

    for _ in range(2):
        leases.take("a", now=6.0, at=0.0)

    assert set(leases.running) == {"late", "b"}
    assert leases.begun == ("b",)


def test_a_node_that_drains_claims_nothing_and_releases_what_has_not_begun() -> None:
    leases = ledger()
    leases.register("a", 1, ["default"])
    put(leases, "default", deliveries("12"))
    took(leases, "a")
    coming = leases.reserve("default", at=0.0)

    released = leases.suspend()
    late = leases.add(coming, deliveries("3"), at=0.0)

    assert (settled(released), settled(late)) == ([("2", "Interrupted")], [("3", "Interrupted")])
    assert (leases.room("default"), leases.slots("default")) == (0, 0)
    assert leases.reserve("default", 1, at=0.0).room == 0
    assert leases.running == ("1",)
    assert settled(finish(leases, "a", "1")) == [("1", "Succeeded")]


def test_a_node_that_is_resumed_claims_again() -> None:
    leases = ledger()
    leases.register("a", 1, ["default"])
    room = leases.room("default")

    leases.suspend()
    leases.resume()

    assert leases.room("default") == room > 0


def test_there_is_room_for_the_free_slots_and_the_prefetch() -> None:
    leases = ledger(prefetch=5)
    leases.register("a", 2, ["default"])
    leases.register("b", 1, ["default"])

    assert leases.room("default") == 8

    put(leases, "default", deliveries("12"))
    assert leases.room("default") == 6
    took(leases, "a")
    assert leases.room("default") == 6


def test_room_follows_the_slots_of_a_consumer_and_what_runs_beyond_them_goes_on() -> None:
    leases = ledger(prefetch=0)
    leases.register("a", 2, ["default"])
    put(leases, "default", deliveries("12"))
    running = [took(leases, "a"), took(leases, "a")]

    more = leases.resize("a", 4)
    room_for_four = leases.room("default")
    fewer = leases.resize("a", 1)
    room_for_one = leases.room("default")
    finish(leases, "a", "1")
    room_beside_the_other = leases.room("default")
    finish(leases, "a", "2")

    assert (room_for_four, room_for_one, room_beside_the_other) == (2, 0, 0)
    assert leases.room("default") == 1
    assert (running, settled([*more, *fewer])) == (["1", "2"], [])
    assert leases.resize("unknown", 4) == ()


def test_fewer_slots_release_what_is_buffered() -> None:
    leases = ledger(prefetch=0)
    leases.register("a", 4, ["default"])
    put(leases, "default", deliveries("1234"))
    assert took(leases, "a") == "1"

    fewer = leases.resize("a", 1)

    assert settled(fewer) == [(token, "Interrupted") for token in "234"]
    assert settled(leases.resize("a", 4)) == []


def test_room_that_is_kept_is_given_once_and_comes_back_with_what_it_was_kept_for() -> None:
    leases = ledger(prefetch=5)
    leases.register("a", 2, ["default"])

    two, rest = leases.reserve("default", 2, at=0.0), leases.reserve("default", 9, at=0.0)
    none = leases.reserve("default", 1, at=0.0)
    assert (two.room, rest.room, none.room) == (2, 5, 0)

    leases.add(two, deliveries("1"), at=0.0)
    leases.add(rest, [], at=0.0)
    assert leases.room("default") == 6
    assert took(leases, "a") == "1"


def test_there_is_no_room_to_be_kept_without_a_consumer_or_during_a_drain() -> None:
    leases = ledger()
    assert leases.reserve("default", 3, at=0.0).room == 0

    leases.register("a", 2, ["default"])
    leases.drain()
    assert leases.reserve("default", 3, at=0.0).room == 0


def a_batch_passes(
    leases: Leases[str], clock: ManualClock, *, claim_s: float, task_s: float
) -> int:
    """Claim what there is room for; do all of it, one after the other. Return how many that was."""
    reservation = leases.reserve("default", at=clock.now())
    clock.advance(claim_s)
    leases.add(reservation, deliveries(range(reservation.room)), at=clock.now())
    while (token := took(leases, "a", clock.now())) is not None:
        clock.advance(task_s)
        finish(leases, "a", token)
    return reservation.room


def test_more_is_claimed_ahead_of_consumers_that_are_faster_than_a_claim() -> None:
    clock = ManualClock()
    leases = ledger(prefetch=5)
    leases.register("a", 1, ["default"])

    reservations = [a_batch_passes(leases, clock, claim_s=0.004, task_s=0.0001) for _ in range(4)]

    assert reservations[:2] == [
        6,
        6,
    ]  # how fast the first one went is known when the next one comes
    assert 100 < reservations[2] <= MOST_AHEAD + 1


def test_nothing_is_claimed_ahead_of_consumers_where_tasks_take_turns() -> None:
    clock = ManualClock()
    leases: Leases[str] = Leases(["default", "other"], 5, RetryPolicy(), fair=["default"])
    leases.end_search((), ())
    leases.register("a", 2, ["default", "other"])

    passed = [a_batch_passes(leases, clock, claim_s=0.004, task_s=0.0001) for _ in range(4)]

    assert passed == [2, 2, 2, 2]
    assert leases.room("other") == 7


def test_the_prefetch_is_enough_for_tasks_that_take_longer_than_a_claim() -> None:
    clock = ManualClock()
    leases = ledger(prefetch=5)
    leases.register("a", 1, ["default"])

    reservations = [a_batch_passes(leases, clock, claim_s=0.004, task_s=1.0) for _ in range(4)]

    assert reservations == [6, 6, 6, 6]


def test_tasks_that_become_slow_are_claimed_with_the_prefetch_again() -> None:
    clock = ManualClock()
    leases = ledger(prefetch=5)
    leases.register("a", 1, ["default"])
    for _ in range(3):
        a_batch_passes(leases, clock, claim_s=0.004, task_s=0.0001)

    a_batch_passes(leases, clock, claim_s=0.004, task_s=1.0)

    # What that reservation has told is known when the next one comes.
    a_batch_passes(leases, clock, claim_s=0.004, task_s=1.0)
    assert a_batch_passes(leases, clock, claim_s=0.004, task_s=1.0) == 6


def test_half_of_what_waits_is_gone_before_more_is_claimed() -> None:
    clock = ManualClock()
    leases = ledger(prefetch=5)
    leases.register("a", 1, ["default"])
    for _ in range(2):
        a_batch_passes(leases, clock, claim_s=0.004, task_s=0.0001)
    reservation = leases.reserve("default", at=clock.now())
    clock.advance(0.004)
    leases.add(reservation, deliveries(range(reservation.room)), at=clock.now())

    claims = set()
    while (token := took(leases, "a")) is not None:
        finish(leases, "a", token)
        claims.add(leases.room("default"))

    assert 0 in claims
    assert all(claim == 0 or claim > reservation.room // 2 for claim in claims)


# --- taking ---------------------------------------------------------------------------------------


def test_consumers_take_what_came_first() -> None:
    leases = ledger()
    leases.register("a", 1, ["default"])
    leases.register("b", 3, ["default"])
    put(leases, "default", deliveries(range(4)))

    order = [took(leases, consumer) for consumer in "babba"]

    assert order == ["0", "1", "2", "3", None]
    assert sorted(leases.ours) == ["0", "1", "2", "3"]


def test_taking_says_since_when() -> None:
    leases = ledger()
    leases.register("a", 1, ["default"])
    put(leases, "default", [delivery("1")])

    taken = leases.take("a", now=7.0, at=0.0)
    [settle] = leases.gone("a", KILLED)

    assert taken is not None
    assert taken[:2] == (delivery("1"), 7.0)
    assert isinstance(settle, Settle)
    assert [each.started_at for each in settle.finished] == [7.0]


def test_the_queues_of_a_consumer_take_turns() -> None:
    leases = ledger("mail", "default", "other")
    leases.register("a", 1, ["default", "mail"])
    put(leases, "default", deliveries(["d1", "d2"]))
    put(leases, "mail", deliveries(["m1", "m2"]))
    put(leases, "other", deliveries(["o1"]))

    assert [took(leases, "a") for _ in range(5)] == ["m1", "d1", "m2", "d2", None]


def test_a_long_task_keeps_one_slot_and_nothing_else() -> None:
    leases = ledger(prefetch=1)
    leases.register("a", 1, ["default"])
    leases.register("b", 1, ["default"])
    put(leases, "default", deliveries(["long", "1", "2", "3"]))
    took(leases, "a")

    assert [took(leases, "b") for _ in range(3)] == ["1", "2", "3"]


def test_a_consumer_that_leaves_takes_nothing_more_and_still_runs_what_it_has() -> None:
    leases = ledger(prefetch=0)
    leases.register("a", 2, ["default"])
    put(leases, "default", deliveries("1"))
    took(leases, "a")

    leases.leave("a")
    put(leases, "default", deliveries("2"))

    assert took(leases, "a") is None
    assert settled(leases.gone("a", KILLED)) == [("1", "Crashed")]
    assert leases.gone("a", KILLED) == ()


def test_a_consumer_that_has_ended_takes_nothing() -> None:
    leases = ledger()
    leases.register("a", 1, ["default"])
    put(leases, "default", deliveries("12"))
    leases.gone("a", KILLED)

    assert took(leases, "a") is None


def test_a_consumer_registers_with_what_it_runs() -> None:
    leases = ledger(prefetch=0)

    leases.register("a", 2, ["default"], [Taken(delivery("old"), 0.0, AttemptLog())])

    assert leases.room("default") == 1
    assert leases.ours == ("old",)


def test_a_ledger_that_is_shut_has_no_room_and_hands_everything_back() -> None:
    leases = ledger()
    leases.register("a", 1, ["default"])
    put(leases, "default", deliveries("1"))
    late = leases.reserve("default", 1, at=0.0)

    drained = leases.drain()
    came = leases.add(late, deliveries("2"), at=0.0)

    assert settled(drained) == [("1", "Interrupted")]
    assert settled(came) == [("2", "Interrupted")]
    assert leases.room("default") == 0
    assert took(leases, "a") is None
    assert leases.wake() == ()


def test_lost_deliveries_leave_the_buffer_but_not_the_slots() -> None:
    leases = ledger()
    leases.register("a", 1, ["default"])
    put(leases, "default", deliveries(["running", "lost", "kept"]))
    took(leases, "a")

    leases.lost(["running", "lost"])

    assert leases.ours == ("kept", "running")
    assert settled(leases.release()) == [("kept", "Interrupted")]
    assert leases.running == ("running",)


def test_a_report_of_what_the_consumer_does_not_run_settles_nothing() -> None:
    leases = ledger(prefetch=5)
    leases.register("a", 1, ["default"])
    put(leases, "default", deliveries("1"))
    took(leases, "a")

    for actions in (finish(leases, "a", "unknown"), finish(leases, "stranger", "1")):
        assert settled(actions) == []

    assert leases.running == ("1",)


# --- waking ---------------------------------------------------------------------------------------


def test_as_many_consumers_are_woken_as_there_is_work_for_those_with_most_room_first() -> None:
    leases = ledger()
    leases.register("a", 1, ["default"])
    leases.register("b", 3, ["default"])
    leases.register("c", 2, ["default"])

    assert woken(put(leases, "default", deliveries(range(4)))) == ["b", "c"]
    assert woken(leases.wake()) == ["a"]  # should the others not come
    assert leases.wake() == ()


@pytest.mark.parametrize("queues", [["mail"], []])
def test_no_consumer_is_woken_for_a_queue_that_it_does_not_serve(queues: list[str]) -> None:
    leases = ledger("default", "mail")
    leases.register("a", 1, queues)

    assert put(leases, "default", deliveries("1")) == ()


def test_a_consumer_that_found_nothing_is_woken_again() -> None:
    leases = ledger()
    leases.register("a", 1, ["default"])
    put(leases, "default", deliveries("1"))
    finish(leases, "a", took(leases, "a") or "")
    assert took(leases, "a") is None

    assert woken(put(leases, "default", deliveries("2"))) == ["a"]


# --- cancelling -----------------------------------------------------------------------------------


def test_a_cancelled_delivery_is_settled_from_the_buffer_and_cut_where_it_runs() -> None:
    leases = ledger()
    leases.register("a", 1, ["default"])
    put(leases, "default", deliveries(["running", "buffered"]))
    took(leases, "a")

    buffered, running = leases.cancel("buffered", "why"), leases.cancel("running", "why")

    assert settled(buffered) == [("buffered", "Cancelled")]
    assert running == (CancelRunning(consumer="a", token="running", reason="why"),)
    assert leases.cancel("elsewhere", "why") == ()


def test_a_consumer_that_leaves_learns_what_is_cancelled_until_that_has_ended() -> None:
    leases = ledger()
    leases.register("a", 1, ["default"])
    put(leases, "default", deliveries("1"))
    took(leases, "a")
    leases.cancel("1", "why")

    before = leases.leave("a")
    finish(leases, "a", "1")

    assert before == {"1": "why"}
    assert leases.leave("a") == {}


# --- releasing ------------------------------------------------------------------------------------


def test_a_release_of_a_queue_includes_what_is_on_its_way_and_nothing_that_follows() -> None:
    leases = ledger("default", "mail")
    leases.register("a", 1, ["default", "mail"])
    put(leases, "default", deliveries(["buffered"]))
    put(leases, "mail", deliveries(["mail"]))
    late = leases.reserve("default", 1, at=0.0)

    released = leases.release("default")
    came, followed = leases.add(late, deliveries(["late"]), at=0.0), deliveries(["next"])
    put(leases, "default", followed)

    assert settled(released) == [("buffered", "Interrupted")]
    assert settled(came) == [("late", "Interrupted")]
    assert {took(leases, "a"), took(leases, "a")} == {"mail", "next"}


# --- the end of a consumer ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ordered", "culprit", "outcomes"),
    [
        (True, None, [Interrupted(), Interrupted()]),
        (False, None, [Crashed(error="consumer ended: why")] * 2),
        (False, "1", [Crashed(error="consumer ended: why"), Interrupted(holder_died=True)]),
    ],
)
def test_what_a_consumer_ran_ends_with_it(
    ordered: bool, culprit: str | None, outcomes: list[Outcome]
) -> None:
    leases = ledger()
    leases.register("a", 2, ["default"])
    put(leases, "default", deliveries("12"))
    took(leases, "a"), took(leases, "a")
    end = ConsumerEnd(consumer="a", reason="why", ordered=ordered, culprit=culprit)

    [settle] = leases.gone("a", end)

    assert isinstance(settle, Settle)
    assert [each.outcome for each in settle.finished] == outcomes
    assert settle.rescue == "a ended: why"


def test_the_end_of_a_silent_consumer_asks_for_a_search() -> None:
    leases = ledger()
    leases.expect("a")

    assert leases.gone("a", KILLED) == (Search(),)
    assert leases.is_complete


def test_nothing_runs_once_the_last_consumer_that_may_run_something_is_done() -> None:
    leases = ledger()
    leases.register("a", 1, ["default"])
    leases.expect("silent")
    put(leases, "default", deliveries("1"))
    took(leases, "a")

    assert NothingRuns() not in leases.drain()
    assert NothingRuns() not in leases.gone("silent", KILLED)
    assert NothingRuns() in finish(leases, "a", "1")


# --- searches -------------------------------------------------------------------------------------


def test_an_orphan_is_what_is_held_but_was_nowhere_here_since_the_search_began() -> None:
    leases = ledger()
    leases.register("a", 3, ["default"])
    put(leases, "default", deliveries(["finished", "running", "buffered"]))
    took(leases, "a"), took(leases, "a")
    reserved = leases.reserve("default", 1, at=0.0)
    leases.begin_search()

    leases.add(reserved, deliveries(["arrived"]), at=0.0)
    finish(leases, "a", "finished")
    leases.settled(["finished"])
    leases.register("late", 1, ["default"], [Taken(delivery("late"), 0.0, AttemptLog())])
    finish(leases, "late", "late")
    leases.settled(["late"])
    took(leases, "a"), took(leases, "a")
    finish(leases, "a", "arrived")
    leases.settled(["arrived"])
    held = deliveries(["finished", "running", "buffered", "arrived", "late", "orphan"])

    assert settled(leases.end_search(held, deliveries(["overdue"]))) == [
        ("orphan", "Interrupted"),
        ("overdue", "Interrupted"),
    ]


def test_nothing_that_a_silent_consumer_may_run_is_an_orphan() -> None:
    leases = ledger()
    leases.expect("silent")
    leases.begin_search()

    held, overdue = deliveries(["held"]), deliveries(["held", "earlier life"])

    assert settled(leases.end_search(held, overdue)) == [("earlier life", "Interrupted")]


def test_nothing_is_reserved_during_a_search() -> None:
    leases = ledger()
    leases.register("a", 1, ["default"])

    leases.begin_search()
    during = leases.reserve("default", 1, at=0.0)
    leases.end_search((), ())

    assert during.room == 0
    assert leases.reserve("default", 1, at=0.0).room == 1


def test_a_search_meets_what_was_cancelled_while_it_was_elsewhere() -> None:
    leases = ledger()
    leases.register("a", 1, ["default"])
    put(leases, "default", deliveries("12"))
    took(leases, "a")
    leases.begin_search()
    held = [
        replace(each, task=replace(each.task, cancel_reason="why")) for each in deliveries("123")
    ]

    actions = leases.end_search(held, ())

    assert CancelRunning(consumer="a", token="1", reason="why") in actions
    assert settled(actions) == [("2", "Cancelled"), ("3", "Interrupted")]
