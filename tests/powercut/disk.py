"""What a disk may hold if the power is cut: a strict model of files and names.

    write ─▶ pending ──sync──▶ durable        a sync that fails: some of it is on the disk, and
    create, unlink ─▶ pending ──sync of the folder──▶ durable     the rest will never be written

Of what is pending each sector has, at the cut, any of the contents that it had since its last sync.
A name is durable only when its folder was synced, however often its file was.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeAlias, assert_never

from tests.powercut.trace import Kind, Record

SECTORS = (512, 4096)
ROOT = PurePosixPath()


class Write(NamedTuple):
    """Bytes at an offset; None: the file ends there."""

    at: int
    data: bytes | None


@dataclass(slots=True, eq=False)
class File:
    """What is on the disk for certain, and what may be."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Write] = field(default_factory=list)
    begun: dict[int, int] = field(default_factory=dict)  # by a sync: how many it covers

    def begin_sync(self, number: int) -> None:
        """Let a sync cover all that is pending now."""
        self.begun[number] = len(self.pending)

    def end_sync(self, number: int) -> None:
        """Have what a sync covers on the disk."""
        self._settle(self.begun.pop(number, 0), self.durable, everything)

    def fail_sync(self, number: int, draw: random.Random) -> None:
        """Give up what a sync covers, as the kernel does: it is clean, wherever it is."""
        self._settle(self.begun.pop(number, 0), self.durable, loss(draw))

    def image(self, choose: "Choice") -> bytes:
        """Return what it may hold after a cut now."""
        content = bytearray(self.durable)
        _apply(content, self.pending, choose)
        return bytes(content)

    def _settle(self, count: int, durable: bytearray, choose: "Choice") -> None:
        _apply(durable, self.pending[:count], choose)
        del self.pending[:count]
        self.begun = {number: max(0, rest - count) for number, rest in self.begun.items()}


# Says what of the writes reaches the disk, in which order, given them and the file's size.
Choice: TypeAlias = Callable[[Sequence[Write]], Sequence[Write]]


def everything(writes: Sequence[Write]) -> Sequence[Write]:
    """All is written."""
    return writes


def nothing(writes: Sequence[Write]) -> Sequence[Write]:
    """Nothing is written without a sync."""
    return ()


def first(draw: random.Random) -> Choice:
    """Writes reach the disk in their order, and the last one in part."""

    def choose(writes: Sequence[Write]) -> Sequence[Write]:
        count = draw.randint(0, len(writes))
        torn = [_torn(write, draw) for write in writes[count : count + 1]]
        return [*writes[:count], *torn]

    return choose


