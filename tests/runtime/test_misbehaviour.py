"""Values whose own methods raise cost the actor that uses them at most, and no caller hangs."""

import asyncio
import secrets
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog

from taskqueue.errors import ActorUnavailable
from taskqueue.runtime import (
    ActorRef,
    Crash,
    Exit,
    ExitReason,
    Message,
    Shutdown,
    System,
    process_info,
    tell,
)
from taskqueue.supervision import (
    ChildNotFound,
    ChildSpec,
    ChildStartFailed,
    InvalidSpec,
    Supervisor,
    count_children,
    start_child,
    terminate_child,
    which_children,
)
from tests.runtime.puppets import Declared, Do, Puppet, cause_of, do, raising

ROOT = Path(__file__).parents[2]


class Odd:
    """A value that cannot be looked at."""

    def _raise(self, *_: object) -> Any:
        raise KeyError("odd")

    __repr__ = __str__ = __eq__ = __bool__ = __len__ = __format__ = _raise
    __hash__ = _raise
    __class__ = property(_raise)  # type: ignore[assignment]


class OddError(Declared):
    """An error that cannot be looked at."""

    def __getattribute__(self, name: str) -> Any:
        raise ValueError(name)


class OddExit(Exit):
    """An `Exit` without a reason."""

    def __init__(self) -> None:
        """Do not call the base."""


class Unknown(Message):
    """A message that puppets do not know."""

    value: object


@pytest_asyncio.fixture
async def supervised(system: System) -> ActorRef:
    spec = ChildSpec(id="puppet", start=lambda: Puppet.start_link("puppet"))
    return await system.spawn(Supervisor, "supervisor", [spec])


@pytest.mark.parametrize(
    "error",
    [
        lambda: Exit(Shutdown(Odd())),
        lambda: Exit(Crash(Odd())),
        lambda: Exit(Odd()),  # type: ignore[arg-type]
        lambda: Exit(None),  # type: ignore[arg-type]
        OddExit,
        OddError,
        GeneratorExit,
        lambda: StopIteration(Odd()),
    ],
)
async def test_whatever_a_handler_raises_its_callers_are_told_and_it_is_restarted(
    system: System, supervised: ActorRef, error: Callable[[], BaseException]
) -> None:
    first = system.names.whereis("puppet")
    assert first is not None

    def work(me: Puppet) -> None:
        me.own(lambda: None)
        raise error()

    assert await _fails(do(first, work))
    if error is not OddError:  # which is declared
        await first.ended()
    assert (await count_children(supervised)).active == 1
    assert await do(system.names.whereis("puppet"), lambda _: "alive") == "alive"  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", [None, "boom", Shutdown])
async def test_what_is_no_reason_is_the_cause_of_a_crash(system: System, reason: object) -> None:
    one, two = await system.spawn(Puppet), await system.spawn(Puppet)

    one.exit(reason)  # type: ignore[arg-type]
    tell(two, Do(work=raising(Exit(reason))))  # type: ignore[arg-type]

    assert cause_of(await one.ended()) == cause_of(await two.ended()) == reason


async def test_a_generator_exit_of_a_handler_is_a_crash(system: System) -> None:
    ref, error = await system.spawn(Puppet), GeneratorExit()

    tell(ref, Do(work=raising(error)))

    assert cause_of(await ref.ended()) is error


async def test_a_message_that_cannot_be_shown_does_no_harm_to_one_that_does_not_know_it(
    system: System,
) -> None:
    ref = await system.spawn(Puppet)

    tell(ref, Odd())
    tell(ref, Unknown(value=Odd()))

    assert await do(ref, lambda _: "alive") == "alive"


async def test_the_log_shows_the_types_of_an_unexpected_message_and_not_what_it_holds(
    system: System, logs: list[Any]
) -> None:
    ref = await system.spawn(Puppet)

    tell(ref, Unknown(value="a secret"))
    await do(ref, lambda _: None)

    [line] = [log for log in logs if log["event"] == "message_unexpected"]
    assert line["message"] == "Unknown(value=str)"


