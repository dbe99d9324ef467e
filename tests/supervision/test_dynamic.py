"""Dynamic supervisors: instances of a template, and children that bring their specifications."""

import asyncio
import gc
import weakref
from functools import partial

import pytest
from structlog.testing import capture_logs

from taskqueue.errors import StartFailed
from taskqueue.runtime import (
    NORMAL,
    SHUTDOWN,
    Actor,
    ActorRef,
    Crash,
    Shutdown,
    resume,
    suspend,
)
from taskqueue.supervision import (
    BRUTAL_KILL,
    AutoShutdown,
    ChildNotFound,
    ChildSpec,
    ChildStartFailed,
    ChildStatus,
    ChildType,
    Counts,
    DynamicSupervisor,
    Flags,
    Intensity,
    InvalidSpec,
    MaxChildren,
    OnlyInstances,
    Restart,
    SimpleOneForOne,
    Started,
    Strategy,
    Supervisor,
    count_children,
    delete_child,
    find,
    get_childspec,
    overview,
    restart_child,
    snapshot,
    start_child,
    start_instance,
    terminate_child,
    which_child,
    which_children,
)
from taskqueue.testing.actors import Dummy, TrappingCrashTest

PATIENT = Intensity(max_restarts=10)


async def play(dummy: Dummy) -> ActorRef:
    return await dummy.start()


def simple(auto_shutdown: AutoShutdown = AutoShutdown.NEVER, max_restarts: int = 10) -> Flags:
    return Flags(
        strategy=Strategy.SIMPLE_ONE_FOR_ONE,
        intensity=Intensity(max_restarts=max_restarts),
        auto_shutdown=auto_shutdown,
    )


@pytest.fixture
def instances_of(system, clock):
    """Start a supervisor whose instances are dummies."""

    async def start(flags: Flags | None = None, **options: object) -> ActorRef:
        template = ChildSpec(id="dummy", start=play, **options)
        return await system.spawn(SimpleOneForOne, "root", [template], flags or simple(), clock)

    return start


@pytest.fixture
def dynamic(system, clock):
    async def start(**options: object) -> ActorRef:
        flags = Flags(intensity=PATIENT)
        return await system.spawn(DynamicSupervisor, "root", flags, clock=clock, **options)

    return start


async def refs(root: ActorRef) -> set[ActorRef | None]:
    return {state.ref for state in await which_children(root)}


async def counts(root: ActorRef) -> tuple[int, int, int, int]:
    got: Counts = await count_children(root)
    return got.specs, got.active, got.supervisors, got.workers


# --- instances come and go ------------------------------------------------------------------------


async def test_an_instance_is_started_with_its_arguments_and_again_at_each_restart(
    instances_of, abc, journal
) -> None:
    a, b, _ = abc
    root = await instances_of()
    await start_instance(root, a)
    await start_instance(root, b)

    a.crash()
    await journal.wait_for("started", actor="a", nth=2)

    assert await refs(root) == {a.life, b.life}
    assert journal.take() == [
        *("a started", "b started", "a stopping", "a ended", "a started"),
    ]


async def test_instances_have_no_ids(instances_of, abc) -> None:
    root = await instances_of()
    await start_instance(root, abc[0])

    [state] = await which_children(root)

    assert (state.id, state.spec.id, state.type) == (None, "dummy", ChildType.WORKER)
    assert await which_child(root, abc[0].life) == state


@pytest.mark.parametrize("restart", [Restart.TRANSIENT, Restart.TEMPORARY])
async def test_an_instance_that_ended_for_good_is_gone(instances_of, abc, restart) -> None:
    a, b, _ = abc
    root = await instances_of(restart=restart)
    await start_instance(root, a)
    await start_instance(root, b)

    a.end(NORMAL)
    await a.life.ended()

    assert await refs(root) == {b.life}
    assert await counts(root) == (1, 1, 0, 1)


@pytest.mark.parametrize("restart", Restart)
async def test_an_ignored_instance_is_never_kept(instances_of, abc, restart: Restart) -> None:
    a, _, _ = abc
    a.ignored_starts = 1
    root = await instances_of(restart=restart)

    assert await start_instance(root, a) is None

    assert await counts(root) == (1, 0, 0, 0)


