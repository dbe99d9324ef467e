"""Tasks in one SQLite file: one writer with group commit, readers beside it.

verbs ──▶ engine ──▶ writer ──▶ writes ─┐                      statements: the SQL
             │       (group commit)     ├──▶ connection        rows: a row as a word
             └──────────────▶ reads ────┘    (a thread each)   faults: SQLite's errors as ours
                                                               handler_sql: the users' SQL, guarded
"""
