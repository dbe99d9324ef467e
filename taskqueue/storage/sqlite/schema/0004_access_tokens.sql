-- Who may call the service. A token is stored as its SHA-256, so this table gives no access.
CREATE TABLE access_tokens (
    name       TEXT PRIMARY KEY,
    role       TEXT NOT NULL,
    digest     BLOB NOT NULL UNIQUE,
    created_at REAL NOT NULL,
    expires_at REAL,
    used_at    REAL
) STRICT;
