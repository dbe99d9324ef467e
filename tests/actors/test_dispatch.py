"""The dispatch buffer: who has which delivery."""

from collections.abc import Iterable

import pytest

from taskqueue.actors.queue.dispatch import MOST_AHEAD, DispatchBuffer, Taken
from taskqueue.rules.tasks import Delivery, Status, Task
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


def dispatch_of(
    *queues: str, prefetch: int = 5, clock: ManualClock | None = None
) -> DispatchBuffer[str]:
    return DispatchBuffer(queues or ("default",), prefetch, clock or ManualClock())


def put(dispatch: DispatchBuffer[str], queue: str, given: list[Delivery]) -> None:
    """Put claimed deliveries on the dispatch buffer."""
    dispatch.add(dispatch.reserve(queue), given)


def took(dispatch: DispatchBuffer[str], consumer: str) -> str | None:
    """Have a consumer take something; return its token."""
    taken = dispatch.take(consumer)
    return None if taken is None else taken.delivery.token


# --- room -----------------------------------------------------------------------------------------


def test_nothing_is_claimed_for_nobody() -> None:
    assert dispatch_of().room("default") == 0


def test_there_is_room_for_the_free_slots_and_the_prefetch() -> None:
    dispatch = dispatch_of(prefetch=5)
    dispatch.sit("a", 2, ["default"])
    dispatch.sit("b", 1, ["default"])

    assert dispatch.room("default") == 8

    put(dispatch, "default", deliveries("12"))
    assert dispatch.room("default") == 6
    took(dispatch, "a")
    assert dispatch.room("default") == 6


def test_room_that_is_kept_is_given_once_and_comes_back_with_what_it_was_kept_for() -> None:
    dispatch = dispatch_of(prefetch=5)
    dispatch.sit("a", 2, ["default"])

    two, rest = dispatch.reserve("default", 2), dispatch.reserve("default", 9)
    none = dispatch.reserve("default", 1)
    assert (two.room, rest.room, none.room) == (2, 5, 0)

    dispatch.add(two, deliveries("1"))
    dispatch.add(rest, [])
    assert dispatch.room("default") == 6
    assert took(dispatch, "a") == "1"


def test_there_is_no_room_to_be_kept_where_nobody_sits_or_nothing_is_given_out() -> None:
    dispatch = dispatch_of()
    assert dispatch.reserve("default", 3).room == 0

    dispatch.sit("a", 2, ["default"])
    dispatch.shut()
    assert dispatch.reserve("default", 3).room == 0


def a_lot_goes(
    dispatch: DispatchBuffer[str], clock: ManualClock, *, claim_s: float, task_s: float
) -> int:
    """Claim what there is room for; do all of it, one after the other. Return how many that was."""
    reservation = dispatch.reserve("default")
    clock.advance(claim_s)
    dispatch.add(reservation, deliveries(range(reservation.room)))
    while (token := took(dispatch, "a")) is not None:
        clock.advance(task_s)
        dispatch.finish("a", [token])
    return reservation.room


def test_more_is_claimed_ahead_of_consumers_that_are_faster_than_a_claim() -> None:
    clock = ManualClock()
    dispatch = dispatch_of(prefetch=5, clock=clock)
    dispatch.sit("a", 1, ["default"])

    reservations = [a_lot_goes(dispatch, clock, claim_s=0.004, task_s=0.0001) for _ in range(4)]

    assert reservations[:2] == [
        6,
        6,
    ]  # how fast the first one went is known when the next one comes
    assert 100 < reservations[2] <= MOST_AHEAD + 1


def test_the_prefetch_is_enough_for_tasks_that_take_longer_than_a_claim() -> None:
    clock = ManualClock()
    dispatch = dispatch_of(prefetch=5, clock=clock)
    dispatch.sit("a", 1, ["default"])

    reservations = [a_lot_goes(dispatch, clock, claim_s=0.004, task_s=1.0) for _ in range(4)]

    assert reservations == [6, 6, 6, 6]


def test_tasks_that_become_slow_are_claimed_with_the_prefetch_again() -> None:
    clock = ManualClock()
    dispatch = dispatch_of(prefetch=5, clock=clock)
    dispatch.sit("a", 1, ["default"])
    for _ in range(3):
        a_lot_goes(dispatch, clock, claim_s=0.004, task_s=0.0001)

    a_lot_goes(dispatch, clock, claim_s=0.004, task_s=1.0)

    # What that reservation has told is known when the next one comes.
    a_lot_goes(dispatch, clock, claim_s=0.004, task_s=1.0)
    assert a_lot_goes(dispatch, clock, claim_s=0.004, task_s=1.0) == 6


