"""The rows that a claim may take, by their numbers."""

import sqlite3
from collections.abc import Sequence

import msgspec

from taskqueue.storage.sqlite.commit.gates import Candidate
from taskqueue.storage.sqlite.sql import parking, rows

decode_seqs = msgspec.json.Decoder(list[int]).decode
"""Read row numbers from what an aggregate of SQLite has made of them."""


def candidates(db: sqlite3.Connection, seqs: Sequence[int]) -> list[Candidate]:
    """Return the rows with these numbers, in their order. All of them must be there."""
    found = db.execute(parking.LIMITS_OF, (rows.json_array(seqs),)).fetchall()
    by_seq = {row[0]: Candidate(*row) for row in found}
    return [by_seq[seq] for seq in seqs]
