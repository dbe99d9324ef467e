"""Actors that do what a test tells them, and remember what they heard."""

import inspect
import threading
from collections.abc import Callable
from typing import Any

from taskqueue.runtime import (
    Actor,
    ActorRef,
    Crash,
    Deferred,
    Down,
    ExitReason,
    ExitSignal,
    Message,
    Request,
    ask,
    receives,
)

Work = Callable[[Any], Any]  # of the actor; plain or async


class Declared(Exception):
    """An error that puppets declare."""


class Bug(Exception):
    """An error that nobody declares."""


class Do(Request[Any]):
    """Do this, and answer what it returns."""

    work: Work


class DoMeanwhile(Request[Any]):
    """The same, while other messages are handled."""

    work: Work


class Heard(Request[list[Any]]):
    """Answer what was heard, once there is as much as that."""

    count: int


class Note(Message):
    """Hear this."""

    text: object


async def _done(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


class Puppet(Actor):
    """Does what it is told."""

    def __init__(
        self,
        name: str | None = None,
        *,
        on_start: Work | None = None,
        on_stop: Work | None = None,
    ) -> None:
        super().__init__()
        self.registered_name = name
        self.heard: list[Any] = []
        self._start, self._stop_work = on_start, on_stop
        self._waiting: list[tuple[int, Deferred]] = []

    async def on_start(self) -> None:
        """Do what the test said."""
        if self._start is not None:
            await _done(self._start(self))

    async def on_stop(self) -> None:
        """Do what the test said."""
        if self._stop_work is not None:
            await _done(self._stop_work(self))

    @receives(Do, answers=(Declared,))
    async def on_do(self, message: Do) -> Any:
        """Do it."""
        return await _done(message.work(self))

    @receives(DoMeanwhile, answers=(Declared,), concurrently=True)
    async def on_do_meanwhile(self, message: DoMeanwhile) -> Any:
        """Do it."""
        return await _done(message.work(self))

    @receives(Heard)
    def on_heard(self, message: Heard) -> None:
        """Answer, now or later."""
        self._waiting.append((message.count, self.defer()))
        self._answer()

    @receives(Note)
    def on_note(self, message: Note) -> None:
        """Hear."""
        self.hear(message.text)

    @receives(Down)
    def on_down(self, message: Down) -> None:
        """Hear."""
        self.hear(message)

    def on_exit_signal(self, message: ExitSignal) -> None:
        """Hear."""
        self.hear(message)

    def hear(self, what: object) -> None:
        """Remember."""
        self.heard.append(what)
        self._answer()

    def _answer(self) -> None:
        for count, deferred in self._waiting[:]:
            if len(self.heard) >= count:
                self._waiting.remove((count, deferred))
                deferred.reply(list(self.heard))


class Trapper(Puppet):
    """Traps exits."""

    trap_exit = True


class Hermit(Puppet):
    """Lives on a host of its own."""

    dedicated_host = True


class TrappingHermit(Puppet):
    """Both."""

    trap_exit = True
    dedicated_host = True


async def do(ref: ActorRef, work: Work, **options: Any) -> Any:
    """Have a puppet do something; return its answer."""
    return await ask(ref, Do(work=work), **options)


async def heard(ref: ActorRef, count: int) -> list[Any]:
    """Wait until a puppet has heard so much; return all it heard."""
    return await ask(ref, Heard(count=count))


def raising(error: BaseException) -> Work:
    """Return work that raises."""

    def work(_: Actor) -> None:
        raise error

    return work


def cause_of(reason: ExitReason | None) -> object:
    """Return what a crash was about."""
    assert isinstance(reason, Crash)
    return reason.cause


def threads(name: str) -> list[threading.Thread]:
    """Return the living threads of dedicated hosts of that class."""
    return [thread for thread in threading.enumerate() if thread.name == name]
