"""SQL of handlers on PostgreSQL, over connections that serve nothing else.

settle  ─▶ sessions ─▶ its own group commit ─▶ settling ─▶ execution     with the ack
dry_run ─▶ sessions ─▶ a transaction of its own ─────────▶ execution     rolled back
                                                              ├─ permissions   before a statement
                                                              └─ footprint     after all of them

ctx.connection() ─▶ transactions     the handler's own connection, committed with the ack
"""
