-- Until when a task holds its unique key: 'ended', 'started', or a number of seconds since its
-- enqueue; NULL: until it is deleted.
ALTER TABLE tasks ADD COLUMN unique_until ANY;

-- The key that it held before another task has taken it over.
ALTER TABLE tasks ADD COLUMN former_key TEXT;

CREATE INDEX former_keys ON tasks (former_key, id) WHERE former_key IS NOT NULL;
