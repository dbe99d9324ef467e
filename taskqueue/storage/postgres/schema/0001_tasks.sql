-- Whether a row is ready, held or ended can be read off two columns:
--   ready   token IS NULL AND processed_at IS NULL
--   held    token IS NOT NULL
--   ended   processed_at IS NOT NULL
-- Ids, keys and names sort byte by byte, as in every engine: hence the collation.
--
-- Where a row lies follows from its status; the update that ends a task moves it there:
--   live_tasks                          all that have not ended: the only rows that a claim looks at
--   completed_, cancelled_, dead_tasks  partitions by the time of the end, each dropped as a whole
--   …_past                              what ended before the first partition; deleted row by row
--   …_rest                              what ended when there was no partition for it; likewise
-- The attempts at a task lie in partitions of the same bounds and go where their task goes.

CREATE SEQUENCE taskqueue.task_seq CACHE 1;

CREATE TABLE taskqueue.tasks (
    seq           bigint NOT NULL DEFAULT nextval('taskqueue.task_seq'),  -- a token names its row by it
    id            text COLLATE "C" NOT NULL,
    payload       text NOT NULL,
    status        text COLLATE "C" NOT NULL,
    result        text,
    created_at    double precision NOT NULL,
    processed_at  double precision,
    action        text COLLATE "C" NOT NULL,
    queue         text COLLATE "C" NOT NULL,
    priority      bigint NOT NULL,
    run_at        double precision NOT NULL,
    attempt       integer NOT NULL DEFAULT 0,
    max_attempts  bigint NOT NULL,
    crashes       integer NOT NULL DEFAULT 0,
    deliveries    integer NOT NULL DEFAULT 0,
    started_at    double precision,
    reason        text,
    -- the lease; no index knows expires_at, so a heartbeat touches none
    token         text COLLATE "C",
    node          text COLLATE "C",
    incarnation   text COLLATE "C",
    claimed_at    double precision,
    expires_at    double precision,
    waited_as     text COLLATE "C",       -- the status that a hand-back of a running task restores
    -- the latest settlement, so that a repeated one is known again
    settled_token text COLLATE "C",
    settled_as    text COLLATE "C",
    -- unique keys
    unique_key    text COLLATE "C",
    fingerprint   text COLLATE "C",       -- of what was asked for under the key
    unique_until  text COLLATE "C",       -- 'ended', 'started', or a number of seconds since its enqueue; NULL: until it is deleted
    former_key    text COLLATE "C",       -- the key that it held before another task has taken it over
    progress      text,
    cancel_reason text,                   -- set while the task is held
    edits         text,                   -- the latest edits, oldest first, as JSON
    log           text,                   -- of the completing attempt, as JSON
    traceparent   text COLLATE "C",
    -- what a claim may take: a row with a gate is parked, and no claim meets it
    limits        text COLLATE "C",       -- JSON: [[name, key, cost], …]
    gate          text COLLATE "C",       -- where it is parked; NULL: open
    turn          double precision NOT NULL DEFAULT 0,  -- in the order of a claim, after the priority
    flow          text COLLATE "C",       -- those of a queue take turns
    weight        double precision NOT NULL DEFAULT 1,
    start_by      double precision,       -- by when the task has to start
    group_name    text COLLATE "C",
    -- where it comes from: the task whose handler has enqueued it, or a schedule
    parent        text COLLATE "C",
    schedule      text COLLATE "C",
    error_pattern text COLLATE "C"        -- of a dead task: its error without what differs from task to task
) PARTITION BY LIST (status);

-- Room on each page for the next version of a row: what changes no index needs no new entries there.
CREATE TABLE taskqueue.live_tasks PARTITION OF taskqueue.tasks
    FOR VALUES IN ('queued', 'scheduled', 'retrying', 'running')
    WITH (
        fillfactor = 70,
        autovacuum_vacuum_scale_factor = 0.01,
        autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_insert_scale_factor = 0.05,
        autovacuum_analyze_scale_factor = 0.02,
        autovacuum_vacuum_cost_delay = 0,
        vacuum_truncate = off  -- it takes an exclusive lock
    );

-- Ids and keys are unique among live tasks. Whether an ended task has them is asked after each insert.
CREATE UNIQUE INDEX live_seqs ON taskqueue.live_tasks (seq);
CREATE UNIQUE INDEX live_ids ON taskqueue.live_tasks (id);
CREATE UNIQUE INDEX live_keys ON taskqueue.live_tasks (unique_key) WHERE unique_key IS NOT NULL;

