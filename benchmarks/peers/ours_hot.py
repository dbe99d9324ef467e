"""taskqueue as nodes on PostgreSQL, whose tasks all have one limit key, with one slot."""

from functools import partial

from benchmarks.peers import ours_inside
from benchmarks.peers.ours_app import note_limited
from benchmarks.peers.ours_inside import install, worker

__all__ = ["install", "producing", "worker"]

producing = partial(ours_inside.producing, note_limited)
