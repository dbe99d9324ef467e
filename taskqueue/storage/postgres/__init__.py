"""The engine on PostgreSQL: one database, any number of nodes.

verbs/       what the protocol names: each verb hands an operation to `_write` or `_read`
operations/  what an operation does, over a `Transaction` or a connection; plain coroutines
handler_sql/ what statements of handlers may do, and where they run
drivers/     our SQL on connections that users have opened
commit.py    group commit: what waits shares one transaction
history.py   partitions of ended tasks: made ahead, dropped when old; spans.py says which
schema/      numbered steps, and what takes them
sql/         the texts of statements
"""
