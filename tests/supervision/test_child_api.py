"""The child API: OTP's answers, to the word."""

import asyncio

import pytest

from taskqueue.errors import ActorUnavailable, StartFailed
from taskqueue.runtime import (
    NORMAL,
    SHUTDOWN,
    Actor,
    ActorRef,
    Crash,
    ExitReason,
    NameTaken,
    System,
    resume,
    suspend,
)
from taskqueue.supervision import (
    AlreadyPresent,
    AlreadyStarted,
    AutoShutdown,
    ChildNotFound,
    ChildRunning,
    ChildSpec,
    ChildStartFailed,
    ChildType,
    Counts,
    InvalidSpec,
    Restart,
    Started,
    count_children,
    delete_child,
    get_childspec,
    overview,
    restart_child,
    start_child,
    terminate_child,
    which_child,
    which_children,
)


@pytest.fixture
async def root(supervised, abc):
    a, b, _ = abc
    return await supervised.by(a.child(), b.child())


# --- start_child ----------------------------------------------------------------------------------


@pytest.fixture
async def named(system: System):
    """A specification of an actor called `printer`, and somebody outside who has that name."""

    class Printer(Actor):
        registered_name = "printer"

    holder = await system.spawn(Printer)
    return ChildSpec(id="printer", start=Printer.start_link), holder


def holder_in(reason: ExitReason) -> ActorRef:
    """Return whose name it was, as a failed start tells it: OTP's `{already_started, Pid}`."""
    assert isinstance(reason, Crash)
    assert isinstance(reason.cause, NameTaken)
    return reason.cause.holder


async def test_a_start_fails_whose_name_somebody_outside_has(root, named, system) -> None:
    spec, holder = named

    with pytest.raises(ChildStartFailed) as failed:
        await start_child(root, spec)

    assert holder_in(failed.value.reason) is holder
    assert system.names.whereis("printer") is holder
    with pytest.raises(ChildNotFound):
        await which_child(root, "printer")


async def test_a_supervisor_fails_to_start_if_somebody_outside_has_the_name_of_a_child(
    supervised, named, abc, system
) -> None:
    spec, holder = named

    with pytest.raises(StartFailed) as failed:
        await supervised.by(abc[0].child(), spec)

    assert holder_in(failed.value.cause.detail.reason) is holder
    assert system.actors == (holder,)


async def test_a_name_that_is_free_again_lets_the_child_start(root, named, system) -> None:
    spec, holder = named
    with pytest.raises(ChildStartFailed):
        await start_child(root, spec)
    holder.exit(SHUTDOWN)
    await holder.ended()

    ref = await start_child(root, spec)

    assert system.names.whereis("printer") is ref


async def test_start_child_adds_at_the_end_and_returns_the_actor(root, supervised, abc) -> None:
    c = abc[2]

    ref = await start_child(root, c.child())

    assert ref is c.life
    assert [*await supervised.statuses(root)] == ["a", "b", "c"]


async def test_start_child_of_an_id_that_runs_answers_who_it_is(root, abc, dummy) -> None:
    with pytest.raises(AlreadyStarted) as present:
        await start_child(root, dummy("a").child(restart=Restart.TEMPORARY))

    assert present.value.ref is abc[0].life
    assert (await overview(root)).children[0].spec.restart == Restart.PERMANENT


async def test_start_child_of_an_id_that_does_not_run_changes_nothing(root, dummy) -> None:
    await terminate_child(root, "a")

    with pytest.raises(AlreadyPresent):
        await start_child(root, dummy("a").child(restart=Restart.TEMPORARY))

    assert (await overview(root)).children[0].spec.restart == Restart.PERMANENT


async def test_a_start_that_fails_is_an_answer_and_nothing_is_kept(
    root, supervised, abc, journal
) -> None:
    c = abc[2]
    c.failed_starts = 1

    with pytest.raises(ChildStartFailed) as failed:
        await start_child(root, c.child())

    assert (failed.value.child_id, failed.value.reason) == ("c", c.start_error)
    assert failed.value.spec == c.child()
    assert await supervised.statuses(root) == {"a": "running", "b": "running"}
    assert journal.select("failed") == [{"event": "failed", "actor": "c"}]
    assert (await overview(root)).restarts_in_period == 0


