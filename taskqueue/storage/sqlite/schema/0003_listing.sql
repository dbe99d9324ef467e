-- find, newest first, of each status but `running`: the tasks of one status, action and queue lie
-- together, so whatever is asked for is a few ranges. An action or a queue never changes, so a life
-- writes here as often as it would into an index of the status alone.
DROP INDEX by_status;
CREATE INDEX by_kind ON tasks (status, action, queue, id) WHERE status <> 'running';

-- find(queued) and find(scheduled), where the tasks on one side of now are few: with what they are
-- sorted and chosen by, so that no row is read for nothing.
DROP INDEX due;
CREATE INDEX due ON tasks (run_at, id, action, queue) WHERE status = 'scheduled';
