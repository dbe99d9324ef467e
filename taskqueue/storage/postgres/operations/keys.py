"""What happens inside a transaction when a new task meets the holder of its unique key.

Whether a hold is over is decided here, by the insert that needs the key. So claims and settlements
have nothing to do with keys.
"""

from taskqueue.rules.tasks import Accepted, NewTask
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.transaction import Transaction


async def meet(tx: Transaction, task: NewTask, *, now: float) -> Accepted | None:
    """Resolve a collision of unique keys; return None if the holder has released the key.

    The holder's row is locked (`FOR UPDATE`) before it is looked at: another node may claim it.
    """
    raise NotImplementedError


async def standing(db: SQL, task: NewTask, *, now: float) -> Accepted | None:
    """Say what answers for a task that must not be inserted, if that changes nothing."""
    raise NotImplementedError