async def test_the_crash_report_shows_what_was_known_of_the_actor(
    system: System, logs: list[Any]
) -> None:
    parent = await system.spawn(Puppet, "parent")
    child = await do(parent, lambda _: Puppet.start_link("child"))
    grandchild = await do(child, lambda _: Puppet.start_link("grandchild"))
    watched = await system.spawn(Puppet, "watched")
    await do(grandchild, lambda me: me.unlink(child))
    await do(child, lambda me: (me.link(grandchild), me.monitor(watched)))

    tell(child, Do(work=raising(ValueError("a secret"))))
    await child.ended()

    line = next(log for log in logs if log["event"] == "actor_crashed" and log["actor"] == "child")
    assert line["last_message"] == "Do(work=function)"
    assert (line["parent"], line["children"]) == ("parent", ["grandchild"])
    assert (line["links"], line["monitors"]) == (["parent", "grandchild"], ["watched"])


async def test_clients_cannot_crash_a_supervisor_with_odd_values(supervised: ActorRef) -> None:
    class Name(str):
        __hash__ = Odd._raise
        __slots__ = ()

    for child in (Odd(), Name("nobody")):
        with pytest.raises(ChildNotFound):
            await terminate_child(supervised, child)  # type: ignore[arg-type]
    for spec in ({"id": Odd(), "start": Odd()}, {"id": "x", "start": 1, "restart": Odd()}, Odd()):
        with pytest.raises(InvalidSpec):
            await start_child(supervised, spec)  # type: ignore[arg-type]

    assert supervised.is_alive()


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, OddError])
async def test_whatever_a_start_function_raises_is_a_failed_start(
    supervised: ActorRef, error: type[BaseException]
) -> None:
    async def start() -> ActorRef:
        raise error

    with pytest.raises(ChildStartFailed):
        await start_child(supervised, ChildSpec(id="x", start=start))

    assert supervised.is_alive()


async def test_a_start_function_that_returns_something_odd_is_a_failed_start(
    supervised: ActorRef,
) -> None:
    async def start() -> Any:
        return Odd()

    with pytest.raises(ChildStartFailed):
        await start_child(supervised, ChildSpec(id="x", start=start))

    assert supervised.is_alive()


async def test_a_log_that_raises_changes_no_end_and_no_restart(
    system: System, supervised: ActorRef, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> Any:
        raise SystemExit(3)

    processors: list[Any] = structlog.get_config()["processors"]
    before, processors[:] = [*processors], [broken]
    try:
        ref, error = system.names.whereis("puppet"), ValueError()
        assert ref is not None
        tell(ref, Do(work=raising(error)))
        reason: ExitReason = await ref.ended()
        [child] = await which_children(supervised)
    finally:
        processors[:] = before

    assert cause_of(reason) is error
    assert child.ref is not None
    assert "actor_crashed" in capsys.readouterr().err


async def test_a_callback_that_raises_keeps_no_other_from_being_called(system: System) -> None:
    ref, heard = await system.spawn(Puppet), []

    def broken() -> None:
        raise KeyboardInterrupt

    first, second = ref.ended(), ref.ended()
    first.when_done(broken)
    second.when_done(lambda: heard.append("second"))
    ref.kill()

    await ref.ended()
    assert heard == ["second"]


async def test_an_actor_with_an_odd_state_can_be_looked_at(system: System) -> None:
    ref = await system.spawn(Puppet)
    await do(ref, lambda me: me.heard.append(Odd()))

    info = process_info(ref)

    assert info is not None
    assert info.status == "waiting"


async def _fails(call: Awaitable[object]) -> bool:
    """Tell whether a call is answered by an error; pytest would look at it."""
    try:
        await call
    except (ActorUnavailable, Declared):
        return True
    return False


def _misbehaves(seed: int, seconds: float) -> None:
    """Run the fuzzer in a process of its own: what it leaves behind would be garbage of others."""
    options = ["--seconds", str(seconds), "--seed", str(seed)]
    program = [sys.executable, "-m", "tests.actors_misbehave", *options]

    ended = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)

    print(ended.stdout[-5000:])  # noqa: T201 - the seed, and what was done
    assert ended.returncode == 0, ended.stderr[-20_000:]


