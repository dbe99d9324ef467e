-- Groups of tasks. How many members stand where is counted in the group's one row, moved in the
-- commits that move its tasks. A row goes with the last task of its group.
CREATE TABLE task_groups (
    seq        INTEGER PRIMARY KEY,      -- grows, so the greatest is the newest
    name       TEXT NOT NULL UNIQUE,
    created_at REAL NOT NULL,
    closed_at  REAL,                     -- since when it takes no more tasks from outside
    ended_at   REAL,                     -- since when it is closed and all of its tasks have ended
    then_task  TEXT,                     -- what is accepted when it ends, as JSON
    then_at    REAL,                     -- when that was done: once, though a redrive reopens it
    then_id    TEXT,                     -- of the task that is there now
    queued     INTEGER NOT NULL DEFAULT 0,
    scheduled  INTEGER NOT NULL DEFAULT 0,
    running    INTEGER NOT NULL DEFAULT 0,
    retrying   INTEGER NOT NULL DEFAULT 0,
    completed  INTEGER NOT NULL DEFAULT 0,
    dead       INTEGER NOT NULL DEFAULT 0,
    cancelled  INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Those that were closed without a task: no task takes them along when it is deleted.
CREATE INDEX empty_groups ON task_groups (ended_at)
    WHERE ended_at IS NOT NULL AND completed + dead + cancelled = 0;

ALTER TABLE tasks ADD COLUMN group_name TEXT;

-- Only tasks of groups are in it.
CREATE INDEX of_group ON tasks (group_name, status, id, run_at) WHERE group_name IS NOT NULL;
