ALTER TABLE tasks ADD COLUMN unique_key TEXT;
ALTER TABLE tasks ADD COLUMN fingerprint TEXT;    -- of what was asked for under the key
ALTER TABLE tasks ADD COLUMN progress TEXT;
ALTER TABLE tasks ADD COLUMN cancel_reason TEXT;  -- set while the task is held by somebody

-- At most one task has a key, whoever inserts it, until its row is deleted.
CREATE UNIQUE INDEX keys ON tasks (unique_key) WHERE unique_key IS NOT NULL;

-- The queues that nothing is claimed from.
CREATE TABLE paused (
    queue     TEXT PRIMARY KEY,
    paused_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- What `probe` writes and takes away again.
CREATE TABLE probe (ballast BLOB NOT NULL) STRICT;
