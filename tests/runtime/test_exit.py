"""Ending: the reason, the stop hook, the order in which others hear of it."""

import asyncio
from typing import Any

import pytest

from taskqueue.errors import ActorUnavailable, AskTimeout
from taskqueue.runtime import (
    KILLED,
    NORMAL,
    SHUTDOWN,
    Actor,
    ActorRef,
    Crash,
    Exit,
    ExitReason,
    Killed,
    NoProc,
    Normal,
    Shutdown,
    System,
    is_orderly,
    request,
    stop,
    tell,
)
from tests.executors import odd
from tests.runtime.puppets import (
    Bug,
    Do,
    DoMeanwhile,
    Hermit,
    Note,
    Puppet,
    Trapper,
    cause_of,
    do,
    heard,
    raising,
)

STOPPERS: list[Any] = [Bug("bug"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()]


@pytest.mark.parametrize(
    ("reason", "text", "orderly"),
    [
        (Normal(), "normal", True),
        (Shutdown(), "shutdown", True),
        (Shutdown("drained"), "shutdown: drained", True),
        (Killed(), "killed", False),
        (NoProc(), "noproc", False),
        (Crash(Bug("deep")), "Bug: deep", False),
        (Crash("a term"), "a term", False),
    ],
)
def test_a_reason_says_what_it_is(reason: ExitReason, text: str, orderly: bool) -> None:
    assert (str(reason), is_orderly(reason)) == (text, orderly)


@pytest.mark.parametrize("kind", odd.ERRORS)
async def test_an_exception_that_cannot_be_rendered_ends_its_actor_like_any_other(
    system: System, kind: str
) -> None:
    error = odd.ERRORS[kind]()
    ref = await system.spawn(Puppet)

    with pytest.raises(ActorUnavailable) as told:
        await do(ref, raising(error))

    reason = await ref.ended()
    assert cause_of(reason) is error
    assert kind.partition(" ")[0] in str(reason)
    assert str(reason) in str(told.value)
    await asyncio.sleep(0)  # fails if rendering has hidden this loop or cancelled this task


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, Crash("a term"), KILLED])
async def test_an_actor_ends_itself_with_any_reason_and_its_stop_hook_knows_it(
    system: System, reason: ExitReason
) -> None:
    known: list[object] = []
    ref = await system.spawn(Puppet, on_stop=lambda me: known.append(me.exit_reason))

    tell(ref, Do(work=raising(Exit(reason))))

    assert await ref.ended() == reason
    assert known == [reason]
    assert ref.exit_reason == reason
    assert not ref.is_alive()


async def test_whoever_asked_the_actor_that_ends_itself_is_told(system: System) -> None:
    ref = await system.spawn(Puppet)

    with pytest.raises(ActorUnavailable) as error:
        await do(ref, raising(Exit(SHUTDOWN)))

    assert error.value.cause == SHUTDOWN


async def test_stop_is_orderly_and_waits_for_the_end(system: System) -> None:
    stopped: list[object] = []
    ref = await system.spawn(Puppet, on_stop=lambda me: stopped.append(me.exit_reason))

    assert await stop(ref, SHUTDOWN) == SHUTDOWN

    assert stopped == [SHUTDOWN]


async def test_stop_comes_after_the_messages_before_it_and_before_those_after(
    system: System,
) -> None:
    ref = await system.spawn(Puppet)
    go_on = asyncio.Event()

    async def work(_: Actor) -> str:
        await go_on.wait()
        return "finished"

    handled = request(ref, Do(work=work))
    waits = request(ref, Do(work=lambda _: "served"))
    stopping = asyncio.create_task(stop(ref, NORMAL))
    await asyncio.sleep(0)
    too_late = request(ref, Do(work=lambda _: "never"))
    go_on.set()

    assert await stopping == NORMAL
    assert (await handled, await waits) == ("finished", "served")
    with pytest.raises(ActorUnavailable):
        await too_late


