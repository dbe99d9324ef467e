"""A mailbox: the ordered queue of an actor's messages, filled from any thread.

System messages (the parent's exit signal, `stop`, `get_state`) keep their place among the others.
Only a suspended actor handles them first, while its other messages wait. Source: OTP `sys`.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

import msgspec

from taskqueue.runtime.host import Host
from taskqueue.runtime.reply import Reply


class Mail(msgspec.Struct, eq=False):
    """A message in a mailbox, and when it was sent.

    A struct is cheaper to create than pykka's envelope. It is compared by identity, so that
    removing one does not call the `__eq__` of a message.
    """

    message: Any
    reply_to: Reply[Any] | None = None
    at: float = msgspec.field(default_factory=monotonic)


class SystemMail(Mail, eq=False):
    """A message that is handled even while the actor is suspended."""


class Mailbox:
    """An actor's inbox. No message is lost: the actor takes it, or it is refused.

    It needs no lock, because the operations of a deque are atomic and each side acts before it
    looks: `put` adds, then checks for a waiting actor or a closed box; the actor says that it
    waits, then looks whether there is something; `close` says so, then takes out what is left.
    """

    __slots__ = ("_at_once", "_held", "_host", "_mail", "_refuse", "_suspended", "_waiting")

    def __init__(self, host: Host, at_once: Callable[[Mail], bool] | None = None) -> None:
        """Create the mailbox of an actor on `host`.

        `at_once` is called there with a message that arrives at an empty mailbox while the actor is
        idle, and returns whether it has taken it.
        """
        self._host = host
        self._at_once = at_once
        self._mail: deque[Mail] = deque()
        self._held: deque[Mail] = deque()  # before all of `_mail`; filled while suspended only
        self._waiting: list[asyncio.Future[None]] = []  # the actor, if it waits
        self._suspended = False
        self._refuse: Callable[[Mail], None] | None = None

    def put(self, mail: Mail) -> None:
        """Add a message; a closed mailbox refuses it (which answers an ask)."""
        if self._is_taken_at_once(mail):
            return
        self._mail.append(mail)
        if self._refuse is not None:
            self._take_back(mail, self._mail, self._refuse)
        elif self._waiting:
            self._wake()

    def _is_taken_at_once(self, mail: Mail) -> bool:
        return (
            bool(self._waiting)
            and self._at_once is not None
            and not (self._mail or self._suspended or self._refuse)
            and self._host.is_current()
            and self._at_once(mail)
        )

    def take(self) -> Mail | None:
        """Return the next message; None if there is none. Only for the actor."""
        if self._suspended:
            return self._take_system()
        return self._mail.popleft() if self._mail else None

    def _take_system(self) -> Mail | None:
        """Return the next system message; hold back those before it."""
        while self._mail:
            mail = self._mail.popleft()
            if isinstance(mail, SystemMail):
                return mail
            self._held.append(mail)
            if self._refuse is not None:  # another thread has closed the mailbox meanwhile
                self._take_back(mail, self._held, self._refuse)
        return None

    def waiter(self) -> "asyncio.Future[None]":
        """Return a future that is done when there is a new message. Only for the actor.

        To be called when `take` has returned None.
        """
        waiter = self._host.loop.create_future()
        self._waiting.append(waiter)
        if self._mail:
            self._wake()
        return waiter

    def suspend(self) -> None:
        """Hold ordinary messages back. Only for the actor."""
        self._suspended = True

    def resume(self) -> None:
        """Return ordinary messages again, first those that were held back. Only for the actor."""
        self._suspended = False
        self._mail.extendleft(reversed(self._held))
        self._held.clear()

    def discard(self, unwanted: Callable[[Any], bool]) -> bool:
        """Remove the unwanted messages; return whether there were any. Only for the actor."""
        found = False
        for lane in (self._held, self._mail):
            for mail in [*lane]:
                if unwanted(mail.message):
                    found = self._take_back(mail, lane, _drop) or found
        return found

    def close(self, refuse: Callable[[Mail], None]) -> None:
        """Refuse the waiting messages and all later ones."""
        self._refuse = refuse
        self._at_once = None  # which leads to the actor: a reference must not keep that
        for lane in (self._held, self._mail):
            for mail in [*lane]:
                self._take_back(mail, lane, refuse)

    @property
    def is_suspended(self) -> bool:
        """Whether ordinary messages are held back."""
        return self._suspended

    def oldest_at(self) -> float | None:
        """Return when the oldest message arrived, in monotonic seconds; None if there is none."""
        for lane in (self._held, self._mail):
            with contextlib.suppress(IndexError):  # its actor takes messages on another thread
                return lane[0].at
        return None

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self._held) + len(self._mail)

    def empty(self) -> bool:
        """Return whether no message waits (for pykka)."""
        return not self._mail and not self._held

    def get(self) -> Mail:
        """Refuse pykka's blocking read: an actor on a loop awaits its messages."""
        raise RuntimeError("a mailbox on a loop is read by its actor only")

    @staticmethod
    def _take_back(mail: Mail, lane: "deque[Mail]", refuse: Callable[[Mail], None]) -> bool:
        try:
            lane.remove(mail)
        except ValueError:  # another thread took it out, and answers for it
            return False
        refuse(mail)
        return True

    def _wake(self) -> None:
        try:
            waiter = self._waiting.pop()
        except IndexError:  # another thread does it
            return
        if not self._host.is_current():
            self._host.post(lambda: None if waiter.done() else waiter.set_result(None))
        elif not waiter.done():
            waiter.set_result(None)


def _drop(_: Mail) -> None:
    """Discard a message that expects no answer."""
