"""Connections to the file: on a thread here, or in a process of their own.

`set_up` opens one and sets its pragmas. `thread` and `process` each run functions on one and answer
with what these return. `spawn` starts the process, `process_main` is what runs there, `pickling` is
what the two say to each other, and `watchdog` kills a process that does not answer.
"""