async def test_stop_gives_up_after_its_limit(system: System) -> None:
    ref = await system.spawn(Puppet, "busy")
    entered = asyncio.Event()

    async def work(_: Actor) -> None:
        entered.set()
        await asyncio.Event().wait()

    tell(ref, Do(work=work))
    await entered.wait()

    with pytest.raises(AskTimeout) as error:
        await stop(ref, SHUTDOWN, timeout_s=0.01)

    assert (error.value.target, error.value.after_s) == ("busy", 0.01)


async def test_stopping_the_dead_returns_why_they_ended(system: System) -> None:
    ref = await system.spawn(Puppet)
    ref.kill()
    await ref.ended()

    assert await stop(ref, NORMAL) == KILLED


async def test_an_actor_does_not_stop_itself_by_waiting_for_it(system: System) -> None:
    ref = await system.spawn(Puppet)

    with pytest.raises(ActorUnavailable) as error:
        await do(ref, lambda me: stop(me.ref, NORMAL))

    assert isinstance(error.value.__cause__, RuntimeError)


async def test_a_failing_stop_hook_is_the_reason(system: System) -> None:
    bug = Bug("while stopping")
    ref = await system.spawn(Puppet, on_stop=raising(bug))

    assert await stop(ref, NORMAL) == Crash(bug)


async def test_a_stop_hook_may_choose_another_reason(system: System) -> None:
    ref = await system.spawn(Puppet, on_stop=raising(Exit(Shutdown("changed my mind"))))

    assert await stop(ref, NORMAL) == Shutdown("changed my mind")


async def test_the_stop_hook_may_wait_and_ask_others(system: System) -> None:
    other = await system.spawn(Puppet)
    ref = await system.spawn(Puppet, on_stop=lambda _: do(other, lambda me: me.hear("goodbye")))

    await stop(ref, NORMAL)

    assert await heard(other, 1) == ["goodbye"]


async def test_concurrent_work_goes_on_during_the_stop_hook(system: System) -> None:
    go_on = asyncio.Event()
    ref = await system.spawn(Puppet, on_stop=lambda _: drained)
    drained = request(ref, DoMeanwhile(work=lambda _: go_on.wait()))
    await do(ref, lambda _: "it has been taken")

    stopping = asyncio.create_task(stop(ref, SHUTDOWN))
    go_on.set()

    assert await stopping == SHUTDOWN
    assert await drained is True


