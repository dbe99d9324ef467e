"""Tasks in one SQLite file: one writer with group commit, readers beside it.

engine ─┬─▶ commit/       gathers what waits, commits it, checkpoints
        ├─▶ handler_sql/  SQL of handlers, in processes of its own
        └─▶ connections/  a connection on a thread, or in a process
              └─▶ operations/  what a verb does there ─▶ sql/  the statements, and the rows
disk/   the file itself: lock, identity, log, SQLite's errors
"""
