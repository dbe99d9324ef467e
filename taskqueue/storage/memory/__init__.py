"""Tasks in memory: the model of the other engines, and an engine for tests and demonstrations."""