@pytest.mark.parametrize("kind", [Puppet, Hermit])
@pytest.mark.parametrize("error", STOPPERS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("place", ["handler", "concurrent handler", "task", "stop hook"])
async def test_whatever_is_raised_inside_is_a_crash_of_the_actor_and_not_of_its_loop(
    system: System, place: str, error: BaseException, kind: type[Puppet]
) -> None:
    ref = await system.spawn(kind)
    neighbour = await do(ref, start_neighbour)

    async def crash() -> None:
        raise error

    match place:
        case "handler":
            tell(ref, Do(work=raising(error)))
        case "concurrent handler":
            tell(ref, DoMeanwhile(work=raising(error)))
        case "task":
            await do(ref, lambda me: me.start_task(crash()) and None)
        case "stop hook":
            await do(ref, lambda me: setattr(me, "_stop_work", raising(error)))
            tell(ref, Do(work=raising(Exit(NORMAL))))

    assert cause_of(await ref.ended()) is error
    assert await do(neighbour, lambda _: "the loop survived") == "the loop survived"


async def start_neighbour(me: Puppet) -> ActorRef:
    """Start somebody on the same loop who survives the end of this one."""
    neighbour = await Puppet.start_link()
    me.unlink(neighbour)
    return neighbour


async def test_an_exit_in_a_task_is_the_exit_of_the_actor_with_its_stop_hook(
    system: System,
) -> None:
    stopped: list[object] = []
    ref = await system.spawn(Puppet, on_stop=lambda me: stopped.append(me.exit_reason))

    async def finish() -> None:
        raise Exit(SHUTDOWN)

    await do(ref, lambda me: me.start_task(finish()) and None)

    assert await ref.ended() == SHUTDOWN
    assert stopped == [SHUTDOWN]


async def test_a_crash_of_a_task_interrupts_the_handler_that_waits(system: System) -> None:
    ref = await system.spawn(Puppet)

    async def crash() -> None:
        raise Bug

    async def wait_forever(me: Puppet) -> None:
        me.start_task(crash())
        await asyncio.Event().wait()

    with pytest.raises(ActorUnavailable) as error:
        await do(ref, wait_forever)

    assert isinstance(error.value.__cause__, Bug)


async def test_the_tasks_of_an_actor_end_before_anybody_hears_of_its_end(system: System) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("task")

    ref = await system.spawn(Puppet, on_start=lambda me: me.start_task(work()) and None)
    await asyncio.sleep(0)
    ref.ended().when_done(lambda: ended.append("heard"))
    ref.kill()
    await ref.ended()

    assert ended == ["task", "heard"]


async def test_an_actor_that_has_ended_begins_no_task(system: System) -> None:
    begun: list[str] = []
    ref = await system.spawn(Puppet)
    puppet = await do(ref, lambda me: me)
    ref.exit(SHUTDOWN)
    await ref.ended()

    async def work() -> None:
        begun.append("task")

    with pytest.raises(ActorUnavailable) as refused:
        puppet.start_task(work())
    await asyncio.sleep(0)

    assert refused.value.cause == SHUTDOWN
    assert begun == []


async def test_a_task_may_be_cancelled_without_harm(system: System) -> None:
    ref = await system.spawn(Puppet)

    async def work() -> None:
        await asyncio.Event().wait()

    async def start_and_cancel(me: Puppet) -> bool:
        task = me.start_task(work())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert await do(ref, start_and_cancel) is True
    assert await do(ref, lambda _: "alive") == "alive"


async def test_a_task_that_is_cancelled_before_its_first_step_leaves_no_warning(
    system: System,
) -> None:
    async def never_begun() -> None:
        raise AssertionError

    async def start_one(me: Puppet) -> None:
        me.start_task(never_begun())
        raise Exit(NORMAL)

    ref = await system.spawn(Puppet)
    tell(ref, Do(work=start_one))

    assert await ref.ended() == NORMAL


@pytest.mark.parametrize("end", ["kill", "stop", "crash", "untrapped signal"])
async def test_what_an_actor_owns_is_closed_before_anybody_hears_of_its_end(
    system: System, end: str
) -> None:
    events: list[str] = []

    async def close_slowly() -> None:
        await asyncio.sleep(0)
        events.append("first opened")

    def prepare(me: Puppet) -> None:
        me.own(close_slowly)
        me.own(lambda: events.append("last opened"))

    ref = await system.spawn(Puppet, on_start=prepare)
    ref.ended().when_done(lambda: events.append("heard"))
    match end:
        case "kill":
            ref.kill()
        case "stop":
            await stop(ref, NORMAL)
        case "crash":
            tell(ref, Do(work=raising(Bug())))
        case "untrapped signal":
            ref.exit(SHUTDOWN)
    await ref.ended()

    assert events == ["last opened", "first opened", "heard"]


@pytest.mark.parametrize("error", STOPPERS, ids=lambda error: type(error).__name__)
async def test_a_closer_that_fails_is_reported_and_the_others_are_closed(
    system: System, logs: list[Any], error: BaseException
) -> None:
    closed: list[str] = []

    async def fail() -> None:
        raise error

    def prepare(me: Puppet) -> None:
        me.own(lambda: closed.append("first"))
        me.own(fail)
        me.own(lambda: raising(error)(me))
        me.own(lambda: closed.append("last"))

    ref = await system.spawn(Puppet, "clumsy", on_start=prepare)
    assert await stop(ref, NORMAL) == NORMAL

    assert closed == ["last", "first"]
    reports = [log for log in logs if log["event"] == "actor_close_failed"]
    assert [report["actor"] for report in reports] == ["clumsy", "clumsy"]


async def test_a_kill_does_not_cut_the_closing(system: System) -> None:
    closing, go_on, closed = asyncio.Event(), asyncio.Event(), []

    async def close() -> None:
        closing.set()
        await go_on.wait()
        closed.append("file")

    ref = await system.spawn(Puppet, on_start=lambda me: me.own(close))
    ref.exit(SHUTDOWN)
    await closing.wait()
    ref.kill()
    await asyncio.sleep(0)
    assert ref.exit_reason is None
    go_on.set()
    await ref.ended()

    assert closed == ["file"]


async def test_the_name_is_free_and_the_mailbox_answered_before_anyone_hears(
    system: System,
) -> None:
    observer = await system.spawn(Trapper)
    ref = await do(observer, lambda _: Puppet.start_link("mortal"))
    tell(ref, Do(work=lambda _: asyncio.Event().wait()))
    waits = request(ref, Do(work=lambda _: "never"))
    seen: list[tuple[str, object, bool]] = []

    def look(who: str) -> None:
        seen.append((who, system.names.whereis("mortal"), waits.done()))

    await do(observer, lambda me: setattr(me, "hear", lambda m: look(type(m).__name__)))
    await do(observer, lambda me: me.monitor(ref))
    ref.ended().when_done(lambda: look("ended"))
    ref.kill()
    await ref.ended()
    await do(observer, lambda _: "it has heard")

    assert sorted(who for who, *_ in seen) == ["Down", "ExitSignal", "ended"]
    assert {(name, answered) for _, name, answered in seen} == {(None, True)}


async def test_a_waiting_asker_can_start_the_successor_at_once(system: System) -> None:
    for _ in range(50):
        ref = await system.spawn(Puppet, "phoenix")
        with pytest.raises(ActorUnavailable):
            await do(ref, raising(Bug()))
        await system.spawn(Puppet, "phoenix")
        await stop(system.names.whereis("phoenix"), NORMAL)  # type: ignore[arg-type]


async def test_ended_can_be_awaited_again_and_after_the_end(system: System) -> None:
    ref = await system.spawn(Puppet)
    before = ref.ended()

    ref.kill()

    assert (await before, await ref.ended()) == (KILLED, KILLED)


async def test_a_crash_is_reported_with_its_cause(system: System, logs: list[Any]) -> None:
    ref = await system.spawn(Puppet, "fragile")
    bug = Bug("why")
    tell(ref, Do(work=raising(bug)))
    tell(ref, Note(text="never read"))
    await ref.ended()

    [report] = [log for log in logs if log["log_level"] == "error"]
    assert report["event"] == "actor_crashed"
    assert (report["actor"], report["reason"]) == ("fragile", "Bug: why")
    assert (report["messages"], report["exc_info"]) == (1, bug)


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, KILLED])
async def test_other_ends_are_not_reported_as_crashes(
    system: System, logs: list[Any], reason: ExitReason
) -> None:
    ref = await system.spawn(Puppet)

    await stop(ref, reason)

    assert [log["event"] for log in logs if log["log_level"] != "debug"] == []


def test_a_loop_that_is_torn_down_ends_its_actors_in_order() -> None:
    told: list[object] = []

    async def forget_to_close() -> None:
        system = System()
        ref = await system.spawn(Puppet, on_stop=lambda me: told.append("on_stop"))
        ref.ended().when_done(lambda: told.append("ended"))

    asyncio.run(forget_to_close())

    assert told == ["on_stop", "ended"]


class Speechless(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


async def test_an_exception_without_words_is_a_crash_like_any_other(system: System) -> None:
    puppet = await system.spawn(Puppet)

    tell(puppet, Do(work=raising(Speechless())))
    reason = await puppet.ended()

    assert isinstance(reason, Crash)
    assert str(reason) == "Speechless: <no text: ValueError>"
