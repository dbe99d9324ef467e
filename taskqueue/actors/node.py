"""The node actor: says that this node lives, and follows what was set at others.

every 2 s            Storage.beat: the row of this node
every 2 s, and       Storage.sizes: have the consumers' supervisor follow sizes that were changed,
after a notice       here or at another node; every 0.5 s while notices do not arrive
"""

import asyncio
import contextlib
import math
from collections.abc import Mapping, Sequence

from taskqueue.actors.consumers import Pool
from taskqueue.actors.messages import CONSUMERS, DATABASE, NODE, LookAgain, Resize
from taskqueue.actors.roster import Roster
from taskqueue.actors.storage_client import UNREACHABLE, StorageClient
from taskqueue.clock import Clock
from taskqueue.release import version
from taskqueue.rules.nodes import BEAT_S, Heartbeat
from taskqueue.rules.polling import POLL_S
from taskqueue.rules.sizes import Capacity, SetSize
from taskqueue.rules.tasks import Owner
from taskqueue.runtime import Actor, is_orderly, receives, request
from taskqueue.storage.protocol import Storage

PATIENCE_S = 1.0
"""How long a start or a stop waits for the storage; it goes on without."""

_NOTHING_SET = SetSize()


class NodeActor(Actor):
    """Keeps what the storage says of this node; skips a round while the storage is unavailable."""

    registered_name = NODE
    trap_exit = True

    def __init__(
        self,
        owner: Owner,
        pools: Sequence[Pool],
        roster: Roster,
        clock: Clock,
        *,
        address: str | None,
        started_at: float,
        has_peers: bool,
    ) -> None:
        """Make the actor of one incarnation of a node; `pools` are as they are configured.

        `has_peers`: there may be other nodes, which change sizes without this one being told.
        """
        super().__init__()
        self._owner = owner
        self._pools = tuple(pools)
        self._roster = roster
        self._clock = clock
        self._version = version()
        self._address = address
        self._started_at = started_at
        self._storage = StorageClient(self.address(DATABASE))
        self._sizes = {pool.name: pool.size for pool in pools}  # which the supervisor knows
        self._changed = asyncio.Event()
        self._has_peers = has_peers
        self._look_s = BEAT_S
        self._beat_at = -math.inf

    async def on_start(self) -> None:
        """Have a first heartbeat stored, before the door opens, and look and beat from then on."""
        await self._round(StorageClient(self.address(DATABASE), PATIENCE_S))
        self.start_task(self._keep_looking())

    async def on_stop(self) -> None:
        """Leave. After a crash the next node actor goes on."""
        if self.exit_reason is not None and is_orderly(self.exit_reason):
            with contextlib.suppress(*UNREACHABLE):
                storage = StorageClient(self.address(DATABASE), PATIENCE_S)
                await storage.use(Storage.leave, self._owner)

    @receives(LookAgain)
    def on_look_again(self, _: LookAgain) -> None:
        """Look at once."""
        self._changed.set()

    async def _keep_looking(self) -> None:
        while True:
            self._changed.clear()
            await self._round(self._storage)
            look_at = self._clock.next_beat(self._look_s)
            await self._clock.wait(self._changed, look_at - self._clock.monotonic())

    async def _round(self, storage: StorageClient) -> None:
        with contextlib.suppress(*UNREACHABLE):
            hears_others = not self._has_peers or await storage.use(Storage.hears_others)
            self._look_s = BEAT_S if hears_others else POLL_S
            self._follow(await storage.use(Storage.sizes))
            await self._beat(storage)

    def _follow(self, stored: Mapping[str, SetSize]) -> None:
        """Tell the supervisor of the sizes that it does not know."""
        for pool in self._pools:
            size = stored.get(pool.name, _NOTHING_SET).over(pool.size)
            if size != self._sizes[pool.name]:
                # Its answer comes when the last surplus consumer has drained.
                request(self.address(CONSUMERS), Resize(pool=pool.name, size=size))
                self._sizes[pool.name] = size
                self._beat_at = -math.inf

    async def _beat(self, storage: StorageClient) -> None:
        if self._clock.monotonic() < self._beat_at:
            return
        beat_at = self._clock.next_beat(BEAT_S)
        await storage.use(Storage.beat, self._heartbeat(), now=self._clock.now())
        self._beat_at = beat_at

    def _heartbeat(self) -> Heartbeat:
        serving = [(pool, self._sizes[pool.name]) for pool in self._pools]
        return Heartbeat(
            owner=self._owner,
            version=self._version,
            address=self._address,
            started_at=self._started_at,
            queues=tuple(
                sorted(name for pool, size in serving if size.count for name in pool.queues)
            ),
            consumers=sum(size.count for _, size in serving),
            slots=sum(_slots(size) for _, size in serving),
            running=self._roster.count(),
        )


def _slots(size: Capacity) -> int:
    return size.count * size.slots
