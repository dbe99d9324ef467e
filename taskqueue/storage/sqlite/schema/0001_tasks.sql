-- Whether a row is ready, held or ended can be read off two columns:
--   ready   token IS NULL and processed_at IS NULL
--   held    token IS NOT NULL
--   ended   processed_at IS NOT NULL
CREATE TABLE tasks (
    seq           INTEGER PRIMARY KEY,  -- rows made together lie together; a token names its row by it
    id            TEXT NOT NULL UNIQUE,
    payload       TEXT NOT NULL,
    status        TEXT NOT NULL,
    result        TEXT,
    created_at    REAL NOT NULL,
    processed_at  REAL,
    action        TEXT NOT NULL,
    queue         TEXT NOT NULL,
    priority      INTEGER NOT NULL,
    run_at        REAL NOT NULL,
    attempt       INTEGER NOT NULL DEFAULT 0,
    max_attempts  INTEGER NOT NULL,
    crashes       INTEGER NOT NULL DEFAULT 0,
    deliveries    INTEGER NOT NULL DEFAULT 0,
    started_at    REAL,
    reason        TEXT,
    -- the lease
    token         TEXT,
    node          TEXT,
    incarnation   TEXT,
    claimed_at    REAL,
    expires_at    REAL,
    waited_as     TEXT,                 -- the status that a hand-back of a running task restores
    -- the latest settlement, so that a repeated one is known again
    settled_token TEXT,
    settled_as    TEXT
) STRICT;

-- The cheapest set that serves every verb without a scan. A life costs few index writes, because
-- four of the five know only some rows: the claim leaves `ready` and enters `held`, the start
-- leaves `by_status`, the settlement leaves `held` and enters `by_status` and `ended`.

-- claim, next_due: live rows nobody holds, so their number and not the table's sets the price.
CREATE INDEX ready ON tasks (queue, priority, run_at, id)
    WHERE token IS NULL AND processed_at IS NULL;

-- held, rescue, find(running): as short as the slots and buffers are, so it is simply walked.
CREATE INDEX held ON tasks (claimed_at) WHERE token IS NOT NULL;

-- find of every other status, newest first.
CREATE INDEX by_status ON tasks (status, id) WHERE status <> 'running';

-- find(queued) must add the scheduled tasks that have come due without walking those that have not.
-- A task to be done at once never enters it.
CREATE INDEX due ON tasks (run_at) WHERE status = 'scheduled';

-- prune: by when it ended, which the order of ids does not tell.
CREATE INDEX ended ON tasks (status, processed_at) WHERE processed_at IS NOT NULL;

-- One line per settled attempt but the completing one, which the task's own row tells.
CREATE TABLE attempts (
    seq        INTEGER PRIMARY KEY,
    task       INTEGER NOT NULL,        -- tasks.seq
    attempt    INTEGER NOT NULL,
    outcome    TEXT NOT NULL,
    error      TEXT,
    traceback  TEXT,
    started_at REAL,
    ended_at   REAL NOT NULL
) STRICT;

CREATE INDEX attempts_of ON attempts (task);

-- How many tasks stand where: counting millions of rows takes hundreds of milliseconds.
CREATE TABLE counters (
    status TEXT PRIMARY KEY,
    tasks  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counters (status, tasks)
VALUES ('queued', 0), ('scheduled', 0), ('running', 0), ('retrying', 0),
       ('completed', 0), ('dead', 0), ('cancelled', 0);
