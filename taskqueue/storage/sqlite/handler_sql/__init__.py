"""SQL of handlers, which may neither harm the queue nor hold up its commits.

    settle, dry_run ─▶ isolation ─▶ sandbox ──process──▶ bounded ─▶ execution
                                    (one that writes, one that reads)   └─ permissions

Without processes of their own (a storage whose `writes_in` is "thread") the writer runs them.
"""