async def test_a_start_function_that_raises_is_an_answer_too(root, supervised) -> None:
    error = LookupError("nowhere")

    async def start() -> None:
        raise error

    with pytest.raises(ChildStartFailed) as failed:
        await start_child(root, ChildSpec(id="odd", start=start))

    assert failed.value.reason == Crash(error)
    assert [*await supervised.statuses(root)] == ["a", "b"]


@pytest.mark.parametrize(("restart", "kept"), [(r, r != Restart.TEMPORARY) for r in Restart])
async def test_an_ignored_child_is_kept_unless_temporary(
    root, supervised, abc, restart: Restart, kept: bool
) -> None:
    c = abc[2]
    c.ignored_starts = 1

    assert await start_child(root, c.child(restart=restart)) is None

    stopped = {"c": "stopped"} if kept else {}
    assert await supervised.statuses(root) == {"a": "running", "b": "running"} | stopped


async def test_extra_information_is_handed_through(root, abc) -> None:
    c = abc[2]

    async def start() -> Started:
        return Started(await c.start(), info="extra")

    started = await start_child(root, ChildSpec(id="c", start=start))
    await terminate_child(root, "c")
    restarted = await restart_child(root, "c")

    assert (started.info, restarted.info) == ("extra", "extra")
    assert restarted == Started(c.life, "extra")


async def test_a_specification_that_does_not_fit_is_refused_before_the_id_is_looked_at(
    root, dummy
) -> None:
    with pytest.raises(InvalidSpec):
        await start_child(root, dummy("a").child(restart=Restart.TRANSIENT, significant=True))


# --- terminate_child ------------------------------------------------------------------------------


@pytest.mark.parametrize("restart", Restart)
async def test_terminate_child_keeps_the_specification_unless_temporary(
    supervised, abc, restart: Restart
) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(restart=restart))

    await terminate_child(root, "a")

    assert a.life.exit_reason == SHUTDOWN
    kept = {} if restart == Restart.TEMPORARY else {"a": "stopped"}
    assert await supervised.statuses(root) == kept


async def test_terminate_child_does_no_harm_twice(root, supervised) -> None:
    await terminate_child(root, "a")

    await terminate_child(root, "a")

    assert await supervised.statuses(root) == {"a": "stopped", "b": "running"}


@pytest.mark.parametrize("reason", [NORMAL, Crash("late")], ids=str)
async def test_terminate_child_of_one_that_has_just_died_ends_the_matter(
    root, supervised, abc, journal, reason: ExitReason
) -> None:
    a, _, _ = abc
    await suspend(root)
    terminating = asyncio.create_task(terminate_child(root, "a"))
    await asyncio.sleep(0)
    a.end(reason)
    await a.life.ended()
    journal.take()

    await resume(root)
    await terminating

    assert await supervised.statuses(root) == {"a": "stopped", "b": "running"}
    assert journal.take() == []


async def test_a_child_may_have_itself_terminated(supervised, abc) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(shutdown=0.01))

    await asyncio.gather(terminate_child(root, "a"), a.life.ended())

    assert await supervised.statuses(root) == {"a": "stopped"}


# --- restart_child, delete_child ------------------------------------------------------------------


async def test_restart_child_starts_what_does_not_run_in_its_old_place(
    root, supervised, abc
) -> None:
    a, _, _ = abc
    await terminate_child(root, "a")

    ref = await restart_child(root, "a")

    assert ref is a.life
    assert [*(await supervised.statuses(root)).items()] == [("a", "running"), ("b", "running")]
    assert (await overview(root)).children[0].incarnation == 2


async def test_restart_child_that_fails_leaves_it_as_it_was(root, supervised, abc, journal) -> None:
    a, _, _ = abc
    await terminate_child(root, "a")
    a.failed_starts = 1

    with pytest.raises(ChildStartFailed):
        await restart_child(root, "a")

    assert await supervised.statuses(root) == {"a": "stopped", "b": "running"}
    assert len(journal.select("failed")) == 1
    [a_state, _] = (await overview(root)).children
    assert (a_state.incarnation, a_state.last_exit) == (1, SHUTDOWN)


