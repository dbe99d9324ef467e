"""Requirements: a child is started only while the siblings that it requires run. Virtual time."""

import asyncio

import pytest
from structlog.testing import capture_logs

from taskqueue.errors import StartFailed
from taskqueue.runtime import NORMAL, SHUTDOWN, System
from taskqueue.supervision import (
    AlreadyPresent,
    Backoff,
    ChildNotFound,
    ChildRestarting,
    ChildSpec,
    DynamicSupervisor,
    InvalidSpec,
    RequirementsNotRunning,
    Restart,
    SimpleOneForOne,
    Strategy,
    check_childspecs,
    delete_child,
    overview,
    picture,
    restart_child,
    snapshot,
    start_child,
    terminate_child,
    which_child,
)

LONG = 1_000.0  # in virtual time
SLOWLY = Backoff(initial_s=5, jitter=0)


def named(child_id: str, *requires: str, **options: object) -> dict[str, object]:
    return {"id": child_id, "start": pytest.fail, "requires": list(requires), **options}


def fault_of(*specs: dict[str, object]) -> tuple[str, object]:
    with pytest.raises(InvalidSpec) as refused:
        check_childspecs(specs)
    return refused.value.tag, refused.value.value


# --- the specification ----------------------------------------------------------------------------


def test_children_may_require_those_before_them() -> None:
    check_childspecs([named("a"), named("b", "a"), named("c", "a", "b")])


@pytest.mark.parametrize(
    "specs",
    [(named("a", "b"), named("b")), (named("b", "b"),), (named("a"), named("b", "z"))],
    ids=["later", "itself", "unknown"],
)
def test_nobody_may_require_another_than_a_sibling_before_it(specs) -> None:
    assert fault_of(*specs)[0] == "invalid_requires"


def test_the_fault_names_both() -> None:
    assert fault_of(named("a"), named("b", "a", "z"))[1] == {"id": "b", "requires": "z"}


@pytest.mark.parametrize("wrong", ["a", ("a", ""), (3,), None], ids=str)
def test_what_is_no_list_of_ids_is_refused(wrong: object) -> None:
    assert fault_of(named("a"), named("b") | {"requires": wrong}) == ("invalid_requires", wrong)


def test_requirements_are_looked_at_after_all_that_otp_looks_at() -> None:
    assert fault_of(named("b", "z", shutdown=-1)) == ("invalid_shutdown", -1)
    assert fault_of(named("b", "z"), named("a"), named("a")) == ("duplicate_child_name", "a")


def test_a_one_shot_child_has_ended_before_anybody_could_require_it() -> None:
    once = {"one_shot": True, "restart": "transient"}

    assert fault_of(named("a", **once), named("b", "a"))[0] == "invalid_requires"
    assert fault_of(named("a"), named("b", "a", **once))[0] == "bad_combination"


async def test_dynamic_supervisors_have_no_siblings_to_require(system: System, dummy) -> None:
    spec = dummy("a").child(requires=("b",))
    children = await system.spawn(DynamicSupervisor, "children")

    with pytest.raises(InvalidSpec) as refused:
        await start_child(children, spec)
    with pytest.raises(StartFailed) as failed:
        await system.spawn(SimpleOneForOne, "instances", [spec])

    assert refused.value.tag == "invalid_requires"
    assert failed.value.cause.cause.value.tag == "invalid_requires"


# --- at the start ---------------------------------------------------------------------------------


async def test_list_order_is_still_start_order(supervised, abc, journal) -> None:
    a, b, c = abc
    root = await supervised.by(
        a.child(), b.child(), c.child(requires=("a",)), strategy=Strategy.ONE_FOR_ONE
    )

    assert journal.take() == ["a started", "b started", "c started"]
    assert await supervised.statuses(root) == dict.fromkeys("abc", "running")