async def test_an_instance_whose_restart_is_ignored_is_gone_and_the_stop_is_orderly(
    instances_of, abc, journal
) -> None:
    a, b, _ = abc
    root = await instances_of()
    await start_instance(root, a)
    await start_instance(root, b)
    a.ignored_starts = 1

    a.crash()
    await journal.wait_for("ignored", actor="a")

    assert await refs(root) == {b.life}
    root.exit(SHUTDOWN)
    assert await root.ended() == SHUTDOWN


async def test_a_start_that_fails_is_an_answer_without_a_specification(instances_of, abc) -> None:
    a, _, _ = abc
    a.failed_starts = 1
    root = await instances_of()

    with pytest.raises(ChildStartFailed) as failed:
        await start_instance(root, a)

    assert (failed.value.reason, failed.value.spec) == (a.start_error, None)
    assert await counts(root) == (1, 0, 0, 0)


async def test_extra_information_is_handed_through(system, abc) -> None:
    async def start(dummy: Dummy) -> Started:
        return Started(await dummy.start(), info="extra")

    root = await system.spawn(SimpleOneForOne, "root", [{"id": "dummy", "start": start}])

    assert await start_instance(root, abc[0]) == Started(abc[0].life, "extra")


class Argument:
    """Something big."""


async def play_with(dummy: Dummy, _: Argument) -> ActorRef:
    return await dummy.start()


async def an_instance(system, dummy: Dummy, argument: Argument) -> ActorRef:
    template = ChildSpec(id="dummy", start=play_with, restart=Restart.TEMPORARY)
    root = await system.spawn(SimpleOneForOne, "root", [template])
    await start_instance(root, dummy, argument)
    return root


async def a_child(system, dummy: Dummy, argument: Argument) -> ActorRef:
    start = partial(play_with, dummy, argument)
    spec = ChildSpec(id="dummy", start=start, restart=Restart.TEMPORARY)
    return await system.spawn(Supervisor, "root", [spec])


async def an_added_child(system, dummy: Dummy, argument: Argument) -> ActorRef:
    root = await system.spawn(DynamicSupervisor, "root")
    start = partial(play_with, dummy, argument)
    await start_child(root, ChildSpec(id="dummy", start=start, restart=Restart.TEMPORARY))
    return root


@pytest.mark.parametrize("start", [an_instance, a_child, an_added_child])
async def test_what_a_temporary_child_was_started_with_is_not_kept(system, abc, start) -> None:
    argument = Argument()
    kept = weakref.ref(argument)

    root = await start(system, abc[0], argument)
    del argument
    await count_children(root)  # the message before is let go when the next one is taken
    gc.collect()

    assert abc[0].life.is_alive()
    assert kept() is None


async def test_all_instances_share_one_limit(instances_of, abc, journal) -> None:
    a, b, c = abc
    root = await instances_of(simple(max_restarts=1))
    for each in abc:
        await start_instance(root, each)

    a.crash()
    await journal.wait_for("started", actor="a", nth=2)
    b.crash()

    assert await root.ended() == SHUTDOWN
    assert not any(each.life.is_alive() for each in (a, b, c))


async def test_it_shuts_itself_down_when_the_last_significant_instance_has_ended(
    instances_of, abc
) -> None:
    a, b, _ = abc
    flags = simple(AutoShutdown.ALL_SIGNIFICANT)
    root = await instances_of(flags, restart=Restart.TEMPORARY, significant=True)
    await start_instance(root, a)
    await start_instance(root, b)

    a.end(NORMAL)
    await a.life.ended()
    assert await counts(root) == (1, 1, 0, 1)
    b.crash()

    assert await root.ended() == SHUTDOWN


# --- an instance that waits for a restart attempt -------------------------------------------------


@pytest.fixture
async def waiting(instances_of, abc):
    """Return a supervisor that is suspended before its second attempt to restart `a`."""
    a, b, _ = abc
    root = await instances_of()
    await start_instance(root, a)
    await start_instance(root, b)
    a.failed_starts = 2
    dead = a.life

    await suspend(root)
    a.crash()
    await dead.ended()
    return root


