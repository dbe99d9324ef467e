"""`taskqueue verify`: kills a service under load, and compares what it promised with what it kept.

`site` keeps a service running, `app` has its handlers, `load` its clients; `killing` is a run,
`ledger` the comparison, `report` what is shown, and `command` what is called. The project's own
torture tests add faults of the disk to the same parts.
"""
