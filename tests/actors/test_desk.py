"""The desk: who has which delivery."""

from collections.abc import Iterable

import pytest

from taskqueue.actors.queue.dispatch import MOST_AHEAD, Desk, Taken
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


def desk_of(*queues: str, prefetch: int = 5, clock: ManualClock | None = None) -> Desk[str]:
    return Desk(queues or ("default",), prefetch, clock or ManualClock())


def put(desk: Desk[str], queue: str, given: list[Delivery]) -> None:
    """Put claimed deliveries on the desk."""
    desk.add(desk.keep_room(queue), given)


def took(desk: Desk[str], consumer: str) -> str | None:
    """Have a consumer take something; return its token."""
    taken = desk.take(consumer)
    return None if taken is None else taken.delivery.token


# --- room -----------------------------------------------------------------------------------------


def test_nothing_is_claimed_for_nobody() -> None:
    assert desk_of().room("default") == 0


def test_there_is_room_for_the_free_slots_and_the_prefetch() -> None:
    desk = desk_of(prefetch=5)
    desk.sit("a", 2, ["default"])
    desk.sit("b", 1, ["default"])

    assert desk.room("default") == 8

    put(desk, "default", deliveries("12"))
    assert desk.room("default") == 6
    took(desk, "a")
    assert desk.room("default") == 6


def test_room_that_is_kept_is_given_once_and_comes_back_with_what_it_was_kept_for() -> None:
    desk = desk_of(prefetch=5)
    desk.sit("a", 2, ["default"])

    two, rest = desk.keep_room("default", 2), desk.keep_room("default", 9)
    none = desk.keep_room("default", 1)
    assert (two.room, rest.room, none.room) == (2, 5, 0)

    desk.add(two, deliveries("1"))
    desk.add(rest, [])
    assert desk.room("default") == 6
    assert took(desk, "a") == "1"


def test_there_is_no_room_to_be_kept_where_nobody_sits_or_nothing_is_given_out() -> None:
    desk = desk_of()
    assert desk.keep_room("default", 3).room == 0

    desk.sit("a", 2, ["default"])
    desk.shut()
    assert desk.keep_room("default", 3).room == 0


def a_lot_goes(desk: Desk[str], clock: ManualClock, *, claim_s: float, task_s: float) -> int:
    """Claim what there is room for; do all of it, one after the other. Return how many that was."""
    lot = desk.keep_room("default")
    clock.advance(claim_s)
    desk.add(lot, deliveries(range(lot.room)))
    while (token := took(desk, "a")) is not None:
        clock.advance(task_s)
        desk.finish("a", [token])
    return lot.room


def test_more_is_claimed_ahead_of_consumers_that_are_faster_than_a_claim() -> None:
    clock = ManualClock()
    desk = desk_of(prefetch=5, clock=clock)
    desk.sit("a", 1, ["default"])

    lots = [a_lot_goes(desk, clock, claim_s=0.004, task_s=0.0001) for _ in range(4)]

    assert lots[:2] == [6, 6]  # how fast the first one went is known when the next one comes
    assert 100 < lots[2] <= MOST_AHEAD + 1


def test_the_prefetch_is_enough_for_tasks_that_take_longer_than_a_claim() -> None:
    clock = ManualClock()
    desk = desk_of(prefetch=5, clock=clock)
    desk.sit("a", 1, ["default"])

    lots = [a_lot_goes(desk, clock, claim_s=0.004, task_s=1.0) for _ in range(4)]

    assert lots == [6, 6, 6, 6]


def test_tasks_that_become_slow_are_claimed_with_the_prefetch_again() -> None:
    clock = ManualClock()
    desk = desk_of(prefetch=5, clock=clock)
    desk.sit("a", 1, ["default"])
    for _ in range(3):
        a_lot_goes(desk, clock, claim_s=0.004, task_s=0.0001)

    a_lot_goes(desk, clock, claim_s=0.004, task_s=1.0)

    # What that lot has told is known when the next one comes.
    a_lot_goes(desk, clock, claim_s=0.004, task_s=1.0)
    assert a_lot_goes(desk, clock, claim_s=0.004, task_s=1.0) == 6


