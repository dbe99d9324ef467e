"""Other task queues, and the ways into ours: each behind the same verbs, measured by the same code.

    huey_peer.py, …   one module for each library: its app, its workers' command, its producer
    field.py          who there is, what each needs, and which of ours is its counterpart
    sessions.py       a peer that runs: its server, its workers, its ledger
    measures.py       from a running peer to numbers

A module of a peer imports its library and reads the environment (`peer.address`), as the app of a
user would. So it is imported by its workers and by the measuring process, both made for it alone.
"""
