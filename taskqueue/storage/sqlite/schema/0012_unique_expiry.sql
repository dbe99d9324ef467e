-- Until when a task holds its unique key: 'ended', 'started', or a number of seconds since its
-- enqueue; NULL: until it is deleted.
ALTER TABLE tasks ADD COLUMN unique_until ANY;

-- The key that it held before another task has taken it over.
ALTER TABLE tasks ADD COLUMN former_key TEXT;

CREATE INDEX former_keys ON tasks (former_key, id) WHERE former_key IS NOT NULL;

-- By when the task has to start; NULL: whenever that is.
ALTER TABLE tasks ADD COLUMN start_by REAL;

-- What may still expire: few tasks have an expiry, and their first claim ends it.
CREATE INDEX expiring ON tasks (start_by)
    WHERE start_by IS NOT NULL AND token IS NULL AND processed_at IS NULL
        AND attempt = 0 AND started_at IS NULL;
