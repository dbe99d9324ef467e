"""Other task queues, and the ways into ours: each behind the same verbs, measured by the same code.

    peer.py       the verbs: install, worker, producing
    …_peer.py     one module for each library: its app, its workers' command, its producer
    ours_….py     the same for the ways into taskqueue
    field.py      who there is, what each needs, and which of ours is its counterpart
    ledger.py     which tasks have run, written by the handlers
    sessions.py   a peer that runs: its server, its workers, its ledger
    measures.py   from a session to numbers; kills.py and fleets.py likewise
    turns.py      the command `peers`; fleet.py is the command `fleet`

A module of a peer imports its library and reads the environment (`peer.address`), as the app of a
user would. So it is imported by its workers and by the measuring process, both made for it alone.
To add a peer: write its module, and a line in `field.py`.
"""
