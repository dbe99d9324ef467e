-- What is to run again and again. The plan and the last decision are JSON.
CREATE TABLE task_schedules (
    name         TEXT PRIMARY KEY,
    origin       TEXT NOT NULL,
    plan         TEXT NOT NULL,
    active_from  REAL NOT NULL,
    decided_to   REAL NOT NULL,
    created_at   REAL NOT NULL,
    changed_at   REAL NOT NULL,
    version      INTEGER NOT NULL,
    is_declared  INTEGER NOT NULL,
    paused_at    REAL,
    pause_reason TEXT,
    fired        INTEGER NOT NULL,
    skipped      INTEGER NOT NULL,
    missed       INTEGER NOT NULL,
    last         TEXT
) STRICT, WITHOUT ROWID;

-- What was decided of a slot. That there is one row at most is why no slot runs twice.
CREATE TABLE schedule_slots (
    schedule   TEXT NOT NULL,
    at         REAL NOT NULL,
    run_now    INTEGER NOT NULL,
    outcome    TEXT NOT NULL,
    decided_at REAL NOT NULL,
    reason     TEXT,
    task_id    TEXT,
    slots      INTEGER NOT NULL,
    is_open    INTEGER NOT NULL,  -- it waits, or its task had not ended when last looked at
    PRIMARY KEY (schedule, at, run_now)
) STRICT, WITHOUT ROWID;

-- The runs that the next slot may have to wait for.
CREATE INDEX open_slots ON schedule_slots (schedule, at) WHERE is_open;