@pytest.mark.parametrize("seed", [1, secrets.randbelow(1_000_000)], ids=["fixed", "drawn"])
def test_actors_that_misbehave_harm_no_others(seed: int) -> None:
    _misbehaves(seed, 2.0)


@pytest.mark.long
def test_actors_that_misbehave_for_long_harm_no_others() -> None:
    _misbehaves(secrets.randbelow(1_000_000), 15.0)


class Alone(Puppet):
    """A puppet on a host of its own."""

    dedicated_host = True


def _break_the_loop(me: Alone) -> asyncio.Future[None]:
    loop = asyncio.get_running_loop()
    loop._selector.close()  # type: ignore[attr-defined]  # the misdeed
    return loop.create_future()


async def test_an_actor_that_breaks_the_loop_of_its_host_is_restarted_on_another(
    system: System,
) -> None:
    closed: list[str] = []

    async def close_later() -> None:
        closed.append("later")

    spec = ChildSpec(id="puppet", start=lambda: Alone.start_link("puppet"))
    supervisor = await system.spawn(Supervisor, "supervisor", [spec])
    first = system.names.whereis("puppet")
    assert first is not None
    await do(first, lambda me: (me.own(lambda: closed.append("now")), me.own(close_later)))

    with structlog.testing.capture_logs() as logged:
        assert await _fails(do(first, _break_the_loop))
        reason = await first.ended()
        assert (await count_children(supervisor)).active == 1

    assert str(reason) == "LoopLost: user code has broken the event loop of Alone"
    assert closed == ["now"]
    assert await do(system.names.whereis("puppet"), lambda _: "alive") == "alive"  # type: ignore[arg-type]
    left, lost, *_ = [event for event in logged if event["event"].startswith("loop_")]
    assert (left["event"], lost["event"]) == ("loop_left", "loop_lost")


HIDE_THE_LOOP = """
import asyncio

from taskqueue.runtime import System, tell
from tests.runtime.puppets import Do, Hermit, Puppet


async def crash():
    raise ValueError("in the task")


def hide_the_loop(me):
    me.start_task(crash())
    asyncio._set_running_loop(None)


def own_and_hide_the_loop(me):
    me.own(lambda: print("closed first"))
    me.own(lambda: asyncio._set_running_loop(None))
    me.start_task(asyncio.sleep(60))
    asyncio._set_running_loop(None)
    raise ValueError("in the handler")


async def main():
    async with System() as system:
        ref = await system.spawn(ACTOR)
        tell(ref, Do(work=WORK))
        print(repr((await ref.ended()).cause))
        await asyncio.sleep(0)


asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("actor", "work", "printed"),
    [
        ("Hermit", "hide_the_loop", "ValueError('in the task')\n"),
        ("Hermit", "own_and_hide_the_loop", "closed first\nValueError('in the handler')\n"),
        ("Puppet", "own_and_hide_the_loop", "closed first\nValueError('in the handler')\n"),
    ],
)
def test_an_actor_that_crashes_on_a_loop_which_it_has_hidden_ends_and_is_released(
    actor: str, work: str, printed: str
) -> None:
    # In a process of its own: what else runs on that loop may fail until it is shown again.
    script = HIDE_THE_LOOP.replace("ACTOR", actor).replace("WORK", work)
    program = [sys.executable, "-c", script]

    ended = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)

    assert ended.stdout == printed, ended.stderr
