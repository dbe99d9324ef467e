-- Who has changed what, and from where. The ids grow with time: the greatest is the latest.
CREATE TABLE audited_changes (
    id     TEXT PRIMARY KEY,
    at     REAL NOT NULL,
    role   TEXT NOT NULL,
    who    TEXT NOT NULL,
    remote TEXT NOT NULL,
    method TEXT NOT NULL,
    path   TEXT NOT NULL,
    status INTEGER NOT NULL,
    body   TEXT
) STRICT, WITHOUT ROWID;
