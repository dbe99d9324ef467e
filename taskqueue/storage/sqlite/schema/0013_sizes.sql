-- How many consumers a pool has been told to have; a pool that is not here has as many as configured.
CREATE TABLE consumer_sizes (
    pool      TEXT PRIMARY KEY,
    consumers INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
