# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL of turns: what waits for one, which the flows have, and which was served."""

# One transaction at a time gives the turns of a queue; what another finds meanwhile can wait.
TRY_TO_GIVE = "SELECT pg_try_advisory_xact_lock(hashtextextended('taskqueue.turns/' || $1, 0))"
AWAITING_TURN = """
SELECT seq, priority, flow, weight, turn < 0 FROM taskqueue.live_tasks
WHERE gate = '/turn' AND queue = $1 AND run_at <= $2
ORDER BY run_at, id LIMIT $3 FOR UPDATE SKIP LOCKED
"""
TURNS_OF = """
SELECT given.priority, given.flow,
    coalesce((
        SELECT turn FROM taskqueue.flow_turns
        WHERE queue = $1 AND priority = given.priority AND flow = given.flow
    ), -1),
    coalesce((
        SELECT turn FROM taskqueue.served_turns WHERE queue = $1 AND priority = given.priority
    ), 0)
FROM unnest($2::int8[], $3::text[]) AS given (priority, flow)
"""
GIVE_TURNS = """
UPDATE taskqueue.live_tasks AS tasks SET gate = NULL, turn = given.turn
FROM unnest($1::int8[], $2::float8[]) AS given (seq, turn) WHERE tasks.seq = given.seq
"""
NOTE_TURNS = """
INSERT INTO taskqueue.flow_turns (queue, priority, flow, turn)
SELECT $1, priority, flow, turn
FROM unnest($2::int8[], $3::text[], $4::float8[]) AS given (priority, flow, turn)
ON CONFLICT (queue, priority, flow) DO UPDATE SET turn = excluded.turn
"""
# Those that are noted forget some that were served, so they do not pile up.
FORGET_TURNS = """
DELETE FROM taskqueue.flow_turns WHERE (queue, priority, flow) IN (
    SELECT queue, priority, flow FROM taskqueue.flow_turns
    WHERE queue = $1 AND priority = $2 AND turn < $3 LIMIT $4
)
"""
NOTE_SERVED = """
INSERT INTO taskqueue.served_turns (queue, priority, turn)
SELECT queue, priority, max(turn) FROM taskqueue.live_tasks
WHERE seq = ANY ($1::bigint[]) AND turn > 0 GROUP BY queue, priority ORDER BY queue, priority
ON CONFLICT (queue, priority) DO UPDATE SET turn = greatest(served_turns.turn, excluded.turn)
"""

_WAITING = """FROM taskqueue.live_tasks AS tasks
    WHERE turn > 0 AND token IS NULL AND processed_at IS NULL AND gate IS DISTINCT FROM '/turn'
        AND queue = $1"""
NEXT_FLOW = f"""
SELECT priority, flow, turn, coalesce((
    SELECT served_turns.turn FROM taskqueue.served_turns
    WHERE served_turns.queue = $1 AND served_turns.priority = tasks.priority
), 0)
{_WAITING} AND (priority, flow) > ($2::int8, $3::text)
ORDER BY priority, flow, turn LIMIT 1
"""
COUNT_WAITING = f"""
SELECT count(*) FROM (SELECT 1 {_WAITING} AND priority = $2 AND flow = $3 LIMIT $4) AS waiting
"""
