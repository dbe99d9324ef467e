-- The error of a dead task without what differs from task to task. `error_pattern` is the function
-- of `rules.summaries`: what it returned for a row when that died stays.
ALTER TABLE tasks ADD COLUMN error_pattern TEXT;

UPDATE tasks INDEXED BY by_kind SET error_pattern = error_pattern(reason)
WHERE status <> 'running' AND status = 'dead';

-- Dead tasks by action and error, and the tasks of each in the order of a page: with what a group
-- tells of them, so that no row is read.
CREATE INDEX dead_errors ON tasks (action, error_pattern, id, queue, processed_at)
    WHERE status = 'dead';
