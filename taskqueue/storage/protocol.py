"""What a storage engine must do: the queue's verbs, one semantics on every engine.

Nothing above this seam knows a row; nothing below it knows a retry rule or an actor. Every verb is
batch-shaped and takes `now` (UTC epoch seconds), so time is the caller's. A verb that writes is
durable when it returns; verbs awaited at the same time may share one commit, in the order in which
they were called. A caller that is cancelled leaves its write undecided and its neighbours alone.
Each part is a protocol of its own, with a module of the contract in `taskqueue.testing.contract`.
`memory` is the obvious engine and so the model.
"""

from typing import Protocol

from taskqueue.storage.administration import Administration
from taskqueue.storage.gates import Gates
from taskqueue.storage.groups import Groups
from taskqueue.storage.handler_sql import HandlerSQL
from taskqueue.storage.leases import Leases
from taskqueue.storage.lifecycle import Lifecycle
from taskqueue.storage.nodes import Nodes
from taskqueue.storage.schedules import Schedules
from taskqueue.storage.summaries import Summaries
from taskqueue.storage.tasks import Tasks
from taskqueue.storage.tokens import Tokens


class Storage(
    Lifecycle,
    Tasks,
    Leases,
    Groups,
    Gates,
    Administration,
    Summaries,
    Schedules,
    Nodes,
    Tokens,
    HandlerSQL,
    Protocol,
):
    """A place where tasks are kept.

    Every verb but `close` raises `StorageUnavailable` if the engine cannot serve now (not open,
    held by another, connection lost, disk full, I/O error) and `StorageCorrupt` if what is there is
    no usable database. After either, a write may or may not have happened: inserts are safe to
    repeat by id, settlements by token.
    """