async def test_restart_child_may_be_ignored(root, supervised, abc) -> None:
    a, _, _ = abc
    await terminate_child(root, "a")
    a.ignored_starts = 1

    assert await restart_child(root, "a") is None

    assert await supervised.statuses(root) == {"a": "stopped", "b": "running"}


async def test_a_deleted_child_is_gone_and_goes_to_the_end_when_added_again(
    root, supervised, abc
) -> None:
    a, _, _ = abc
    await terminate_child(root, "a")

    await delete_child(root, "a")
    assert await supervised.statuses(root) == {"b": "running"}
    await start_child(root, a.child())

    assert [*await supervised.statuses(root)] == ["b", "a"]


@pytest.mark.parametrize("call", [restart_child, delete_child])
async def test_what_runs_is_neither_restarted_nor_deleted(root, supervised, abc, call) -> None:
    a, _, _ = abc
    life = a.life

    with pytest.raises(ChildRunning):
        await call(root, "a")

    assert a.life is life
    assert life.is_alive()


@pytest.mark.parametrize("call", [terminate_child, restart_child, delete_child])
async def test_an_unknown_id_is_not_found(root, call) -> None:
    with pytest.raises(ChildNotFound) as missing:
        await call(root, "z")

    assert missing.value.child_id == "z"


# --- looking --------------------------------------------------------------------------------------


async def test_get_childspec_is_complete(root, abc) -> None:
    c = abc[2]
    await start_child(root, c.child(restart=Restart.TRANSIENT))

    spec = await get_childspec(root, "c")

    assert spec == ChildSpec(id="c", start=c.start, restart=Restart.TRANSIENT, shutdown=5.0)


async def test_which_child_tells_of_one(root) -> None:
    [_, a] = await which_children(root)

    assert await which_child(root, "a") == a


@pytest.mark.parametrize(
    "call", [get_childspec, which_child, terminate_child, restart_child, delete_child]
)
async def test_a_child_with_an_id_is_not_found_by_another_nor_by_reference(root, abc, call) -> None:
    for nobody in ("nobody", abc[0].life):
        with pytest.raises(ChildNotFound):
            await call(root, nobody)

    assert abc[0].life.is_alive()


async def test_which_children_lists_the_last_started_first(root, abc) -> None:
    a, _, _ = abc
    await terminate_child(root, "b")

    states = await which_children(root)

    assert [(each.id, each.ref, each.status) for each in states] == [
        ("b", None, "stopped"),
        ("a", a.life, "running"),
    ]


async def test_count_children_counts_by_declared_type_running_or_not(root, abc, supervised) -> None:
    await start_child(root, supervised.below("sub"))
    await terminate_child(root, "a")
    await start_child(root, abc[2].child(type=ChildType.SUPERVISOR))

    counts = await count_children(root)

    assert counts == Counts(specs=4, active=3, supervisors=2, workers=2)


async def test_count_children_checks_who_is_alive(supervised, abc) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child())
    root.cell.unlink(a.life.cell)  # as a child may do: its end is not heard of

    a.crash()
    await a.life.ended()

    assert await supervised.statuses(root) == {"a": "running"}
    assert (await count_children(root)).active == 0
    await terminate_child(root, "a")
    assert await supervised.statuses(root) == {"a": "stopped"}


async def test_an_absent_supervisor_cannot_be_asked(root, system) -> None:
    root.exit(SHUTDOWN)
    await root.ended()

    with pytest.raises(ActorUnavailable):
        await which_children(root)
    with pytest.raises(ActorUnavailable):
        await which_children(system.address("root"))


async def test_a_supervisor_that_ends_before_it_answers_says_so(supervised, abc, journal) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child())
    b = abc[1]
    b.hold_starts()
    asking = asyncio.create_task(start_child(root, b.child()))
    await journal.wait_for("starting", actor="b")

    root.kill()

    with pytest.raises(ActorUnavailable):
        await asking


async def test_the_api_works_through_a_name(root, system) -> None:
    await terminate_child(system.address("root"), "a")

    assert (await count_children(system.address("root"))).active == 1


async def test_significance_is_checked_against_the_supervisor(supervised, abc) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(), auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)

    await start_child(root, b.child(restart=Restart.TRANSIENT, significant=True))

    assert await supervised.statuses(root) == {"a": "running", "b": "running"}