async def asked(root: ActorRef, *calls: object) -> list[object]:
    """Put calls into the mailbox of a suspended supervisor, then let it go on."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    await asyncio.sleep(0)  # each puts its message
    await resume(root)
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_instance_that_waits_is_listed_but_not_active(waiting, abc, journal) -> None:
    states, count = await asked(waiting, which_children(waiting), count_children(waiting))

    assert {state.status for state in states} == {ChildStatus.RUNNING, ChildStatus.RESTARTING}
    assert count == Counts(specs=1, active=1, supervisors=0, workers=2)
    await journal.wait_for("started", actor="a", nth=2)
    assert await counts(waiting) == (1, 2, 0, 2)


async def test_an_instance_that_waits_is_terminated_by_its_old_reference(
    waiting, abc, journal
) -> None:
    a, b, _ = abc
    dead = a.life

    spec, terminated = await asked(
        waiting, get_childspec(waiting, dead), terminate_child(waiting, dead)
    )

    assert (spec.id, terminated) == ("dummy", None)
    assert await refs(waiting) == {b.life}
    assert len(journal.select("failed", actor="a")) == 1


async def test_active_stays_exact_after_an_instance_that_waited_was_terminated(
    waiting, abc
) -> None:
    await asked(waiting, terminate_child(waiting, abc[0].life))

    assert await counts(waiting) == (1, 1, 0, 1)


# --- the child API of instances -------------------------------------------------------------------


async def test_an_instance_is_terminated_by_reference_and_gone(instances_of, abc) -> None:
    a, b, _ = abc
    root = await instances_of()
    await start_instance(root, a)
    await start_instance(root, b)

    await terminate_child(root, a.life)

    assert await a.life.ended() == SHUTDOWN
    assert await refs(root) == {b.life}


async def test_whoever_is_dead_has_been_terminated_but_a_living_stranger_is_not_found(
    instances_of, system, abc
) -> None:
    root = await instances_of()
    await start_instance(root, abc[0])
    stranger = await system.spawn(Actor)

    await terminate_child(root, abc[0].life)
    await terminate_child(root, abc[0].life)
    with pytest.raises(ChildNotFound):
        await terminate_child(root, stranger)

    assert stranger.is_alive()
    stranger.kill()
    await stranger.ended()
    await terminate_child(root, stranger)


@pytest.mark.parametrize("call", [terminate_child, restart_child, delete_child, which_child])
async def test_nothing_is_done_to_an_instance_by_id(instances_of, call) -> None:
    root = await instances_of()

    with pytest.raises(OnlyInstances) as refused:
        await call(root, "dummy")

    assert refused.value.tag == "simple_one_for_one"


@pytest.mark.parametrize("call", [restart_child, delete_child])
async def test_no_instance_is_restarted_or_deleted_by_reference(instances_of, abc, call) -> None:
    root = await instances_of()
    await start_instance(root, abc[0])

    with pytest.raises(OnlyInstances):
        await call(root, abc[0].life)

    assert abc[0].life.is_alive()


async def test_the_template_is_got_by_its_id_by_an_instance_or_by_the_dead(
    instances_of, system, abc
) -> None:
    root = await instances_of(shutdown=BRUTAL_KILL, restart=Restart.TRANSIENT)
    await start_instance(root, abc[0])
    stranger = await system.spawn(Actor)

    template = await get_childspec(root, "dummy")

    assert (template.start, template.shutdown) == (play, BRUTAL_KILL)
    assert await get_childspec(root, abc[0].life) == template
    for nobody in ("other", stranger):
        with pytest.raises(ChildNotFound):
            await get_childspec(root, nobody)
    stranger.kill()
    await stranger.ended()
    assert await get_childspec(root, stranger) == template


async def test_instances_count_by_the_declared_type(instances_of, abc) -> None:
    root = await instances_of(type=ChildType.SUPERVISOR)
    await start_instance(root, abc[0])
    await start_instance(root, abc[1])

    assert await counts(root) == (1, 2, 2, 0)


async def test_a_specification_and_an_instance_are_not_taken_for_each_other(
    instances_of, supervised, abc, system
) -> None:
    root = await instances_of()
    static = await system.spawn(Supervisor, "static", [])

    with pytest.raises(OnlyInstances):
        await start_child(root, abc[0].child())
    with pytest.raises(InvalidSpec):
        await start_instance(static, abc[0])

    assert root.is_alive()
    assert static.is_alive()


# --- stop -----------------------------------------------------------------------------------------


async def test_all_instances_are_told_to_stop_at_the_same_time(
    instances_of, dummy, journal
) -> None:
    dummies = [dummy(name, TrappingCrashTest) for name in "abc"]
    root = await instances_of(shutdown=float("inf"))
    for each in dummies:
        await start_instance(root, each)
    dummies[1].stall()
    await journal.wait_for("stalling", actor="b")

    root.exit(SHUTDOWN)
    await journal.wait_for("ended", actor="a")
    await journal.wait_for("ended", actor="c")

    assert root.is_alive()
    dummies[1].release()
    assert await root.ended() == SHUTDOWN


async def test_failures_of_a_common_stop_are_reported_by_reason(
    instances_of, dummy, journal
) -> None:
    dummies = [dummy(name, TrappingCrashTest) for name in "abcde"]
    root = await instances_of(shutdown=0.01)
    for each in dummies:
        await start_instance(root, each)
    dummies[0].last_words = dummies[1].last_words = Crash("boom")
    dummies[2].last_words = NORMAL
    dummies[3].stall()
    await journal.wait_for("stalling", actor="d")

    with capture_logs() as reports:
        root.exit(SHUTDOWN)
        await root.ended()

    failures = [each for each in reports if each["event"] == "child_stop_failed"]
    assert [(each["reason"], each["nb_children"]) for each in failures] == [
        *(("boom", 2), ("killed", 1), ("normal", 1)),
    ]
    assert {(each["child_id"], each["context"]) for each in failures} == {
        ("dummy", "shutdown_error")
    }


async def test_instances_make_no_progress_reports_but_crashes_are_reported(
    instances_of, abc, journal
) -> None:
    a, _, _ = abc
    root = await instances_of()

    with capture_logs() as reports:
        await start_instance(root, a)
        dead = a.life
        a.crash("oops")
        await journal.wait_for("started", actor="a", nth=2)
        await overview(root)

    told = [(each["event"], each["pid"]) for each in reports if "child_id" in each]
    assert told == [("child_terminated", dead.actor_urn), ("child_restarted", a.life.actor_urn)]


# --- start ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("children", [[], ["a", "b"]])
async def test_there_is_exactly_one_template(system, dummy, children: list[str]) -> None:
    specs = [dummy(name).child() for name in children]

    with pytest.raises(StartFailed) as failed:
        await system.spawn(SimpleOneForOne, "root", specs)

    fault = failed.value.cause.cause
    assert (fault.tag, fault.value) == ("bad_start_spec", specs)


@pytest.mark.parametrize(
    ("kind", "arguments", "strategy"),
    [
        (SimpleOneForOne, ([],), Strategy.ONE_FOR_ONE),
        (DynamicSupervisor, (), Strategy.ONE_FOR_ALL),
        (Supervisor, ([],), Strategy.SIMPLE_ONE_FOR_ONE),
    ],
)
async def test_each_kind_of_supervisor_knows_its_strategies(
    system, kind: type, arguments: tuple[object, ...], strategy: Strategy
) -> None:
    with pytest.raises(StartFailed) as failed:
        await system.spawn(kind, "root", *arguments, Flags(strategy=strategy))

    assert failed.value.cause.cause.tag == "supervisor_data"
    assert failed.value.cause.cause.value.tag == "invalid_strategy"


# --- children that bring their specifications -----------------------------------------------------


async def test_each_child_brings_its_own_specification_and_ids_may_repeat(
    dynamic, abc, journal
) -> None:
    a, b, c = abc
    root = await dynamic()
    await start_child(root, ChildSpec(id="same", start=a.start))
    await start_child(root, ChildSpec(id="same", start=b.start, restart=Restart.TEMPORARY))
    await start_child(root, {"id": "same", "start": c.start, "type": "supervisor"})

    a.crash()
    b.crash()
    await journal.wait_for("started", actor="a", nth=2)
    await b.life.ended()

    assert await refs(root) == {a.life, c.life}
    assert await counts(root) == (2, 2, 1, 1)
    assert (await get_childspec(root, c.life)).shutdown == float("inf")


async def test_there_are_at_most_max_children_and_a_place_is_free_again(dynamic, abc) -> None:
    a, b, c = abc
    root = await dynamic(max_children=2)
    await start_child(root, a.child())
    await start_child(root, b.child())

    with pytest.raises(MaxChildren) as full:
        await start_child(root, c.child())
    await terminate_child(root, a.life)

    assert (full.value.tag, full.value.max_children) == ("max_children", 2)
    assert await start_child(root, c.child()) is c.life


async def test_who_waits_for_a_restart_attempt_keeps_its_place(dynamic, abc, journal) -> None:
    a, b, _ = abc
    root = await dynamic(max_children=1)
    await start_child(root, a.child())
    a.failed_starts = 2
    dead = a.life
    await suspend(root)
    a.crash()
    await dead.ended()

    [refused] = await asked(root, start_child(root, b.child()))

    assert isinstance(refused, MaxChildren)
    await journal.wait_for("started", actor="a", nth=2)
    assert await refs(root) == {a.life}


async def test_a_dead_child_is_not_found(dynamic, abc) -> None:
    root = await dynamic()
    await start_child(root, abc[0].child(restart=Restart.TEMPORARY))
    abc[0].crash()
    await abc[0].life.ended()

    for call in (terminate_child, get_childspec, which_child):
        with pytest.raises(ChildNotFound):
            await call(root, abc[0].life)


async def test_each_child_is_stopped_within_its_own_limit(dynamic, dummy, journal) -> None:
    a, b = dummy("a", TrappingCrashTest), dummy("b", TrappingCrashTest)
    root = await dynamic()
    await start_child(root, a.child(shutdown=0.01))
    await start_child(root, b.child(shutdown=float("inf")))
    a.stall()
    b.stall()
    await journal.wait_for("stalling", actor="b")

    with capture_logs() as reports:
        root.exit(SHUTDOWN)
        await a.life.ended()
        b.release()
        await root.ended()

    stops = {each["child_id"]: each["reason"] for each in reports if "child_id" in each}
    assert stops == {"a": "killed", "b": "shutdown"}


async def test_nobody_is_significant_there(dynamic, abc, system) -> None:
    root = await dynamic()

    with pytest.raises(InvalidSpec):
        await start_child(root, abc[0].child(restart=Restart.TEMPORARY, significant=True))
    with pytest.raises(StartFailed) as failed:
        await system.spawn(DynamicSupervisor, "other", {"auto_shutdown": "any_significant"})

    assert failed.value.cause.cause.value.tag == "invalid_auto_shutdown"


# --- in the picture -------------------------------------------------------------------------------


async def test_instances_are_found_by_their_labels(instances_of, abc) -> None:
    root = await instances_of()
    ref = await start_instance(root, abc[0])

    node = await snapshot(root)

    [child] = node.children
    assert (child.id, child.status) == (ref.label, "running")
    assert await find(root, child.path) is ref


async def test_an_escalation_reaches_the_parent(system, clock, abc, journal) -> None:
    a, _, _ = abc

    async def start() -> ActorRef:
        template = ChildSpec(id="dummy", start=play)
        return await SimpleOneForOne.start_link("sub", [template], simple(max_restarts=0), clock)

    sub = ChildSpec(id="sub", start=start, type=ChildType.SUPERVISOR)
    root = await system.spawn(Supervisor, "root", [sub], Flags(intensity=PATIENT), clock)
    first = system.names.whereis("sub")
    await start_instance(first, a)

    a.crash()

    assert await first.ended() == Shutdown()
    assert (await overview(root)).restarts_in_period == 1
    assert await counts(system.names.whereis("sub")) == (1, 0, 0, 0)
