-- Where a task comes from: the task whose handler has enqueued it, or a schedule.
ALTER TABLE tasks ADD COLUMN parent TEXT;
ALTER TABLE tasks ADD COLUMN schedule TEXT;

-- The children of a task, in the order of their ids. Only tasks that have a parent are in it.
CREATE INDEX of_parent ON tasks (parent, id) WHERE parent IS NOT NULL;