-- claim, next_due: open rows that nobody holds, so their number and not the table's sets the price.
CREATE INDEX ready ON taskqueue.live_tasks (queue, priority, turn, run_at, id)
    WHERE token IS NULL AND processed_at IS NULL AND gate IS NULL;

-- Open rows that have limits: without one in its queue, a claim asks no further.
CREATE INDEX limited ON taskqueue.live_tasks (queue, limits, run_at)
    WHERE limits IS NOT NULL AND token IS NULL AND processed_at IS NULL AND gate IS NULL;

CREATE INDEX parked ON taskqueue.live_tasks (gate, queue, priority, turn, run_at, id)
    WHERE gate IS NOT NULL;

-- A task with a flow gets its turn when it is due: until then it is parked at this gate.
CREATE INDEX awaits_turn ON taskqueue.live_tasks (queue, run_at, id) WHERE gate = '/turn';

-- held, rescue, find(running): as short as the slots and buffers are, so it is simply walked.
CREATE INDEX held ON taskqueue.live_tasks (claimed_at) WHERE token IS NOT NULL;

-- find(queued) and find(scheduled), where the tasks on one side of now are few.
CREATE INDEX due ON taskqueue.live_tasks (run_at, id) WHERE status = 'scheduled';

-- What may still expire: few tasks have an expiry, and their first claim ends it.
CREATE INDEX expiring ON taskqueue.live_tasks (start_by, id)
    WHERE start_by IS NOT NULL AND token IS NULL AND processed_at IS NULL
        AND attempt = 0 AND started_at IS NULL;

-- What waits for its turn, so that each flow can be counted.
CREATE INDEX waiting_flows ON taskqueue.live_tasks (queue, priority, flow, turn)
    WHERE turn > 0 AND token IS NULL AND processed_at IS NULL AND gate IS DISTINCT FROM '/turn';

-- One line per settled attempt but the completing one, which the task's own row tells.
CREATE SEQUENCE taskqueue.attempt_seq;

CREATE TABLE taskqueue.attempts (
    seq         bigint NOT NULL DEFAULT nextval('taskqueue.attempt_seq'),
    task        bigint NOT NULL,  -- tasks.seq
    attempt     integer NOT NULL,
    outcome     text NOT NULL,
    error       text,
    traceback   text,
    started_at  double precision,
    ended_at    double precision NOT NULL,
    log         text,             -- JSON
    -- how and when the task has ended: its attempts lie in the partition of that
    task_status text COLLATE "C" NOT NULL DEFAULT 'live',
    task_end    double precision NOT NULL DEFAULT 0
) PARTITION BY LIST (task_status);

CREATE TABLE taskqueue.live_attempts PARTITION OF taskqueue.attempts FOR VALUES IN ('live')
    WITH (autovacuum_vacuum_scale_factor = 0.05, vacuum_truncate = off);

-- Every partition that is made later gets the indexes of its parent.
DO $$
DECLARE
    status text;
    first  bigint := floor(extract(epoch FROM clock_timestamp()) / 3600) * 3600;
    kind   text;
