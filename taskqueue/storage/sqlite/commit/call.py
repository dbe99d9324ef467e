"""A commit as it is sent to the writing connection.

Frequent operations (inserts, claims with them, completions) and their answers are MessagePack. A
commit that has any other operation is pickled as a whole.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypedDict

import msgspec
from msgspec.msgpack import Decoder, Encoder

from taskqueue.children.frames import Body
from taskqueue.rules.tasks import Accepted, Delivery, NewTask, NotApplied, Owner, SettleBy, Settled
from taskqueue.storage.sqlite.commit.batch import Committed, Operation, Result, commit
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.connections.pickling import Batch, Encoded, Packed
from taskqueue.storage.sqlite.disk.file import FileWatch, Identity
from taskqueue.storage.sqlite.operations import inserting, settling
from taskqueue.structs import Struct

_encode = Encoder().encode


class _Now(TypedDict):
    now: float


class _InsertAndClaim(TypedDict):
    room: Mapping[str, int]
    owner: Owner
    expires_at: float
    now: float


class _Verb(NamedTuple):
    function: Callable[..., Any]
    batch: type[Struct]
    options: "Decoder[Any]"
    answer: "Decoder[Any]"


_VERBS = {
    "insert": _Verb(inserting.insert, NewTask, Decoder(_Now), Decoder(tuple[Accepted, ...])),
    "insert_and_claim": _Verb(
        inserting.insert_and_claim,
        NewTask,
        Decoder(_InsertAndClaim),
        Decoder(tuple[tuple[Accepted, ...], tuple[Delivery, ...]]),
    ),
    "settle": _Verb(
        settling.complete, SettleBy, Decoder(_Now), Decoder(tuple[Settled | NotApplied, ...])
    ),
}


class BatchOperation:
    """An operation on structs of one kind: their insert, their insert and claim, or completion."""

    __slots__ = ("batch", "options", "verb")

    def __init__(self, verb: str, batch: Batch[Any] | Encoded, **options: Any) -> None:
        """Make the one of `_VERBS` that has this name."""
        self.verb = verb
        self.batch = batch
        self.options = options

    def __call__(self, tx: Transaction) -> Any:
        """Apply it."""
        return _VERBS[self.verb].function(tx, self.batch, **self.options)


def settle_call(settlements: Sequence[SettleBy], *, now: float) -> Operation:
    """Return the operation that settles these."""
    if all(map(settling.only_completes, settlements)):
        return BatchOperation("settle", Batch(settlements), now=now)
    return partial(settling.settle, settlements=tuple(settlements), refused={}, now=now)


class _PackedOperation(msgspec.Struct, array_like=True):
    verb: str
    batch: msgspec.Raw  # decoded when it is applied: one that does not fit fails alone
    options: msgspec.Raw


class _PackedCommit(msgspec.Struct, array_like=True):
    operations: list[_PackedOperation]
    place: str
    identity: Identity
    log: tuple[tuple[str, Identity], ...]
    patience_s: float


class _PackedAnswer(msgspec.Struct, array_like=True):
    values: list[msgspec.Raw]
    rows_changed: int
    version: int | None


_commit_of = Decoder(_PackedCommit).decode
_answer_of = Decoder(_PackedAnswer).decode


class CommitCall(Packed):
    """A call of `commit`."""

    def __init__(
        self, operations: Sequence[Operation], watch: FileWatch, patience_s: float
    ) -> None:
        self._operations = operations
        self._watch = watch
        self._patience_s = patience_s

    def __call__(self, db: sqlite3.Connection) -> Committed:
        """Commit on this connection."""
        return commit(self._operations, self._watch, self._patience_s, db)

    def packed(self) -> bytes | None:
        """Return it as MessagePack; None if one of its operations cannot be encoded so."""
        batches = self._batches()
        if batches is None:
            return None
        operations = [(each.verb, each.batch, each.options) for each in batches]
        return _encoded((operations, *self._watch.state, self._patience_s))

    @classmethod
    def unpacked(cls, body: bytes) -> "CommitCall":
        """Return the call that was packed; a batch is decoded when it is applied."""
        call = _commit_of(body)
        operations = [_operation_of(each) for each in call.operations]
        return cls(operations, FileWatch(call.place, call.identity, call.log), call.patience_s)

    def packed_answer(self, value: Committed) -> bytes | None:
        """Return the answer as MessagePack; None if it has more than the frequent results."""
        says_more = value.refused or value.ended or any(result.error for result in value.results)
        if says_more or self._batches() is None:
            return None
        values = [result.value for result in value.results]
        return _encoded((values, value.rows_changed, value.version))

    def unpacked_answer(self, body: Body) -> Committed:
        """Return the answer that was packed."""
        answer = _answer_of(body)
        operations = zip(self._batches() or (), answer.values, strict=True)
        results = [Result(_VERBS[each.verb].answer.decode(value)) for each, value in operations]
        return Committed(results, [], [], answer.rows_changed, answer.version)

    def _batches(self) -> Sequence[BatchOperation] | None:
        """Return its operations; None if there are others than these."""
        batches = [each for each in self._operations if isinstance(each, BatchOperation)]
        return batches if len(batches) == len(self._operations) else None


def _encoded(value: object) -> bytes | None:
    """Return a value as MessagePack; None if that cannot say what is in it."""
    try:
        return _encode(value)
    except (OverflowError, TypeError, ValueError):
        return None


def _operation_of(packed: _PackedOperation) -> BatchOperation:
    verb = _VERBS[packed.verb]
    options = verb.options.decode(packed.options)
    return BatchOperation(packed.verb, Encoded(verb.batch, packed.batch), **options)
