"""Cases 78 to 80: the child API while a child's restart fails again and again."""

import pytest

from taskqueue.runtime import SHUTDOWN
from taskqueue.supervision import (
    ChildStatus,
    Strategy,
    delete_child,
    restart_child,
    start_child,
    terminate_child,
    which_child,
)
from tests.otp.conformance.support import FOR_EVER, counts, instances, refusal, start_all


@pytest.fixture(autouse=True)
def let_starts_work_again(abc):
    """End every loop before the system is closed."""
    yield
    for each in abc:
        each.failed_starts = 0


async def test_hanging_restart_loop(supervised, abc, journal) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(), max_restarts=FOR_EVER)
    a.failed_starts = FOR_EVER
    a.crash()
    await journal.wait_for("failed", actor="a")

    assert await refusal(start_child(root, a.child())) == "already_present"
    assert await refusal(restart_child(root, "a")) == "restarting"
    assert await refusal(delete_child(root, "a")) == "restarting"
    assert await supervised.statuses(root) == {"a": "restarting"}
    assert await counts(root) == [1, 0, 0, 1]
    await terminate_child(root, "a")
    assert await supervised.statuses(root) == {"a": "stopped"}

    a.failed_starts = 0
    assert await restart_child(root, "a") is a.life
    attempts = len(journal.select("failed", actor="a"))
    a.failed_starts = FOR_EVER
    a.crash()
    await journal.wait_for("failed", actor="a", nth=attempts + 1)
    root.exit(SHUTDOWN)
    assert await root.ended() == SHUTDOWN


async def test_hanging_restart_loop_rest_for_one(supervised, abc, journal) -> None:
    a, b, c = abc
    root = await supervised.by(
        *(a.child(), b.child(), c.child()),
        strategy=Strategy.REST_FOR_ONE,
        max_restarts=FOR_EVER,
    )
    first = a.life
    b.failed_starts = FOR_EVER
    b.crash()
    await journal.wait_for("failed", actor="b")

    assert await refusal(start_child(root, b.child())) == "already_present"
    assert await refusal(restart_child(root, "b")) == "restarting"
    assert await refusal(delete_child(root, "b")) == "restarting"
    assert await supervised.statuses(root) == {"a": "running", "b": "restarting", "c": "stopped"}
    assert await counts(root) == [3, 1, 0, 3]
    await terminate_child(root, "b")
    assert await supervised.statuses(root) == {"a": "running", "b": "stopped", "c": "stopped"}
    assert a.life is first

    b.failed_starts = 0
    await restart_child(root, "b")
    assert await supervised.statuses(root) == {"a": "running", "b": "running", "c": "stopped"}
    attempts = len(journal.select("failed", actor="b"))
    b.failed_starts = FOR_EVER
    b.crash()
    await journal.wait_for("failed", actor="b", nth=attempts + 1)
    root.exit(SHUTDOWN)
    assert await root.ended() == SHUTDOWN


async def test_hanging_restart_loop_simple(instances_of, abc, journal) -> None:
    a, b, _ = abc
    root = await instances_of(max_restarts=FOR_EVER)
    await start_all(root, a, b)
    dead = a.life
    a.failed_starts = FOR_EVER
    a.crash()
    await journal.wait_for("failed", actor="a")

    assert (await which_child(root, dead)).status == ChildStatus.RESTARTING
    assert await instances(root) == {None, b.life}
    assert await counts(root) == [1, 1, 0, 2]
    await terminate_child(root, dead)
    assert await instances(root) == {b.life}
    assert await counts(root) == [1, 1, 0, 1]

    b.failed_starts = FOR_EVER
    b.crash()
    await journal.wait_for("failed", actor="b")
    root.exit(SHUTDOWN)
    assert await root.ended() == SHUTDOWN
