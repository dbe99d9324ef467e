"""Chains: deliveries that wait in this process for a slot of their limits.

    claim ─▶ a delivery that has a slot ─▶ runs ─▶ has succeeded ─┐
         └─▶ those chained behind it    ─▶ wait ─▶ the next runs ◀┘ in the slot of the one before

A chain has all deliveries of one queue with the same limits. Some have a slot of each limit, and
are buffered or run; the others begin one by one, each when one with a slot has ended. So there are
never more that run than have been given slots by the storage, in whichever order settlements are
written.
"""

import math
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TypeAlias

from taskqueue.rules.tasks import Delivery

MOST_CHAINED = 256
"""How many deliveries wait in chains, at most: what one short commit can release."""

CHAIN_S = 0.1
"""For how long a chain goes on after its latest claim, before others get their turn."""

Key: TypeAlias = tuple[str, str]
"""A queue, and limits as text."""


class _Chain:
    def __init__(self) -> None:
        self.slots: set[str] = set()  # the tokens of what has a slot of each limit
        self.waiting: deque[Delivery] = deque()
        self.until = math.inf  # monotonic: nothing begins in the slot of another after that


class Chains:
    """All chains, and how many deliveries the next claim of a queue may chain."""

    def __init__(self) -> None:
        self.era = 0
        """Grows when chains are broken: what was claimed before is released on arrival."""
        self._chains: dict[Key, _Chain] = {}
        self._waiting = 0  # in all chains
        self._lengths: dict[str, int] = {}  # of the next chain, by queue
        self._bars = 0
        # What runs with limits and was handed out by an earlier ledger, which may have passed slots
        # on: so which of them have one is not known here.
        self._inherited: set[str] = set()

    def __iter__(self) -> Iterator[Delivery]:
        """Yield what waits."""
        return (each for chain in self._chains.values() for each in chain.waiting)

    @property
    def chained_keys(self) -> Collection[Key]:
        """The queues and limits with deliveries that wait."""
        if not self._waiting:
            return ()
        return {key for key, chain in self._chains.items() if chain.waiting}

    def allowance(self, queue: str) -> int:
        """Return how many deliveries of a queue may be chained by the next claim."""
        if self._bars or self._inherited:
            return 0
        return min(self._lengths.get(queue, 0), MOST_CHAINED - self._waiting)

    # --- what is claimed --------------------------------------------------------------------------

    def admit(
        self, deliveries: Iterable[Delivery], *, era: int, at: float
    ) -> tuple[list[Delivery], list[Delivery]]:
        """Take up what was claimed; return what can run now, and what is to be released.

        Those that were chained in an earlier era are. A slot that is new goes to the first that
        waits in its chain.
        """
        ready, released = [], []
        for each in deliveries:
            if each.task.limits is None:
                ready.append(each)
            elif not each.chained:
                ready.append(self._with_slot(each, at))
            elif era == self.era and self._joins(each):
                self._waiting += 1
            else:
                released.append(each)
        return ready, released

    def _with_slot(self, delivery: Delivery, at: float) -> Delivery:
        chain = self._chains.setdefault(_key(delivery), _Chain())
        chain.until = at + CHAIN_S
        if chain.waiting:
            chain.waiting.append(delivery)
            delivery = chain.waiting.popleft()
        chain.slots.add(delivery.token)
        return delivery

    def _joins(self, delivery: Delivery) -> bool:
        chain = self._chains.get(_key(delivery))
        if chain is not None:
            chain.waiting.append(delivery)
        return chain is not None

    # --- what ends --------------------------------------------------------------------------------

    def next(self, ended: Delivery, *, at: float) -> Delivery | None:
        """Pass the slot of a delivery that has succeeded on to the first that waits in its chain.

        None if none does, if the time of the chain is over, or if the delivery has no slot that is
        known here.
        """
        key = _key(ended)
        chain = self._chains.get(key)
        if chain is None or ended.token not in chain.slots or at > chain.until:
            return None
        if not chain.waiting:
            self._leave(key, chain, ended.token)
            self._grow(ended.task.queue)
            return None
        chain.slots.remove(ended.token)
        self._waiting -= 1
        following = chain.waiting.popleft()
        chain.slots.add(following.token)
        return following

    def end(self, delivery: Delivery) -> Sequence[Delivery]:
        """Note that a delivery has ended, or is lost; return what is to be released.

        If it has passed its slot on, its chain goes on. If not, the chain ends: in the order of a
        claim its own task may come before those that wait.
        """
        self._inherited.discard(delivery.token)
        key = _key(delivery)
        chain = self._chains.get(key)
        if chain is None or delivery.token not in chain.slots:
            return ()
        released = self._break(chain)
        self._leave(key, chain, delivery.token)
        self._shrink(delivery.task.queue)
        return released

    def drop(self, tokens: Collection[str]) -> Sequence[Delivery]:
        """Take deliveries out that wait; return those that did."""
        dropped = [each for each in self if each.token in tokens] if self._waiting else []
        for each in dropped:
            self._chains[_key(each)].waiting.remove(each)
        self._waiting -= len(dropped)
        return dropped

    # --- what is broken ---------------------------------------------------------------------------

    def release(self, queues: Collection[str] = ()) -> Sequence[Delivery]:
        """End the chains of these queues, or of all; return what waited in them."""
        chosen = [each for each in self._chains.items() if not queues or each[0][0] in queues]
        return [each for _, chain in chosen for each in self._break(chain)]

    def release_late(self, *, at: float) -> Sequence[Delivery]:
        """End the chains whose time is over: what has a slot runs for longer than was expected."""
        late = [each for each in self._chains.items() if at > each[1].until and each[1].waiting]
        for (queue, _), _ in late:
            self._shrink(queue)
        return [each for _, chain in late for each in self._break(chain)]

    def bar(self) -> Sequence[Delivery]:
        """End all chains, and let none begin until `unbar`; return what waited."""
        self._bars += 1
        self.era += 1
        return self.release()

    def unbar(self) -> None:
        """Let chains begin again."""
        self._bars -= 1

    def inherit(self, running: Iterable[Delivery]) -> Sequence[Delivery]:
        """Note what an earlier ledger has handed out. No chain begins before that has ended."""
        inherited = {each.token for each in running if each.task.limits is not None}
        self._inherited |= inherited
        if not inherited:
            return ()
        self.era += 1
        return self.release()

    def _break(self, chain: _Chain) -> Sequence[Delivery]:
        released, chain.waiting = chain.waiting, deque()
        self._waiting -= len(released)
        return released

    def _leave(self, key: Key, chain: _Chain, token: str) -> None:
        chain.slots.remove(token)
        if not chain.slots:
            del self._chains[key]

    # --- lengths ----------------------------------------------------------------------------------

    def _grow(self, queue: str) -> None:
        """A chain was used up in its time: let the next one be longer."""
        self._lengths[queue] = min(2 * self._lengths.get(queue, 0) or 1, MOST_CHAINED)

    def _shrink(self, queue: str) -> None:
        if queue in self._lengths:
            self._lengths[queue] //= 2


def _key(delivery: Delivery) -> Key:
    return delivery.task.queue, delivery.task.limits or ""