def test_half_of_what_waits_is_gone_before_more_is_claimed() -> None:
    clock = ManualClock()
    desk = desk_of(prefetch=5, clock=clock)
    desk.sit("a", 1, ["default"])
    for _ in range(2):
        a_lot_goes(desk, clock, claim_s=0.004, task_s=0.0001)
    lot = desk.keep_room("default")
    clock.advance(0.004)
    desk.add(lot, deliveries(range(lot.room)))

    claims = set()
    while (token := took(desk, "a")) is not None:
        desk.finish("a", [token])
        claims.add(desk.room("default"))

    assert 0 in claims
    assert all(claim == 0 or claim > lot.room // 2 for claim in claims)


# --- taking ---------------------------------------------------------------------------------------


def test_whoever_has_a_free_slot_takes_what_came_first() -> None:
    desk = desk_of()
    desk.sit("a", 1, ["default"])
    desk.sit("b", 3, ["default"])
    put(desk, "default", deliveries(range(4)))

    order = [took(desk, consumer) for consumer in "babba"]

    assert order == ["0", "1", "2", "3", None]
    assert sorted(desk.held) == ["0", "1", "2", "3"]


def test_taking_says_since_when() -> None:
    clock = ManualClock()
    desk = desk_of(clock=clock)
    desk.sit("a", 1, ["default"])
    put(desk, "default", [delivery("1")])
    clock.advance(7)

    taken = desk.take("a")

    assert taken is not None
    assert taken.at == clock.now()
    assert desk.leave("a") == (taken,)


def test_the_queues_of_a_consumer_take_turns() -> None:
    desk = desk_of("mail", "default", "other")
    desk.sit("a", 1, ["default", "mail"])
    put(desk, "default", deliveries(["d1", "d2"]))
    put(desk, "mail", deliveries(["m1", "m2"]))
    put(desk, "other", deliveries(["o1"]))

    assert [took(desk, "a") for _ in range(5)] == ["m1", "d1", "m2", "d2", None]


def test_a_long_task_keeps_one_slot_and_nothing_else() -> None:
    desk = desk_of(prefetch=1)
    desk.sit("a", 1, ["default"])
    desk.sit("b", 1, ["default"])
    put(desk, "default", deliveries(["long", "1", "2", "3"]))
    took(desk, "a")

    assert [took(desk, "b") for _ in range(3)] == ["1", "2", "3"]


def test_a_closed_consumer_takes_nothing_more_and_is_still_busy() -> None:
    desk = desk_of(prefetch=0)
    desk.sit("a", 2, ["default"])
    put(desk, "default", deliveries("1"))
    took(desk, "a")

    desk.close("a")
    put(desk, "default", deliveries("2"))

    assert took(desk, "a") is None
    assert [taken.delivery.token for taken in desk.leave("a")] == ["1"]
    assert desk.leave("a") == ()


def test_one_without_a_seat_takes_nothing() -> None:
    desk = desk_of()
    desk.sit("a", 1, ["default"])
    put(desk, "default", deliveries("12"))
    desk.leave("a")

    assert took(desk, "a") is None


def test_a_consumer_sits_down_with_what_it_is_busy_with() -> None:
    desk = desk_of(prefetch=0)

    desk.sit("a", 2, ["default"], [Taken(delivery("old"), 0.0)])

    assert desk.room("default") == 1
    assert desk.held == ("old",)


def test_a_desk_that_is_shut_has_no_room_and_gives_nothing() -> None:
    desk = desk_of()
    desk.sit("a", 1, ["default"])
    put(desk, "default", deliveries("1"))

    desk.shut()

    assert desk.room("default") == 0
    assert took(desk, "a") is None
    assert desk.rouse() == ()
    assert [d.token for d in desk.clear_buffer()] == ["1"]


def test_lost_deliveries_leave_the_buffer_but_not_the_slots() -> None:
    desk = desk_of()
    desk.sit("a", 1, ["default"])
    put(desk, "default", deliveries(["running", "lost", "kept"]))
    took(desk, "a")

    desk.drop(["running", "lost"])

    assert desk.held == ("kept", "running")
    assert [d.token for d in desk.clear_buffer()] == ["kept"]
    assert desk.held == ("running",)


def test_finishing_what_nobody_knows_is_harmless() -> None:
    desk = desk_of(prefetch=5)
    desk.sit("a", 1, ["default"])

    desk.finish("a", ["unknown"])
    desk.finish("stranger", ["unknown"])

    assert desk.room("default") == 6


# --- rousing --------------------------------------------------------------------------------------


def test_as_many_consumers_are_roused_as_there_is_work_for_the_idlest_first() -> None:
    desk = desk_of()
    desk.sit("a", 1, ["default"])
    desk.sit("b", 3, ["default"])
    desk.sit("c", 2, ["default"])
    put(desk, "default", deliveries(range(4)))

    assert desk.rouse() == ("b", "c")
    assert desk.rouse() == ("a",)  # should the others not come
    assert desk.rouse() == ()


@pytest.mark.parametrize("queues", [["mail"], []])
def test_nobody_is_roused_for_what_it_does_not_serve(queues: list[str]) -> None:
    desk = desk_of("default", "mail")
    desk.sit("a", 1, queues)
    put(desk, "default", deliveries("1"))

    assert desk.rouse() == ()


def test_whoever_found_nothing_is_roused_again() -> None:
    desk = desk_of()
    desk.sit("a", 1, ["default"])
    put(desk, "default", deliveries("1"))
    desk.rouse()
    desk.finish("a", [took(desk, "a") or ""])
    assert took(desk, "a") is None

    put(desk, "default", deliveries("2"))

    assert desk.rouse() == ("a",)
