"""Benchmarks: each figure beside its floor, in the same run.

    python -m benchmarks                      all areas
    python -m benchmarks actors.ask           one figure, or one area
    python -m benchmarks --list               what there is
    python -m benchmarks --seconds 0.05 --rounds 1 --json out.json
    python -m benchmarks peers                beside other task queues; `benchmarks.peers` says how
    python -m benchmarks fleet                several nodes on PostgreSQL

A floor is the least that could do the same work: a bare queue, a bare task, a library without us.
Ours and the floor take turns, round after round, so what disturbs the machine disturbs both, and
the ratio says how good we are wherever it is run. A missed target is shown, it is not an error.

To add an area: write `benchmarks/<area>.py` with a tuple `FIGURES` of `harness.Figure`, each with
two functions that take seconds to spend and return a number; add the module to `AREAS` in
`benchmarks/__main__.py`. Name figures `<area>.<what>`. `benchmarks/actors.py` is the example. A
figure that needs what a machine may lack (a peer, a server) says in `missing` what that is, and is
then left out with a word on standard error.
"""
