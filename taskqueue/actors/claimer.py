"""The claimer: holds the leases of everything that is claimed and not settled."""

import asyncio
import contextlib
import math
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

import structlog

from taskqueue.actors.database import UNREACHABLE, PatientClient
from taskqueue.actors.desk import Desk
from taskqueue.actors.runtime import ActorRef, Reply
from taskqueue.actors.settler import Settler
from taskqueue.clock import Clock
from taskqueue.storage.protocol import Storage
from taskqueue.tasks import Delivery, Owner

log = structlog.get_logger()

# How long a new queue actor waits for a consumer to say what it is busy with. One that is blocked
# by its handler cannot, so how often it looks whether that one is still there.
CALL_IN_S = 1.0
LOOK_S = 0.05


class Claimer:
    """Claims tasks for the desk, extends their leases, and concludes for holders that are gone.

    It does one thing after the other, so that what is claimed and not yet on the desk is never
    taken for something that nobody has.
    """

    def __init__(
        self,
        owner: Owner,
        queues: Sequence[str],
        lease_s: float,
        clock: Clock,
        *,
        storage: PatientClient,
        desk: Desk[ActorRef],
        settler: Settler,
        start_task: Callable[[Coroutine[Any, Any, None]], object],
        hand_out: Callable[[], None],
        consumers: Callable[[], Iterable[ActorRef]],
    ) -> None:
        """Make a claimer that waits for `serve`.

        Args:
            owner: whose leases they are.
            queues: those that are served, in this order.
            lease_s: how long a lease holds; a third of it is how often it is extended.
            clock: the time.
            storage: where the tasks are.
            desk: where deliveries go.
            settler: concludes for those that nobody will.
            start_task: runs a coroutine as part of whoever owns the claimer.
            hand_out: is called when there is something new on the desk.
            consumers: says who lives, seated at the desk or not.
        """
        self._owner = owner
        self._queues = queues
        self._lease_s = lease_s
        self._clock = clock
        self._storage = storage
        self._desk = desk
        self._settler = settler
        self._start_task = start_task
        self._hand_out = hand_out
        self._consumers = consumers
        self._work_at = 0.0  # when there are tasks to claim, as far as we know
        self._news = asyncio.Event()
        self._claiming = asyncio.Lock()
        self.recovered = False
        """Whether what earlier lives left behind is settled."""

    def expect_work(self, at: float = 0.0) -> None:
        """There are tasks to claim at that instant; 0: now."""
        if at < self._work_at:
            self._work_at = at
            self._news.set()

    def look_again(self) -> None:
        """There may be more room at the desk."""
        self._news.set()

    async def hand_back_buffer(self) -> None:
        """Give up what is buffered, and what is just being claimed for a desk that is shut."""
        async with self._claiming:
            for delivery in self._desk.clear_buffer():
                self._settler.hand_back(delivery)

    def note_start(self, tokens: Sequence[str]) -> None:
        """Have it written that these have left the buffer; it is on its way on return."""
        if not tokens:
            return
        try:
            noted = self._storage.send(Storage.start, tokens, now=self._clock.now())
        except UNREACHABLE as error:
            log.info("start_not_noted", reason=str(error))
        else:
            self._start_task(_see_noted(noted))

    async def serve(self) -> None:
        """Hold on to what is ours, then claim what comes; after any trouble begin again."""
        await self._call_in()
        while True:
            try:
                await self._keep()
                await self._conclude_orphans()
                self._say_ready()
                self.expect_work()  # however the clock was set, and whoever did not tell us
                await self._claim_for(self._lease_s / 3)
            except UNREACHABLE:
                await self._storage.again()

    def _say_ready(self) -> None:
        if not self.recovered:
            self.recovered = True
            log.info("queue_ready", owner=f"{self._owner.node}/{self._owner.incarnation}")

    # --- claiming ---------------------------------------------------------------------------

    async def _claim_for(self, period_s: float) -> None:
        """Claim for a while, whenever there are ready tasks and room for them."""
        end = self._clock.monotonic() + period_s
        while (left_s := end - self._clock.monotonic()) > 0:
            self._news.clear()
            work_in_s = self._work_at - self._clock.now()
            if work_in_s > 0:
                await self._clock.wait(self._news, min(work_in_s, left_s))
            elif room := self._desk.room():
                await self._claim(room)
            else:
                await self._clock.wait(self._news, left_s)

    async def _claim(self, room: int) -> None:
        """Fill the room from the queues, in their order."""
        self._work_at = math.inf  # whoever comes during the claim moves it forward again
        async with self._claiming:
            for queue in self._queues:
                if room > 0:
                    deliveries = await self._storage.use(
                        Storage.claim,
                        queue,
                        limit=room,
                        owner=self._owner,
                        lease_s=self._lease_s,
                        now=self._clock.now(),
                    )
                    room -= len(deliveries)
                    self._desk.add(deliveries)
                    self._hand_out()
        self.expect_work(await self._next_due() if room > 0 else 0.0)

    async def _next_due(self) -> float:
        dues = [await self._storage.use(Storage.next_due, queue) for queue in self._queues]
        return min((due for due in dues if due is not None), default=math.inf)

    async def _heard_within(self, limit_s: float) -> None:
        """Wait for news, in real time: of the consumers, whose threads know no other."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._news.wait()

    # --- keeping ----------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Extend the leases of what is ours, and repeat the notes of what has started.

        Done even if nothing is ours: when it is answered, whatever an earlier queue actor has sent
        is committed, and `_orphans` sees it.
        """
        self.note_start(self._desk.running)
        lost = await self._storage.use(
            Storage.extend, tuple(self._ours()), lease_s=self._lease_s, now=self._clock.now()
        )
        self._desk.drop(lost)  # who runs it nevertheless is told when it is settled

    def _ours(self) -> set[str]:
        """Return the tokens of what somebody sees to: buffered, running, or being written."""
        return {*self._desk.held, *self._settler.unwritten}

    # --- rescuing ---------------------------------------------------------------------------

    async def _call_in(self) -> None:
        """Give the consumers a while to say what they are busy with."""
        loop = asyncio.get_running_loop()
        end = loop.time() + CALL_IN_S
        while self._someone_is_silent() and loop.time() < end:
            self._news.clear()
            await self._heard_within(LOOK_S)

    def _someone_is_silent(self) -> bool:
        return not all(map(self._desk.knows, self._consumers()))

    async def _conclude_orphans(self) -> None:
        """Conclude for those that nobody will: their holder is gone, or silent past its lease."""
        orphans = await self._orphans()
        if orphans:
            await asyncio.wait([self._settler.conclude_orphan(each) for each in orphans])

    async def _orphans(self) -> Sequence[Delivery]:
        ours = self._ours()
        held = await self._storage.use(Storage.held, self._owner)
        overdue = await self._storage.use(Storage.rescue, self._owner, now=self._clock.now())
        ours |= self._ours()  # what was registered, or finished, in the meantime
        if self._someone_is_silent():
            ours.update(delivery.token for delivery in held)  # it may be busy with any of these
        found = {delivery.token: delivery for delivery in (*held, *overdue)}
        return [delivery for token, delivery in found.items() if token not in ours]


async def _see_noted(noted: Reply[object]) -> None:
    try:
        await noted
    except UNREACHABLE as error:  # it is noted again with the next extension
        log.info("start_not_noted", reason=str(error))
