# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL of turns: what waits for one, which the flows have, and which was served."""

AWAITING_TURN = """
SELECT seq, priority, flow, weight, turn < 0 FROM main.tasks INDEXED BY awaits_turn
WHERE gate = '/turn' AND queue = ? AND run_at <= ? ORDER BY run_at, id LIMIT ?
"""
TURNS_OF = """
SELECT (SELECT turn FROM main.flow_turns WHERE queue = :queue AND priority = :priority
        AND flow = :flow),
    (SELECT turn FROM main.served_turns WHERE queue = :queue AND priority = :priority)
"""
GIVE_TURN = "UPDATE main.tasks SET gate = NULL, turn = ? WHERE seq = ?"
NOTE_TURN = """
INSERT INTO main.flow_turns (queue, priority, flow, turn) VALUES (?, ?, ?, ?)
ON CONFLICT (queue, priority, flow) DO UPDATE SET turn = excluded.turn
"""
# Each turn that is noted forgets two that were served, so they do not pile up.
FORGET_TURNS = """
DELETE FROM main.flow_turns WHERE (queue, priority, flow) IN (
    SELECT queue, priority, flow FROM main.flow_turns INDEXED BY served_flows
    WHERE queue = :queue AND priority = :priority AND turn < :served LIMIT 2
)
"""
NOTE_SERVED = """
INSERT INTO main.served_turns (queue, priority, turn)
SELECT queue, priority, max(turn) FROM main.tasks
WHERE seq IN (SELECT value FROM json_each(?)) AND turn > 0 GROUP BY queue, priority
ON CONFLICT (queue, priority) DO UPDATE SET turn = max(turn, excluded.turn)
"""

_WAITING = """FROM main.tasks INDEXED BY waiting_flows
    WHERE turn > 0 AND token IS NULL AND processed_at IS NULL AND gate IS NOT '/turn'
        AND queue = :queue"""
NEXT_FLOW = f"""
SELECT priority, flow, turn, coalesce((
    SELECT served_turns.turn FROM main.served_turns
    WHERE served_turns.queue = :queue AND served_turns.priority = tasks.priority
), 0.0)
{_WAITING} AND (priority, flow) > (:priority, :flow)
ORDER BY priority, flow, turn LIMIT 1
"""
COUNT_WAITING = f"""
SELECT count(*) FROM (
    SELECT 1 {_WAITING} AND priority = :priority AND flow = :flow LIMIT :limit
)
"""
