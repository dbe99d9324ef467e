"""`taskqueue bench`: what the service does on the user's own disk, in less than half a minute.

`place` is where, `disk` is SQLite alone, `measured` and `work` are the service and what it does;
`measuring` is the order of it all, `report` how a figure is shown, `command` what is called.
"""
