"""The desk: who has which delivery."""

from taskqueue.actors.desk import Desk
from taskqueue.tasks import Delivery, Status, Task


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


def tokens(assigned: object) -> list[tuple[str, str]]:
    return [(consumer, d.token) for consumer, d in assigned]  # type: ignore[attr-defined]


def test_nothing_is_claimed_for_nobody() -> None:
    desk: Desk[str] = Desk(["default"], prefetch=5)

    assert desk.room("default") == 0


def test_there_is_room_for_the_free_slots_and_the_prefetch() -> None:
    desk: Desk[str] = Desk(["default"], prefetch=5)
    desk.sit("a", 2, ["default"])
    desk.sit("b", 1, ["default"])

    assert desk.room("default") == 8

    desk.add("default", [delivery("1"), delivery("2")])
    assert desk.room("default") == 6
    list(desk.assign())
    assert desk.room("default") == 6


def test_the_idlest_consumer_gets_the_next_delivery() -> None:
    desk: Desk[str] = Desk(["default"], prefetch=5)
    desk.sit("a", 1, ["default"])
    desk.sit("b", 3, ["default"])
    desk.add("default", [delivery(str(n)) for n in range(5)])

    assigned = tokens(desk.assign())

    assert assigned == [("b", "0"), ("b", "1"), ("a", "2"), ("b", "3")]
    assert desk.held == ("4", "2", "0", "1", "3")


def test_a_long_task_keeps_one_slot_and_nothing_else() -> None:
    desk: Desk[str] = Desk(["default"], prefetch=1)
    desk.sit("a", 1, ["default"])
    desk.sit("b", 1, ["default"])
    desk.add("default", [delivery(name) for name in ("long", "1", "2", "3")])
    list(desk.assign())

    order = []
    for token in ("1", "2", "3"):
        desk.finish("b", token)
        order += tokens(desk.assign())

    assert order == [("b", "2"), ("b", "3")]


def test_a_closed_consumer_gets_nothing_more_and_is_still_busy() -> None:
    desk: Desk[str] = Desk(["default"], prefetch=0)
    desk.sit("a", 2, ["default"])
    desk.add("default", [delivery("1")])
    list(desk.assign())

    desk.close("a")
    desk.add("default", [delivery("2")])

    assert tokens(desk.assign()) == []
    assert [d.token for d in desk.leave("a")] == ["1"]
    assert desk.leave("a") == ()


def test_a_consumer_sits_down_with_what_it_is_busy_with() -> None:
    desk: Desk[str] = Desk(["default"], prefetch=0)

    desk.sit("a", 2, ["default"], [delivery("old")])

    assert desk.room("default") == 1
    assert desk.held == ("old",)


def test_a_desk_that_is_shut_has_no_room_and_assigns_nothing() -> None:
    desk: Desk[str] = Desk(["default"], prefetch=5)
    desk.sit("a", 1, ["default"])
    desk.add("default", [delivery("1")])

    desk.shut()

    assert desk.room("default") == 0
    assert tokens(desk.assign()) == []
    assert [d.token for d in desk.clear_buffer()] == ["1"]


def test_lost_deliveries_leave_the_buffer_but_not_the_slots() -> None:
    desk: Desk[str] = Desk(["default"], prefetch=5)
    desk.sit("a", 1, ["default"])
    desk.add("default", [delivery("running"), delivery("lost"), delivery("kept")])
    list(desk.assign())

    desk.drop(["running", "lost"])

    assert desk.held == ("kept", "running")
    assert [d.token for d in desk.clear_buffer()] == ["kept"]
    assert desk.held == ("running",)


def test_finishing_what_nobody_knows_is_harmless() -> None:
    desk: Desk[str] = Desk(["default"], prefetch=5)
    desk.sit("a", 1, ["default"])

    desk.finish("a", "unknown")
    desk.finish("stranger", "unknown")

    assert desk.room("default") == 6
