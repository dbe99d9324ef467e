"""Group commit: `writer` gathers what waits, `batch` commits it, `checkpointer` shortens the log.

A `transaction` is what the operations of one commit share.
"""
