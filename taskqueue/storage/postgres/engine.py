"""The storage in a PostgreSQL database: its verbs, a module for each part."""

from taskqueue.storage.postgres.verbs.administration import PostgresAdministration
from taskqueue.storage.postgres.verbs.gates import PostgresGates
from taskqueue.storage.postgres.verbs.handler_sql import PostgresHandlerSQL
from taskqueue.storage.postgres.verbs.leases import PostgresLeases
from taskqueue.storage.postgres.verbs.nodes import PostgresNodes
from taskqueue.storage.postgres.verbs.records import PostgresRecords
from taskqueue.storage.postgres.verbs.schedules import PostgresSchedules
from taskqueue.storage.postgres.verbs.summaries import PostgresSummaries
from taskqueue.storage.postgres.verbs.tasks import PostgresTasks
from taskqueue.storage.protocol import Storage


class PostgresStorage(
    PostgresTasks,
    PostgresLeases,
    PostgresGates,
    PostgresAdministration,
    PostgresSummaries,
    PostgresSchedules,
    PostgresNodes,
    PostgresRecords,
    PostgresHandlerSQL,
    Storage,
):
    """Tasks in the schema `taskqueue` of a database, which any number of processes may serve.

    A verb that writes returns after the server has committed, with `synchronous_commit` on at
    least. Verbs that are awaited at the same time share a commit. A connection that is lost is made
    again by the next verb; what it may have written is decided by ids and tokens, as ever.
    """
