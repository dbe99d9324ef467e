# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL of the counts per status, which are kept in shards and summed."""

from taskqueue.rules.tasks import Status

_MOVED = ", ".join(f"{status} = {status} + ${place}" for place, status in enumerate(Status, 1))

# A shard that no other commit holds: commits of many nodes need not wait for one another.
MOVE_IN_A_FREE_SHARD = f"""
UPDATE taskqueue.counters SET {_MOVED} WHERE shard = (
    SELECT shard FROM taskqueue.counters ORDER BY shard LIMIT 1 FOR UPDATE SKIP LOCKED
)
"""
# At REPEATABLE READ, what has changed since the snapshot cannot be changed. Such a version has an
# `xmax` (as has one that was only locked, which matters little).
MOVE_IN_AN_UNCHANGED_SHARD = f"""
UPDATE taskqueue.counters SET {_MOVED} WHERE shard = (
    SELECT shard FROM taskqueue.counters ORDER BY xmax <> '0'::xid, random()
    LIMIT 1 FOR UPDATE SKIP LOCKED
)
"""
MOVE_IN_ANY_SHARD = f"""
UPDATE taskqueue.counters SET {_MOVED} WHERE shard = (
    SELECT shard FROM taskqueue.counters ORDER BY random() LIMIT 1
)
"""

COUNTS = (
    f"SELECT {', '.join(f'sum({status})::bigint' for status in Status)} FROM taskqueue.counters"
)