async def test_a_child_whose_requirement_was_ignored_waits_and_the_start_goes_on(
    supervised, abc, journal
) -> None:
    a, b, c = abc
    a.ignored_starts = 1

    root = await supervised.by(a.child(), b.child(requires=("a",)), c.child())

    assert await supervised.statuses(root) == {"a": "stopped", "b": "restarting", "c": "running"}
    await restart_child(root, "a")
    await journal.wait_for("started", actor="b")
    assert await supervised.statuses(root) == dict.fromkeys("abc", "running")


async def test_a_requirement_that_died_during_the_start_is_waited_for(
    supervised, abc, dummy, journal
) -> None:
    a, b, c = abc
    b.hold_starts()
    start = asyncio.create_task(supervised.by(a.child(), b.child(), c.child(requires=("a",))))
    await journal.wait_for("starting", actor="b")
    a.crash()
    await a.life.ended()
    journal.take()

    b.release()
    root = await start
    await journal.wait_for("started", actor="c")

    assert journal.take() == ["b started", "a started", "c started"]
    assert await supervised.statuses(root) == dict.fromkeys("abc", "running")


# --- at a restart ---------------------------------------------------------------------------------


@pytest.fixture
async def apart(supervised, abc):
    """`b` and `c` require `a`, which has crashed and is restarted after 5 s; returns their root."""
    a, b, c = abc
    root = await supervised.by(
        a.child(backoff=SLOWLY), b.child(requires=("a",)), c.child(requires=("a",))
    )
    a.crash()
    await a.life.ended()
    return root


async def test_who_runs_is_left_alone_when_its_requirement_goes_down(
    apart, abc, supervised
) -> None:
    _, b, c = abc
    statuses = {"a": "restarting", "b": "running", "c": "running"}

    assert await supervised.statuses(apart) == statuses
    await asyncio.sleep(LONG)

    assert b.life.is_alive()
    assert c.life.is_alive()
    assert (await which_child(apart, "b")).incarnation == 1


async def test_who_ends_meanwhile_waits_and_starts_in_start_order(
    apart, abc, supervised, journal, clock
) -> None:
    _, b, c = abc
    c.crash()
    b.crash()
    await b.life.ended()
    crashed_at = clock.now()
    statuses = await supervised.statuses(apart)
    journal.take()

    await journal.wait_for("started", actor="c", nth=2, timeout_s=LONG)

    assert statuses == dict.fromkeys("abc", "restarting")
    assert journal.take() == ["a started", "b started", "c started"]
    assert clock.now() - crashed_at == 5
    assert await supervised.statuses(apart) == dict.fromkeys("abc", "running")


async def test_what_it_waits_for_is_shown_and_reported(apart, abc) -> None:
    _, b, _ = abc
    with capture_logs() as reports:
        b.crash("oops")
        await b.life.ended()
        state = await which_child(apart, "b")

    assert (state.status, state.waits_for, state.restart_in_s) == ("restarting", ("a",), None)
    assert "├─ b  waits for a  incarnation 1  last exit: oops" in picture(await snapshot(apart))
    [waiting] = [each for each in reports if each["event"] == "child_waiting"]
    assert waiting == {
        "event": "child_waiting",
        "log_level": "warning",
        "supervisor": "root",
        "child_id": "b",
        "pid": "restarting",
        "reason": "oops",
        "restart": "permanent",
        "incarnation": 1,
        "waits_for": ("a",),
    }


async def test_the_restart_counts_once_however_long_it_waits(apart, abc, journal) -> None:
    _, b, _ = abc
    b.crash()
    await b.life.ended()
    counted = (await overview(apart)).restarts_in_period

    await journal.wait_for("started", actor="b", nth=2, timeout_s=LONG)

    assert counted == 1  # that of `a` waits in a backoff that still grows
    assert (await overview(apart)).restarts_in_period == 1


async def test_a_requirement_that_fails_again_is_waited_for_further(
    apart, abc, journal, supervised
) -> None:
    a, b, _ = abc
    a.failed_starts = 1
    b.crash()

    await journal.wait_for("failed", actor="a", timeout_s=LONG)
    assert (await which_child(apart, "b")).waits_for == ("a",)

    await journal.wait_for("started", actor="b", nth=2, timeout_s=LONG)
    assert await supervised.statuses(apart) == dict.fromkeys("abc", "running")


