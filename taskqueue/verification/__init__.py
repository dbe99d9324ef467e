"""`taskqueue verify`: kills a service under load, and compares what it promised with what it kept.

`site` is where a service runs, which is `kept` running; `app` has its handlers with their
`statements`, `load` its clients; `killing` is a run, `report` what is shown, and `command` what is
called. `ledger` compares what is in the `books`, with
`gate_checks` for limits, `slot_checks` for schedules and `group_checks` for groups. Handlers tell
of themselves as a `witness` does, `collector` hears it, and it is `evidence` then; `stopped_gates`
are looked at between two lives. The project's own torture tests add faults of the disk to the same
parts, and several nodes on PostgreSQL.
"""
