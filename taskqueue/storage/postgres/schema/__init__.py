"""The schema of the tables, as numbered steps."""
