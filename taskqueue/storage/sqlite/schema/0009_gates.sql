-- What a claim may take. A row with a gate is parked: it waits until that gate opens, and no claim
-- meets it before. So the number of parked rows costs a claim nothing.
ALTER TABLE tasks ADD COLUMN limits TEXT;             -- JSON: [[name, key, cost], …]
ALTER TABLE tasks ADD COLUMN gate TEXT;               -- where it is parked; NULL: open
ALTER TABLE tasks ADD COLUMN turn REAL NOT NULL DEFAULT 0;  -- in the order of a claim, after the priority
ALTER TABLE tasks ADD COLUMN flow TEXT;               -- those of a queue take turns
ALTER TABLE tasks ADD COLUMN weight REAL NOT NULL DEFAULT 1;

DROP INDEX ready;
CREATE INDEX ready ON tasks (queue, priority, turn, run_at, id)
    WHERE token IS NULL AND processed_at IS NULL AND gate IS NULL;

-- Open rows that have limits: without one in its queue, a claim asks no further.
CREATE INDEX limited ON tasks (queue, limits, run_at)
    WHERE limits IS NOT NULL AND token IS NULL AND processed_at IS NULL AND gate IS NULL;

CREATE INDEX parked ON tasks (gate, queue, priority, turn, run_at, id) WHERE gate IS NOT NULL;

-- One line for each gate of each held task.
CREATE TABLE held_slots (
    task INTEGER NOT NULL,          -- tasks.seq
    gate TEXT NOT NULL,
    name TEXT NOT NULL,             -- of the limit
    cost REAL NOT NULL,
    PRIMARY KEY (task, gate)
) STRICT, WITHOUT ROWID;

CREATE INDEX slots_of_gate ON held_slots (gate);

-- What the limits allow, as JSON. What was changed at run time goes before what is declared.
CREATE TABLE task_limits (
    name       TEXT PRIMARY KEY,
    declared   TEXT,
    changed    TEXT,
    changed_at REAL
) STRICT, WITHOUT ROWID;

-- When the bucket of a gate is full again. A line whose instant has passed says nothing.
CREATE TABLE gate_debts (
    gate    TEXT PRIMARY KEY,
    debt_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX paid_debts ON gate_debts (debt_at);

-- Gates that rows are parked at until an instant: their rate opens them, not a settlement.
CREATE TABLE gate_openings (
    gate TEXT PRIMARY KEY,
    at   REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX next_openings ON gate_openings (at);

-- A task gets its turn when it is due: until then it is parked at this gate.
CREATE INDEX awaits_turn ON tasks (queue, run_at, id) WHERE gate = '/turn';

-- The latest turn of each flow. One whose turn was served is as good as none.
CREATE TABLE flow_turns (
    queue    TEXT NOT NULL,
    priority INTEGER NOT NULL,
    flow     TEXT NOT NULL,
    turn     REAL NOT NULL,
    PRIMARY KEY (queue, priority, flow)
) STRICT, WITHOUT ROWID;

CREATE INDEX served_flows ON flow_turns (queue, priority, turn);

-- The turn that was served last.
CREATE TABLE served_turns (
    queue    TEXT NOT NULL,
    priority INTEGER NOT NULL,
    turn     REAL NOT NULL,
    PRIMARY KEY (queue, priority)
) STRICT, WITHOUT ROWID;
