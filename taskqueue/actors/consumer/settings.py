"""How a consumer works."""

from taskqueue.rules.encoding import MAX_BYTES
from taskqueue.rules.recycling import ProcessPolicy
from taskqueue.rules.tasks import DEFAULT_QUEUE
from taskqueue.structs import Struct


class ConsumerSettings(Struct):
    """How a consumer works."""

    queues: tuple[str, ...] = (DEFAULT_QUEUE,)  # those it serves
    slots: int = 1  # handlers at once
    drain_s: float = 30.0  # how long they may run on when it stops
    max_result_bytes: int = MAX_BYTES
    timeout_s: float = 0.0  # of attempts whose action has no limit of its own; 0: none
    process: ProcessPolicy = ProcessPolicy()