async def test_who_requires_several_waits_for_all_of_them(supervised, abc, journal) -> None:
    a, b, c = abc
    slower = Backoff(initial_s=9, jitter=0)
    root = await supervised.by(
        a.child(backoff=SLOWLY), b.child(backoff=slower), c.child(requires=("a", "b"))
    )
    for each in (a, b, c):
        each.crash()
        await each.life.ended()

    before = (await which_child(root, "c")).waits_for
    await journal.wait_for("started", actor="a", nth=2, timeout_s=LONG)
    between = (await which_child(root, "c")).waits_for
    await journal.wait_for("started", actor="c", nth=2, timeout_s=LONG)

    assert (before, between) == (("a", "b"), ("b",))
    assert (await which_child(root, "b")).status == "running"
    assert (await which_child(root, "c")).waits_for == ()


async def test_a_start_that_fails_after_the_wait_is_a_failed_restart(
    apart, abc, journal, supervised
) -> None:
    _, b, _ = abc
    b.failed_starts = 1
    b.crash()

    await journal.wait_for("started", actor="b", nth=2, timeout_s=LONG)

    assert len(journal.select("failed", actor="b")) == 1
    assert await supervised.statuses(apart) == dict.fromkeys("abc", "running")


async def test_its_own_backoff_comes_first(supervised, abc, journal, clock) -> None:
    a, b, _ = abc
    root = await supervised.by(
        a.child(backoff=SLOWLY), b.child(requires=("a",), backoff=Backoff(initial_s=2, jitter=0))
    )
    a.crash()
    await a.life.ended()
    b.crash()
    await b.life.ended()
    crashed_at = clock.now()

    state = await which_child(root, "b")
    assert (state.restart_in_s, state.waits_for) == (2, ())
    await asyncio.sleep(3)
    assert (await which_child(root, "b")).waits_for == ("a",)

    await journal.wait_for("started", actor="b", nth=2, timeout_s=LONG)
    assert clock.now() - crashed_at == 5


async def test_the_dead_do_not_run_even_if_their_supervisor_has_not_heard(
    supervised, abc, journal
) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(), b.child(requires=("a",)))
    b.crash()
    a.crash()  # the exit signal of `b` is the first to arrive, but then both are dead
    await a.life.ended()
    journal.take()

    await journal.wait_for("started", actor="b", nth=2)

    assert journal.take() == ["a started", "b started"]
    assert await supervised.statuses(root) == {"a": "running", "b": "running"}


# --- the child API --------------------------------------------------------------------------------


async def test_terminate_child_ends_the_waiting(apart, abc, supervised, journal) -> None:
    _, b, _ = abc
    b.crash()
    await b.life.ended()
    with pytest.raises(ChildRestarting):
        await restart_child(apart, "b")

    await terminate_child(apart, "b")
    await asyncio.sleep(LONG)

    assert await supervised.statuses(apart) == {"a": "running", "b": "stopped", "c": "running"}
    assert len(journal.select("started", actor="b")) == 1


async def test_who_waits_does_not_delay_the_stop(apart, abc, clock) -> None:
    _, b, _ = abc
    b.crash()
    await b.life.ended()
    next_at = clock.now()

    apart.exit(SHUTDOWN)

    assert await apart.ended() == SHUTDOWN
    assert clock.now() == next_at


async def test_restart_child_says_who_does_not_run_and_changes_nothing(apart, supervised) -> None:
    await terminate_child(apart, "b")

    with pytest.raises(RequirementsNotRunning) as refused:
        await restart_child(apart, "b")

    assert (refused.value.child_id, refused.value.missing) == ("b", ("a",))
    assert refused.value.tag == "requirements_not_running"
    assert await supervised.statuses(apart) == {"a": "restarting", "b": "stopped", "c": "running"}


