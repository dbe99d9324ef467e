"""Group commit: `writer` collects writes, `batch` commits them, `checkpointer` keeps the log short.

A `transaction` is the state that the operations of one commit share.
"""