def scattered(draw: random.Random, sector: int, share: float) -> Choice:
    """Each sector has one of the contents that it had; `share` have not the oldest."""

    def choose(writes: Sequence[Write]) -> Sequence[Write]:
        parts = [part for write in writes for part in _sectors(write, sector)]
        times: defaultdict[int, int] = defaultdict(int)
        for at, data in parts:
            if data is not None:
                times[at // sector] += 1
        last = {
            number: draw.randint(1, count) if draw.random() < share else 0
            for number, count in sorted(times.items())
        }
        kept: list[Write] = []
        for part in parts:
            number = part.at // sector
            if part.data is None:
                kept += [part] * (draw.random() < share)
            elif last[number] > 0:
                last[number] -= 1
                kept.append(part)
        return kept

    return choose


def smashed(draw: random.Random) -> Choice:
    """Writes reach the disk in their order, and the last one damages what shares its sectors."""

    def choose(writes: Sequence[Write]) -> Sequence[Write]:
        count = draw.randint(0, len(writes))
        return [*writes[:count], *(p for w in writes[count : count + 1] for p in _damage(w, draw))]

    return choose


def loss(draw: random.Random) -> Choice:
    """Most of what a failed sync was to write is not on the disk."""
    return scattered(draw, 4096, draw.choice((0.0, 0.2, 0.5)))


class Kept(NamedTuple):
    """What of the unsynced is on the disk after a cut."""

    database: Choice
    log: Choice  # of either kind, write-ahead or rollback
    names: float  # the share of changes to names


def by_chance(draw: random.Random, *, smashes: bool = False) -> Kept:
    """Anything; only a disk that `smashes` damages the neighbours of what it writes."""
    names = draw.choice((0.0, 0.5, 1.0))
    database, log = (_drawn(draw, smashes=smashes) for _ in range(2))
    return Kept(database, log, names)


def _drawn(draw: random.Random, *, smashes: bool) -> Choice:
    if smashes:
        return smashed(draw)
    kinds = (everything, nothing, first(draw))
    shares = (0.2, 0.5, 0.9)
    torn = [scattered(draw, sector, share) for sector in SECTORS for share in shares]
    return draw.choice((*kinds, *torn))


class Disk:
    """Takes the records of a trace one by one; has an image for the moment after any of them."""

    def __init__(self, root: Path, seed: str) -> None:
        """Make an empty disk; `seed` decides what failed syncs lose."""
        self._draw = random.Random(f"{seed}/failed syncs")
        self._files: dict[int, File] = {}  # by inode, as long as that is theirs
        self._folders = {root.stat().st_ino: ROOT}
        self._names: dict[PurePosixPath, File | None] = {}  # durable; None is a folder
        self._named: list[tuple[PurePosixPath, File | None, bool]] = []  # pending; or unlinked
        self._syncs: dict[int, int] = {}

    def take(self, record: Record) -> None:
        """Do what a record says."""
        name = PurePosixPath(record.name)
        match record.kind:
            case Kind.WRITE:
                self._file(record).pending.append(Write(record.at, record.data))
            case Kind.TRUNCATE:
                self._file(record).pending.append(Write(record.at, None))
            case Kind.CREATE:
                self._files[record.file] = file = File()
                self._named.append((name, file, True))
            case Kind.MAKE_FOLDER:
                self._folders[record.file] = name
                self._named.append((name, None, True))
            case Kind.UNLINK:
                self._named.append((name, None, False))
            case Kind.RENAME:
                file = self._now()[name]
                self._named += [(PurePosixPath(record.data.decode()), file, True)]
                self._named += [(name, None, False)]
            case Kind.SYNC | Kind.SYNCED | Kind.SYNC_FAILED:
                self._sync(record)
            case never:
                assert_never(never)

    def image(self, folder: Path, draw: random.Random, kept: Kept) -> None:
        """Write what the disk may hold into a new folder."""
        names = dict(self._names)
        lost: set[PurePosixPath] = set()
        for name, file, there in self._named:
            if name in lost or draw.random() >= kept.names:
                lost.add(name)  # those of one name are written in their order
            else:
                _name(names, name, file, there=there)
        folder.mkdir()
        for name, file in sorted(names.items(), key=lambda pair: len(pair[0].parts)):
            if not (folder / name).parent.exists():
                continue  # in a folder that has no name
            if file is None:
                (folder / name).mkdir()
            else:
                choose = kept.database if name.suffix == ".db" else kept.log
                (folder / name).write_bytes(file.image(choose))

    def _sync(self, record: Record) -> None:
        if record.file in self._folders:
            self._sync_folder(record, self._folders[record.file])
            return
        file = self._file(record)
        if record.kind is Kind.SYNC:
            file.begin_sync(record.at)
        elif record.kind is Kind.SYNCED:
            file.end_sync(record.at)
        else:
            file.fail_sync(record.at, self._draw)

    def _sync_folder(self, record: Record, folder: PurePosixPath) -> None:
        if record.kind is Kind.SYNCED:
            for name, file, there in self._named:
                if name.parent == folder:
                    _name(self._names, name, file, there=there)
            self._named = [each for each in self._named if each[0].parent != folder]

    def _file(self, record: Record) -> File:
        return self._files.setdefault(record.file, File())

    def _now(self) -> dict[PurePosixPath, File | None]:
        names = dict(self._names)
        for name, file, there in self._named:
            _name(names, name, file, there=there)
        return names


def _name(
    names: dict[PurePosixPath, File | None], name: PurePosixPath, file: File | None, *, there: bool
) -> None:
    if there:
        names[name] = file
    else:
        names.pop(name, None)


def _apply(content: bytearray, writes: Sequence[Write], choose: Choice) -> None:
    for at, data in choose(writes):
        if data is None:
            del content[at:]
            content.extend(bytes(at - len(content)))
        else:
            content.extend(bytes(max(0, at - len(content))))
            content[at : at + len(data)] = data


def _torn(write: Write, draw: random.Random) -> Write:
    if write.data is None:
        return write
    sector = draw.choice(SECTORS)
    whole = draw.randint(0, len(write.data) // sector) * sector
    return Write(write.at, write.data[: max(0, whole - write.at % sector)])


def _damage(write: Write, draw: random.Random) -> list[Write]:
    if write.data is None:
        return []
    sector = max(SECTORS)
    begin = write.at // sector * sector
    end = -(-(write.at + len(write.data)) // sector) * sector
    return [Write(begin, draw.randbytes(end - begin))]


def _sectors(write: Write, sector: int) -> list[Write]:
    if write.data is None:
        return [write]
    at, end = write.at, write.at + len(write.data)
    edges = [at, *range((at // sector + 1) * sector, end, sector), end]
    return [Write(left, write.data[left - at : right - at]) for left, right in pairwise(edges)]