async def test_start_child_says_who_does_not_run_and_keeps_nothing(apart, dummy) -> None:
    d = dummy("d")

    with pytest.raises(RequirementsNotRunning) as refused:
        await start_child(apart, d.child(requires=("c", "a")))

    assert refused.value.missing == ("a",)
    with pytest.raises(ChildNotFound):
        await which_child(apart, "d")


async def test_start_child_knows_whom_it_may_require(apart, abc, dummy) -> None:
    _, b, _ = abc
    with pytest.raises(InvalidSpec) as refused:
        await start_child(apart, dummy("d").child(requires=("z",)))
    with pytest.raises(AlreadyPresent):
        await start_child(apart, dummy("a").child())

    ref = await start_child(apart, dummy("d").child(requires=("b",)))

    assert (refused.value.tag, refused.value.value) == (
        "invalid_requires",
        {"id": "d", "requires": "z"},
    )
    assert ref.is_alive()
    assert b.life.is_alive()


async def test_a_requirement_may_be_terminated_deleted_and_started_anew(
    supervised, abc, journal
) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(), b.child(requires=("a",)))
    await terminate_child(root, "a")
    await delete_child(root, "a")
    assert b.life.is_alive()
    b.crash()
    await b.life.ended()
    assert (await which_child(root, "b")).waits_for == ("a",)

    await start_child(root, a.child())
    await journal.wait_for("started", actor="b", nth=2)

    assert await supervised.statuses(root) == {"b": "running", "a": "running"}


async def test_a_requirement_that_ended_for_good_is_waited_for_until_it_is_started_by_hand(
    supervised, abc, journal
) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(restart=Restart.TRANSIENT), b.child(requires=("a",)))
    a.end(NORMAL)
    await a.life.ended()
    b.crash()
    await asyncio.sleep(LONG)
    assert await supervised.statuses(root) == {"a": "stopped", "b": "restarting"}

    await restart_child(root, "a")
    await journal.wait_for("started", actor="b", nth=2)

    assert await supervised.statuses(root) == {"a": "running", "b": "running"}


# --- groups ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
async def test_a_group_finds_its_requirements_running(
    supervised, abc, journal, strategy: Strategy
) -> None:
    a, b, c = abc
    root = await supervised.by(
        *(a.child(), b.child(requires=("a",)), c.child(requires=("b",))), strategy=strategy
    )
    journal.take()

    a.crash()
    await journal.wait_for("started", actor="c", nth=2)

    assert journal.take()[-3:] == ["a started", "b started", "c started"]
    assert await supervised.statuses(root) == dict.fromkeys("abc", "running")


async def test_a_group_goes_on_without_a_member_that_waits(supervised, abc, journal) -> None:
    a, b, c = abc
    root = await supervised.by(
        *(a.child(), b.child(requires=("a",)), c.child()), strategy=Strategy.ONE_FOR_ALL
    )
    a.ignored_starts = 1

    c.crash()
    await journal.wait_for("started", actor="c", nth=2)

    assert await supervised.statuses(root) == {"a": "stopped", "b": "restarting", "c": "running"}
    await restart_child(root, "a")
    await journal.wait_for("started", actor="b", nth=2)
    assert await supervised.statuses(root) == dict.fromkeys("abc", "running")
    assert len(journal.select("started", actor="c")) == 2


async def test_the_restart_of_a_group_takes_a_member_that_waits_with_it(
    supervised, abc, journal
) -> None:
    a, b, c = abc
    root = await supervised.by(
        *(a.child(), b.child(requires=("a",)), c.child()), strategy=Strategy.REST_FOR_ONE
    )
    b.crash()
    a.crash()  # `b` waits, `c` is started without it, and then all are restarted
    await journal.wait_for("started", actor="c", nth=3)

    assert await supervised.statuses(root) == dict.fromkeys("abc", "running")
    assert len(journal.select("started", actor="b")) == 2


def test_a_specification_requires_nobody_unless_it_says_so() -> None:
    assert ChildSpec(id="a", start=pytest.fail).requires == ()
