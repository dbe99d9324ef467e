"""The database file on its disk: its lock, its identity, its log, and SQLite's errors."""
