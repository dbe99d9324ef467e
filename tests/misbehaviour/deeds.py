"""What bad actors do, by name. Each deed is done in a handler."""

import asyncio
import socket
import time
from collections.abc import Callable
from random import Random
from typing import Any

from taskqueue.runtime import Actor, Crash, Exit, Request, Shutdown, receives, tell
from tests.misbehaviour.values import any_error, odd, odd_error, odd_type

DEEDS: dict[str, Callable[["Bad", Random], Any]] = {}


def deed(work: Callable[["Bad", Random], Any]) -> Callable[["Bad", Random], Any]:
    """Register one."""
    DEEDS[work.__name__] = work
    return work


class Misbehave(Request[object]):
    """Do a deed."""

    deed: str
    random: Random


class Bad(Actor):
    """An actor that misbehaves on command."""

    declared_errors = (LookupError,)

    def __init__(self, name: str, random: Random) -> None:
        super().__init__()
        self.registered_name = name
        self.random = random
        self.state: list[object] = [odd(random)]

    def on_start(self) -> None:
        """Start, or raise now and then."""
        if self.random.random() < 0.1:
            raise any_error(self.random)

    async def on_stop(self) -> None:
        """End, raise, or take a moment."""
        match self.random.randrange(4):
            case 0:
                raise any_error(self.random)
            case 1:
                await asyncio.sleep(0.002)

    def get_state(self) -> object:
        """Show something odd, or raise."""
        if self.random.random() < 0.3:
            raise odd_error(self.random)
        return self.state[0]

    @receives(Misbehave, answers=(LookupError,))
    async def on_misbehave(self, message: Misbehave) -> object:
        """Do the deed."""
        answer = DEEDS[message.deed](self, message.random)
        return await answer if asyncio.iscoroutine(answer) else answer

    def on_exit_signal(self, _: object) -> None:
        """Raise, now and then."""
        if self.random.random() < 0.3:
            raise any_error(self.random)


class BadTrapper(Bad):
    """A bad actor that traps exits."""

    trap_exit = True


class BadHermit(Bad):
    """A bad actor on its own thread."""

    dedicated_host = True


class OddExit(Exit):
    """An `Exit` without a reason."""

    def __init__(self) -> None:
        """Leave out `super().__init__`."""


@deed
def raise_anything(_: Bad, random: Random) -> None:
    raise any_error(random)


@deed
def raise_a_declared_error(_: Bad, random: Random) -> None:
    raise odd_error(random, LookupError)


@deed
def return_something_odd(_: Bad, random: Random) -> object:
    return odd(random)


@deed
def exit_with_something_odd(_: Bad, random: Random) -> None:
    reasons = (
        odd(random),
        None,
        Shutdown(odd(random)),
        Crash(odd(random)),
        Crash(any_error(random)),
    )
    raise Exit(random.choice(reasons))


@deed
def exit_without_a_reason(_: Bad, random: Random) -> None:
    raise OddExit


@deed
def signal_oneself(me: Bad, random: Random) -> None:
    me.ref.exit(random.choice((odd(random), Shutdown(odd(random)), Crash(odd(random)))))


@deed
def kill_oneself(me: Bad, _: Random) -> None:
    me.ref.kill()


@deed
def kill_oneself_from_a_thread(me: Bad, _: Random) -> object:
    return asyncio.to_thread(me.ref.kill)


@deed
def cancel_oneself_and_answer(_: Bad, random: Random) -> object:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return odd(random)


@deed
async def swallow_a_cancellation(me: Bad, _: Random) -> str:
    asyncio.get_running_loop().call_soon(me.ref.kill)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return "an answer all the same"
    return "never"


@deed
async def wait_for_ever(_: Bad, __: Random) -> None:
    await asyncio.Event().wait()


@deed
def never_answer(me: Bad, _: Random) -> None:
    me.state.append(me.defer())


@deed
def answer_twice(me: Bad, random: Random) -> None:
    deferred = me.defer()
    deferred.reply(odd(random))
    deferred.reply(odd(random))
    deferred.fail(odd_error(random))  # type: ignore[arg-type]


@deed
def fail_a_deferred_call(me: Bad, random: Random) -> None:
    me.defer().fail(odd_error(random))  # type: ignore[arg-type]


@deed
def crash_in_a_task(me: Bad, random: Random) -> object:
    async def work() -> None:
        raise any_error(random)

    me.start_task(work())
    return odd(random)


@deed
def own_something_that_does_not_close(me: Bad, random: Random) -> None:
    def close() -> None:
        raise any_error(random)

    me.own(close)


@deed
def watch_and_link_oneself(me: Bad, _: Random) -> None:
    me.monitor(me.ref)
    me.link(me.ref)
    me.unlink(me.ref)


@deed
def tell_oneself_odd_messages(me: Bad, random: Random) -> None:
    for _ in range(3):
        tell(me.ref, odd(random))


@deed
def hold_odd_state(me: Bad, random: Random) -> None:
    me.state = [odd(random)]
    vars(me)[f"odd_{random.randrange(9)}"] = odd(random)


@deed
def hold_up_the_thread(_: Bad, __: Random) -> None:
    time.sleep(0.002)  # its work


@deed
def stop_the_loop(me: Bad, _: Random) -> None:
    if me.dedicated_host:  # a shared loop is that of others, too
        asyncio.get_running_loop().stop()


@deed
def hide_the_loop(me: Bad, random: Random) -> None:
    if me.dedicated_host:
        asyncio._set_running_loop(None)
    if random.random() < 0.5:
        raise any_error(random)


@deed
def leave_a_watched_socket(me: Bad, _: Random) -> None:
    if me.dedicated_host:
        one, other = socket.socketpair()
        with one, other:  # closed also if the loop is broken
            asyncio.get_running_loop().add_reader(one, int)
            asyncio.get_running_loop().add_reader(other, int)


@deed
def break_the_loop(me: Bad, _: Random) -> None:
    if me.dedicated_host:
        asyncio.get_running_loop()._selector.close()  # type: ignore[attr-defined]  # the misdeed


@deed
def raise_in_a_callback(me: Bad, random: Random) -> None:
    def callback() -> None:
        raise random.choice((SystemExit, KeyboardInterrupt))

    if me.dedicated_host:
        asyncio.get_running_loop().call_soon(callback)


@deed
def cancel_all_tasks(me: Bad, _: Random) -> None:
    if me.dedicated_host:
        for task in asyncio.all_tasks():
            task.cancel()


@deed
def watch_the_end_with_a_callback_that_raises(me: Bad, random: Random) -> None:
    def callback() -> None:
        raise any_error(random)

    me.ref.ended().when_done(callback)


@deed
def define_a_type(me: Bad, random: Random) -> object:
    return odd_type(random, object)