def test_half_of_what_waits_is_gone_before_more_is_claimed() -> None:
    clock = ManualClock()
    dispatch = dispatch_of(prefetch=5, clock=clock)
    dispatch.sit("a", 1, ["default"])
    for _ in range(2):
        a_lot_goes(dispatch, clock, claim_s=0.004, task_s=0.0001)
    reservation = dispatch.reserve("default")
    clock.advance(0.004)
    dispatch.add(reservation, deliveries(range(reservation.room)))

    claims = set()
    while (token := took(dispatch, "a")) is not None:
        dispatch.finish("a", [token])
        claims.add(dispatch.room("default"))

    assert 0 in claims
    assert all(claim == 0 or claim > reservation.room // 2 for claim in claims)


# --- taking ---------------------------------------------------------------------------------------


def test_whoever_has_a_free_slot_takes_what_came_first() -> None:
    dispatch = dispatch_of()
    dispatch.sit("a", 1, ["default"])
    dispatch.sit("b", 3, ["default"])
    put(dispatch, "default", deliveries(range(4)))

    order = [took(dispatch, consumer) for consumer in "babba"]

    assert order == ["0", "1", "2", "3", None]
    assert sorted(dispatch.held) == ["0", "1", "2", "3"]


def test_taking_says_since_when() -> None:
    clock = ManualClock()
    dispatch = dispatch_of(clock=clock)
    dispatch.sit("a", 1, ["default"])
    put(dispatch, "default", [delivery("1")])
    clock.advance(7)

    taken = dispatch.take("a")

    assert taken is not None
    assert taken.at == clock.now()
    assert dispatch.leave("a") == (taken,)


def test_the_queues_of_a_consumer_take_turns() -> None:
    dispatch = dispatch_of("mail", "default", "other")
    dispatch.sit("a", 1, ["default", "mail"])
    put(dispatch, "default", deliveries(["d1", "d2"]))
    put(dispatch, "mail", deliveries(["m1", "m2"]))
    put(dispatch, "other", deliveries(["o1"]))

    assert [took(dispatch, "a") for _ in range(5)] == ["m1", "d1", "m2", "d2", None]


def test_a_long_task_keeps_one_slot_and_nothing_else() -> None:
    dispatch = dispatch_of(prefetch=1)
    dispatch.sit("a", 1, ["default"])
    dispatch.sit("b", 1, ["default"])
    put(dispatch, "default", deliveries(["long", "1", "2", "3"]))
    took(dispatch, "a")

    assert [took(dispatch, "b") for _ in range(3)] == ["1", "2", "3"]


def test_a_closed_consumer_takes_nothing_more_and_is_still_busy() -> None:
    dispatch = dispatch_of(prefetch=0)
    dispatch.sit("a", 2, ["default"])
    put(dispatch, "default", deliveries("1"))
    took(dispatch, "a")

    dispatch.close("a")
    put(dispatch, "default", deliveries("2"))

    assert took(dispatch, "a") is None
    assert [taken.delivery.token for taken in dispatch.leave("a")] == ["1"]
    assert dispatch.leave("a") == ()


def test_one_without_a_seat_takes_nothing() -> None:
    dispatch = dispatch_of()
    dispatch.sit("a", 1, ["default"])
    put(dispatch, "default", deliveries("12"))
    dispatch.leave("a")

    assert took(dispatch, "a") is None


def test_a_consumer_sits_down_with_what_it_is_busy_with() -> None:
    dispatch = dispatch_of(prefetch=0)

    dispatch.sit("a", 2, ["default"], [Taken(delivery("old"), 0.0)])

    assert dispatch.room("default") == 1
    assert dispatch.held == ("old",)


def test_a_desk_that_is_shut_has_no_room_and_gives_nothing() -> None:
    dispatch = dispatch_of()
    dispatch.sit("a", 1, ["default"])
    put(dispatch, "default", deliveries("1"))

    dispatch.shut()

    assert dispatch.room("default") == 0
    assert took(dispatch, "a") is None
    assert dispatch.wake() == ()
    assert [d.token for d in dispatch.clear_buffer()] == ["1"]


def test_lost_deliveries_leave_the_buffer_but_not_the_slots() -> None:
    dispatch = dispatch_of()
    dispatch.sit("a", 1, ["default"])
    put(dispatch, "default", deliveries(["running", "lost", "kept"]))
    took(dispatch, "a")

    dispatch.drop(["running", "lost"])

    assert dispatch.held == ("kept", "running")
    assert [d.token for d in dispatch.clear_buffer()] == ["kept"]
    assert dispatch.held == ("running",)


def test_finishing_what_nobody_knows_is_harmless() -> None:
    dispatch = dispatch_of(prefetch=5)
    dispatch.sit("a", 1, ["default"])

    dispatch.finish("a", ["unknown"])
    dispatch.finish("stranger", ["unknown"])

    assert dispatch.room("default") == 6


# --- rousing --------------------------------------------------------------------------------------


def test_as_many_consumers_are_roused_as_there_is_work_for_the_idlest_first() -> None:
    dispatch = dispatch_of()
    dispatch.sit("a", 1, ["default"])
    dispatch.sit("b", 3, ["default"])
    dispatch.sit("c", 2, ["default"])
    put(dispatch, "default", deliveries(range(4)))

    assert dispatch.wake() == ("b", "c")
    assert dispatch.wake() == ("a",)  # should the others not come
    assert dispatch.wake() == ()


@pytest.mark.parametrize("queues", [["mail"], []])
def test_nobody_is_roused_for_what_it_does_not_serve(queues: list[str]) -> None:
    dispatch = dispatch_of("default", "mail")
    dispatch.sit("a", 1, queues)
    put(dispatch, "default", deliveries("1"))

    assert dispatch.wake() == ()


def test_whoever_found_nothing_is_roused_again() -> None:
    dispatch = dispatch_of()
    dispatch.sit("a", 1, ["default"])
    put(dispatch, "default", deliveries("1"))
    dispatch.wake()
    dispatch.finish("a", [took(dispatch, "a") or ""])
    assert took(dispatch, "a") is None

    put(dispatch, "default", deliveries("2"))

    assert dispatch.wake() == ("a",)
