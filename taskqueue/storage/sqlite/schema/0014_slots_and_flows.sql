-- How many slots each consumer of a pool has been told to have, too. Either number may be left as it
-- is configured, so neither has to be there. SQLite cannot drop a NOT NULL.
CREATE TEMP TABLE kept_sizes AS SELECT pool, consumers FROM main.consumer_sizes;
DROP TABLE main.consumer_sizes;
CREATE TABLE consumer_sizes (
    pool      TEXT PRIMARY KEY,
    consumers INTEGER,
    slots     INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO main.consumer_sizes (pool, consumers) SELECT pool, consumers FROM temp.kept_sizes;
DROP TABLE temp.kept_sizes;

-- What waits for its turn, so that each flow can be counted. A task without a flow costs nothing here.
CREATE INDEX waiting_flows ON tasks (queue, priority, flow, turn)
    WHERE turn > 0 AND token IS NULL AND processed_at IS NULL AND gate IS NOT '/turn';