BEGIN
    FOREACH status IN ARRAY ARRAY['completed', 'cancelled', 'dead'] LOOP
        EXECUTE format('CREATE TABLE taskqueue.%1$I PARTITION OF taskqueue.tasks
            FOR VALUES IN (%2$L) PARTITION BY RANGE (processed_at)', status || '_tasks', status);
        EXECUTE format('CREATE INDEX %I ON taskqueue.%I (seq)', status || '_seqs', status || '_tasks');
        EXECUTE format('CREATE INDEX %I ON taskqueue.%I (id)', status || '_ids', status || '_tasks');
        EXECUTE format('CREATE INDEX %I ON taskqueue.%I (unique_key) WHERE unique_key IS NOT NULL',
            status || '_keys', status || '_tasks');
        EXECUTE format('CREATE TABLE taskqueue.%1$I PARTITION OF taskqueue.attempts
            FOR VALUES IN (%2$L) PARTITION BY RANGE (task_end)', status || '_attempts', status);
        FOREACH kind IN ARRAY ARRAY['tasks', 'attempts'] LOOP
            EXECUTE format('CREATE TABLE taskqueue.%1$I PARTITION OF taskqueue.%2$I
                FOR VALUES FROM (MINVALUE) TO (%3$s) WITH (vacuum_truncate = off)',
                status || '_' || kind || '_past', status || '_' || kind, first);
            EXECUTE format('CREATE TABLE taskqueue.%1$I PARTITION OF taskqueue.%2$I
                DEFAULT WITH (vacuum_truncate = off)',
                status || '_' || kind || '_rest', status || '_' || kind);
        END LOOP;
        EXECUTE format('CREATE INDEX ON taskqueue.%I (processed_at)', status || '_tasks_past');
        EXECUTE format('CREATE INDEX ON taskqueue.%I (processed_at)', status || '_tasks_rest');
    END LOOP;
END $$;

CREATE INDEX former_keys ON taskqueue.tasks (former_key, id) WHERE former_key IS NOT NULL;

-- find, of every other status: the tasks of one status, action and queue lie together.
CREATE INDEX by_kind ON taskqueue.tasks (status, action, queue, id) WHERE status <> 'running';

CREATE INDEX of_group ON taskqueue.tasks (group_name, status, id, run_at)
    WHERE group_name IS NOT NULL;

-- The children of a task, in the order of their ids. Only tasks that have a parent are in it.
CREATE INDEX of_parent ON taskqueue.tasks (parent, id) WHERE parent IS NOT NULL;

-- Dead tasks by action and error, and the tasks of each in the order of a page.
CREATE INDEX dead_errors ON taskqueue.dead_tasks (action, error_pattern, id) WHERE status = 'dead';

CREATE INDEX attempts_of ON taskqueue.attempts (task, seq);
CREATE INDEX logs_of ON taskqueue.attempts (task, seq) WHERE log IS NOT NULL;
CREATE INDEX attempt_seqs ON taskqueue.attempts (seq);

-- How many tasks stand where, in several rows that are summed: a commit takes one that no other
-- commit holds. One row for each status would make all commits wait for one another.
CREATE TABLE taskqueue.counters (
    shard     integer PRIMARY KEY,
    queued    bigint NOT NULL DEFAULT 0,
    scheduled bigint NOT NULL DEFAULT 0,
    running   bigint NOT NULL DEFAULT 0,
    retrying  bigint NOT NULL DEFAULT 0,
    completed bigint NOT NULL DEFAULT 0,
    dead      bigint NOT NULL DEFAULT 0,
    cancelled bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 500, vacuum_truncate = off);

INSERT INTO taskqueue.counters (shard) SELECT generate_series(0, 31);

-- The queues that nothing is claimed from.
CREATE TABLE taskqueue.paused (
    queue     text COLLATE "C" PRIMARY KEY,
    paused_at double precision NOT NULL
);

-- What `probe` writes and takes away again; not compressed.
CREATE TABLE taskqueue.probe (ballast bytea NOT NULL)
    WITH (autovacuum_vacuum_threshold = 10, vacuum_truncate = off);
ALTER TABLE taskqueue.probe ALTER COLUMN ballast SET STORAGE EXTERNAL;

-- Who may call the service. A token is stored as its SHA-256, so this table gives no access.
CREATE TABLE taskqueue.access_tokens (
    name       text COLLATE "C" PRIMARY KEY,
    role       text NOT NULL,
    digest     bytea NOT NULL UNIQUE,
    created_at double precision NOT NULL,
    expires_at double precision,
    used_at    double precision
);

-- Who has changed what, and from where. The ids grow with time: the greatest is the latest.
CREATE TABLE taskqueue.audited_changes (
    id     text COLLATE "C" PRIMARY KEY,
    at     double precision NOT NULL,
    role   text NOT NULL,
    who    text NOT NULL,
    remote text NOT NULL,
    method text NOT NULL,
    path   text NOT NULL,
    status integer NOT NULL,
    body   text
) WITH (vacuum_truncate = off);

-- One line for each gate of each held task.
CREATE TABLE taskqueue.held_slots (
    task bigint NOT NULL,          -- tasks.seq
    gate text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,  -- of the limit
    cost double precision NOT NULL,
    PRIMARY KEY (task, gate)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, vacuum_truncate = off);

CREATE INDEX slots_of_gate ON taskqueue.held_slots (gate, task);
CREATE INDEX slots_of_limit ON taskqueue.held_slots (name, task);

-- What the limits allow, as JSON. What was changed at run time goes before what is declared.
CREATE TABLE taskqueue.task_limits (
    name       text COLLATE "C" PRIMARY KEY,
    declared   text,
    changed    text,
    changed_at double precision
);

-- When the bucket of a gate is full again. A line whose instant has passed says nothing.
CREATE TABLE taskqueue.gate_debts (
    gate    text COLLATE "C" PRIMARY KEY,
    debt_at double precision NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, vacuum_truncate = off);

CREATE INDEX paid_debts ON taskqueue.gate_debts (debt_at);

-- Gates that rows are parked at until an instant: their rate opens them, not a settlement.
CREATE TABLE taskqueue.gate_openings (
    gate text COLLATE "C" PRIMARY KEY,
    at   double precision NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, vacuum_truncate = off);

CREATE INDEX next_openings ON taskqueue.gate_openings (at);

-- The latest turn of each flow. One whose turn was served is as good as none.
CREATE TABLE taskqueue.flow_turns (
    queue    text COLLATE "C" NOT NULL,
    priority bigint NOT NULL,
    flow     text COLLATE "C" NOT NULL,
    turn     double precision NOT NULL,
    PRIMARY KEY (queue, priority, flow)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, vacuum_truncate = off);

CREATE INDEX served_flows ON taskqueue.flow_turns (queue, priority, turn);

-- The turn that was served last.
CREATE TABLE taskqueue.served_turns (
    queue    text COLLATE "C" NOT NULL,
    priority bigint NOT NULL,
    turn     double precision NOT NULL,
    PRIMARY KEY (queue, priority)
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 500, vacuum_truncate = off);

-- What is to run again and again. The plan and the last decision are JSON.
CREATE TABLE taskqueue.task_schedules (
    name         text COLLATE "C" PRIMARY KEY,
    origin       text NOT NULL,
    plan         text NOT NULL,
    active_from  double precision NOT NULL,
    decided_to   double precision NOT NULL,
    created_at   double precision NOT NULL,
    changed_at   double precision NOT NULL,
    version      bigint NOT NULL,
    is_declared  boolean NOT NULL,
    paused_at    double precision,
    pause_reason text,
    fired        bigint NOT NULL,
    skipped      bigint NOT NULL,
    missed       bigint NOT NULL,
    last         text
) WITH (fillfactor = 50);

-- What was decided of a slot. That there is one row at most is why no slot runs twice.
CREATE TABLE taskqueue.schedule_slots (
    schedule   text COLLATE "C" NOT NULL,
    at         double precision NOT NULL,
    run_now    boolean NOT NULL,
    outcome    text NOT NULL,
    decided_at double precision NOT NULL,
    reason     text,
    task_id    text COLLATE "C",
    slots      bigint NOT NULL,
    is_open    boolean NOT NULL,  -- it waits, or its task had not ended when last looked at
    PRIMARY KEY (schedule, at, run_now)
) WITH (vacuum_truncate = off);

-- The runs that the next slot may have to wait for.
CREATE INDEX open_slots ON taskqueue.schedule_slots (schedule, at) WHERE is_open;

-- Groups of tasks. How many members stand where is counted in the group's one row, moved in the
-- commits that move its tasks. A row goes with the last task of its group.
CREATE TABLE taskqueue.task_groups (
    seq        bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,  -- the greatest is the newest
    name       text COLLATE "C" NOT NULL UNIQUE,
    created_at double precision NOT NULL,
    closed_at  double precision,  -- since when it takes no more tasks from outside
    ended_at   double precision,  -- since when it is closed and all of its tasks have ended
    then_task  text,              -- what is accepted when it ends, as JSON
    then_at    double precision,  -- when that was done: once, though a redrive reopens it
    then_id    text COLLATE "C",  -- of the task that is there now
    queued     bigint NOT NULL DEFAULT 0,
    scheduled  bigint NOT NULL DEFAULT 0,
    running    bigint NOT NULL DEFAULT 0,
    retrying   bigint NOT NULL DEFAULT 0,
    completed  bigint NOT NULL DEFAULT 0,
    dead       bigint NOT NULL DEFAULT 0,
    cancelled  bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 500, vacuum_truncate = off);

-- How many consumers a pool has been told to have, and how many slots each of them; NULL: as many as
-- configured.
CREATE TABLE taskqueue.consumer_sizes (
    pool      text COLLATE "C" PRIMARY KEY,
    consumers bigint,
    slots     bigint
);

-- The nodes that share this database. What a heartbeat changes is in no index, so it moves no other row.
CREATE TABLE taskqueue.nodes (
    name           text COLLATE "C" PRIMARY KEY,
    incarnation    text COLLATE "C" NOT NULL,
    said           text NOT NULL,  -- what the node says of itself, as JSON
    beat_at        double precision NOT NULL,
    draining_since double precision
) WITH (fillfactor = 20, autovacuum_vacuum_threshold = 500, vacuum_truncate = off);
