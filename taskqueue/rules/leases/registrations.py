"""The registrations: consumers, their slots and what they run."""

from collections.abc import Collection, Iterable, Iterator
from typing import Generic

from taskqueue.rules import expiry
from taskqueue.rules.leases.values import C, Taken
from taskqueue.rules.tasks import Delivery


class Registration:
    """One consumer."""

    def __init__(self, slots: int, queues: Collection[str], running: Iterable[Taken] = ()) -> None:
        self.slots = slots
        self.queues = frozenset(queues)
        self.running = {taken.delivery.token: taken for taken in running}
        self.waits = True  # it has found nothing to take, and has to be woken

    @property
    def free(self) -> int:
        return max(0, self.slots - len(self.running))


class Registrations(Generic[C]):
    """All consumers: those that have registered, and those that are expected to."""

    def __init__(self) -> None:
        self._all: dict[C, Registration] = {}
        self._expected: set[C] = set()

    def get(self, consumer: C) -> Registration | None:
        return self._all.get(consumer)

    def expect(self, consumer: C) -> None:
        self._expected.add(consumer)

    def expects(self, consumer: C) -> bool:
        return consumer in self._expected

    def add(self, consumer: C, registration: Registration) -> None:
        self._expected.discard(consumer)
        self._all[consumer] = registration

    def remove(self, consumer: C) -> dict[str, Taken]:
        """Remove a consumer; return what it ran, by token."""
        self._expected.discard(consumer)
        registration = self._all.pop(consumer, None)
        return {} if registration is None else registration.running

    @property
    def are_complete(self) -> bool:
        """Whether every expected consumer has registered, or has ended."""
        return not self._expected

    @property
    def running(self) -> Iterator[str]:
        """The tokens of what runs."""
        return (token for each in self._all.values() for token in each.running)

    def deliveries(self, tokens: Collection[str]) -> list[Delivery]:
        """Return those of these tokens that run."""
        return [
            taken.delivery
            for each in self._all.values()
            for token, taken in each.running.items()
            if token in tokens
        ]

    @property
    def begun(self) -> Iterator[str]:
        """The tokens of what runs, without tasks that were taken too late to begin."""
        for each in self._all.values():
            for token, taken in each.running.items():
                if expiry.at_start(taken.delivery.task, now=taken.at) is None:
                    yield token

    def runner_of(self, token: str) -> C | None:
        return next((c for c, each in self._all.items() if token in each.running), None)

    def serving(self, queue: str) -> int:
        """Return how many consumers serve a queue."""
        return sum(queue in each.queues for each in self._all.values())

    def free(self, queue: str) -> int | None:
        """Return how many slots for a queue are free; None if there are no slots at all."""
        serving = [each for each in self._all.values() if each.slots and queue in each.queues]
        return sum(each.free for each in serving) if serving else None

    def wake(self, queue: str, deliveries: int) -> Iterator[C]:
        """Choose as many waiting consumers as these deliveries need, those with most room first.

        They count as awake from now on, until they find nothing to take.
        """
        waiting = [
            (consumer, each)
            for consumer, each in self._all.items()
            if each.waits and each.slots and queue in each.queues
        ]
        for consumer, each in sorted(waiting, key=lambda pair: -pair[1].free):
            if deliveries <= 0:
                return
            deliveries -= max(each.free, 1)  # the report of its last outcome may be on its way
            each.waits = False
            yield consumer
