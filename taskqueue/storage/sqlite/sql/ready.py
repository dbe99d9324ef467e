# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL that finds what is ready to be claimed, or will be."""

_READY = "token IS NULL AND processed_at IS NULL"

# Claims step from priority to priority, each a range of the index of its own. One range over all
# of them could not stop early: a million future tasks of priority 0 would be read through before
# the first of priority 1.
#
# Whether the queue is paused is asked once, before: as a condition of the rows it would be asked of
# each of them.
FIRST_OF_ALL = -(2**63)
_FIRST_PRIORITY = f"""
iif(
    EXISTS (SELECT 1 FROM main.paused WHERE queue = :queue),
    NULL,
    (
        SELECT min(priority) FROM main.tasks INDEXED BY ready
        WHERE {_READY} AND queue = :queue AND priority >= :from_priority
    )
)
"""

_NEXT_PRIORITY = f"""
(
    SELECT min(tasks.priority) FROM main.tasks INDEXED BY ready
    WHERE {_READY} AND queue = :queue AND tasks.priority > waiting.priority
)
"""

# The priorities that have tasks waiting, up to the first that has a due one. There are 256 at most
# (`MAX_PRIORITY`), so this walk has an end that is near.
_UP_TO_THE_FIRST_DUE = f"""
waiting (priority) AS (
    SELECT {_FIRST_PRIORITY}
    UNION ALL
    SELECT {_NEXT_PRIORITY} FROM waiting
    WHERE waiting.priority IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM main.tasks INDEXED BY ready
        WHERE {_READY} AND queue = :queue AND tasks.priority = waiting.priority AND run_at <= :now
    )
)
"""

# The due rows of the first priority that has some, in the order of a claim; the next priority, if
# there is one; and what makes the tokens of this claim unlike all others.
READY = f"""
WITH RECURSIVE {_UP_TO_THE_FIRST_DUE},
here (priority) AS MATERIALIZED (SELECT max(priority) FROM waiting)
SELECT
    (
        SELECT json_group_array(seq)
        FROM (
            SELECT seq FROM main.tasks INDEXED BY ready
            WHERE {_READY} AND queue = :queue AND priority = here.priority AND run_at <= :now
            ORDER BY run_at, id LIMIT :limit
        )
    ),
    (
        SELECT min(tasks.priority) FROM main.tasks INDEXED BY ready
        WHERE {_READY} AND queue = :queue AND tasks.priority > here.priority
    ),
    lower(hex(randomblob(16)))
FROM here
"""

PRIORITY_FROM = f"""
SELECT min(priority) FROM main.tasks INDEXED BY ready
WHERE {_READY} AND queue = :queue AND priority >= :priority
"""

# Within the task's own priority only what is due before it, or at the same time with a smaller id.
COUNT_AHEAD = f"""
SELECT count(*) FROM (
    SELECT 1 FROM main.tasks INDEXED BY ready
    WHERE {_READY} AND queue = :queue AND priority = :priority AND run_at <= :now
        AND (priority < :own_priority OR (run_at, id) < (:run_at, :id))
    LIMIT :limit
)
"""

NEXT_DUE = f"""
WITH RECURSIVE waiting (priority) AS (
    SELECT {_FIRST_PRIORITY}
    UNION ALL
    SELECT {_NEXT_PRIORITY} FROM waiting WHERE waiting.priority IS NOT NULL
)
SELECT min((
    SELECT min(run_at) FROM main.tasks INDEXED BY ready
    WHERE {_READY} AND queue = :queue AND tasks.priority = waiting.priority
))
FROM waiting WHERE waiting.priority IS NOT NULL
"""

# Steps from queue to queue, so it costs as much as there are queues with tasks that wait, however
# many are served and however many tasks there are.
WAITING_QUEUES = f"""
WITH RECURSIVE queues (queue) AS (
    SELECT min(queue) FROM main.tasks INDEXED BY ready WHERE {_READY}
    UNION ALL
    SELECT (
        SELECT min(tasks.queue) FROM main.tasks INDEXED BY ready
        WHERE {_READY} AND tasks.queue > queues.queue
    )
    FROM queues WHERE queues.queue IS NOT NULL
)
SELECT queue FROM queues WHERE queue IS NOT NULL
"""

# Without a due task the walk ends behind the last priority.
IS_IDLE = f"""
WITH RECURSIVE {_UP_TO_THE_FIRST_DUE}
SELECT NOT EXISTS (SELECT 1 FROM main.paused WHERE queue = :queue)
    AND EXISTS (SELECT 1 FROM waiting WHERE waiting.priority IS NULL)
"""
