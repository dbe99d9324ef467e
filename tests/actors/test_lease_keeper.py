"""Which starts the queue actor notes in place of consumers."""

from typing import Any

from taskqueue.actors.queue.dispatch import DispatchBuffer
from taskqueue.actors.queue.lease_keeper import LeaseKeeper
from taskqueue.attempt_log import AttemptLog
from taskqueue.rules.leases.ledger import Leases
from taskqueue.rules.leases.values import Taken
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.tasks import Delivery, NewTask, Owner
from taskqueue.testing.claims import claimed
from taskqueue.testing.clock import ManualClock


class Asked:
    """Remembers which starts a storage was told."""

    def __init__(self) -> None:
        self.starts: list[tuple[str, ...]] = []

    async def use(self, _: object, tokens: tuple[str, ...], *, now: float) -> None:
        self.starts.append(tokens)


def taken(token: str) -> Taken:
    task = claimed(NewTask(id=token, action="work", payload="{}"))
    delivery = Delivery(token=token, task=task, expires_at=30.0, started=False)
    return Taken(delivery, 0.0, AttemptLog())


async def test_the_start_of_what_two_looks_have_met_is_noted_once() -> None:
    leases: Leases[Any] = Leases(("default",), 5, RetryPolicy())
    clock, storage, driver = ManualClock(), Asked(), None
    keeper = LeaseKeeper(
        Owner(node="node", incarnation="1"),
        30.0,
        clock,
        storage=storage,  # type: ignore[arg-type]  # only its `use`
        dispatch=DispatchBuffer(leases, clock),
        driver=driver,  # type: ignore[arg-type]  # nothing is fed
    )
    leases.register("consumer", 2, {"default"}, [taken("lasting"), taken("ended")])

    await keeper.note_starts()
    after_one_look = [*storage.starts]
    leases.register("consumer", 2, {"default"}, [taken("lasting"), taken("new")])
    await keeper.note_starts()
    await keeper.note_starts()

    assert after_one_look == []
    assert storage.starts == [("lasting",), ("new",)]
