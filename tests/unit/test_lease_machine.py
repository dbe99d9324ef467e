"""The lease ledger under random interleavings of crashes, late messages and lost answers.

The machine plays the consumers, the mailbox of the queue actor and the storage, and may delay each
step of theirs. At the end it lets everything arrive, and then nothing may be left held.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from taskqueue.attempt_log import AttemptLog
from taskqueue.rules.leases.ledger import Leases
from taskqueue.rules.leases.values import (
    Actions,
    CancelRunning,
    ConsumerEnd,
    Finished,
    NothingRuns,
    Reservation,
    Search,
    Settle,
    Taken,
    Wake,
)
from taskqueue.rules.limits import LimitUse, encoded
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.tasks import Delivery, NewTask, Succeeded
from taskqueue.testing.claims import claimed
from tests.examples_of_hypothesis import share_of

QUEUES = ("default", "mail")
LIMITS = encoded((LimitUse("key"),))
MOST_RUNNING = 2  # of the tasks with these limits, over all queues
PICK = st.integers(0, 7)


@dataclass(eq=False)
class Consumer:
    """A consumer as it sees itself."""

    name: str
    slots: int
    registered_with: int = -1
    alive: bool = True
    blocked: bool = False
    awake: bool = False
    runs: dict[str, Taken] = field(default_factory=dict)
    ended: dict[str, Finished] = field(default_factory=dict)  # not known to be settled
    sent: set[str] = field(default_factory=set)  # of these: reported to the queue actor of now


@dataclass(eq=False)
class Claim:
    """A claim, or an insert as claimed, on its way."""

    life: int
    reservation: Reservation
    deliveries: list[Delivery] | None = None  # once it is committed


@dataclass(eq=False)
class Settling:
    """Settlements on their way."""

    life: int
    finished: tuple[Finished, ...]
    reporter: Consumer | None
    committed: bool = False


class LeaseMachine(RuleBasedStateMachine):
    """One ledger after the other, as queue actors end and are replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count()
        self.life = -1
        self.ready: Counter[tuple[str, str | None]] = Counter()  # by queue and limits
        self.held: dict[str, Delivery] = {}  # the storage's rows, in the order of their claims
        self.slots: set[str] = set()  # which of them have a slot of the limit
        self.claims: list[Claim] = []
        self.settling: list[Settling] = []
        self.consumers: list[Consumer] = []
        self.begin_life()

    # --- the queue actor ----------------------------------------------------------------------

    def begin_life(self) -> None:
        self.life += 1
        self.leases: Leases[str] = Leases(QUEUES, 2, RetryPolicy())
        self.leases._chains._lengths.update(dict.fromkeys(QUEUES, 4))  # as after a few chains
        self.mailbox: list[tuple[object, ...]] = []
        self.registered: set[str] = set()
        self.settled_by_life: set[str] = set()
        self.answer: list[Delivery] | None = None  # to the question what is held
        self.is_searching = self.nothing_runs = False
        self.is_search_due = True
        for each in self.living():
            self.leases.expect(each.name)
            each.sent.clear()  # the reports are answered: unavailable

    def obey(self, actions: Actions[str], reporter: Consumer | None = None) -> None:
        for action in actions:
            match action:
                case Settle(finished=finished):
                    self.settle(finished, reporter)
                case Wake(consumer=name):
                    self.named(name).awake = True
                case CancelRunning(consumer=name, token=token):
                    self.end(self.named(name), token)
                case Search():
                    self.is_search_due = True
                case NothingRuns():
                    assert not any(each.runs for each in self.living())
                    self.nothing_runs = True

    def settle(self, finished: tuple[Finished, ...], reporter: Consumer | None) -> None:
        for token in (each.delivery.token for each in finished):
            assert token not in self.settled_by_life, "settled twice"
            assert not any(token in each.runs for each in self.living()), "still runs"
            self.settled_by_life.add(token)
        self.settling.append(Settling(self.life, finished, reporter))

    def named(self, name: str) -> Consumer:
        return next(each for each in self.consumers if each.name == name)

    def living(self) -> list[Consumer]:
        return [each for each in self.consumers if each.alive]

    @rule()
    def replace_queue_actor(self) -> None:
        self.leases.is_shut = True
        self.begin_life()

    @rule(count=st.integers(1, 3))
    def read_mail(self, count: int) -> None:
        for _ in range(min(count, len(self.mailbox))):
            match self.mailbox.pop(0):
                case ("register", Consumer() as consumer, running):
                    assert isinstance(running, tuple)
                    self.registered.add(consumer.name)
                    actions = self.leases.register(consumer.name, consumer.slots, QUEUES, running)
                    self.obey(actions)
                    if not consumer.alive:  # the monitor answers at once
                        self.mailbox.append(("down", consumer, False, None))
                case ("resize", Consumer() as consumer, int() as slots):
                    self.obey(self.leases.resize(consumer.name, slots))
                case ("finish", Consumer() as consumer, finished):
                    assert isinstance(finished, tuple)
                    actions = self.leases.finished(consumer.name, finished)
                    self.obey(actions, consumer)
                case ("down", Consumer() as consumer, bool() as ordered, culprit):
                    assert culprit is None or isinstance(culprit, str)
                    end = ConsumerEnd(
                        consumer=consumer.name, reason="", ordered=ordered, culprit=culprit
                    )
                    self.obey(self.leases.gone(consumer.name, end))
                    self.registered.discard(consumer.name)

    @rule()
    def poll(self) -> None:
        self.obey(self.leases.wake())

    @rule(queue=st.sampled_from(QUEUES))
    def pause(self, queue: str) -> None:
        self.obey(self.leases.release(queue))

    @rule()
    def drain(self) -> None:
        self.obey(self.leases.drain())

    @precondition(lambda self: self.held)
    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        tokens = sorted(self.held)
        self.obey(self.leases.cancel(tokens[pick % len(tokens)], "not wanted"))

    # --- claims -------------------------------------------------------------------------------

    @rule(queue=st.sampled_from(QUEUES), count=st.integers(1, 4), is_limited=st.booleans())
    def insert(self, queue: str, count: int, is_limited: bool) -> None:
        self.ready[queue, LIMITS if is_limited else None] += count

    @rule(queue=st.sampled_from(QUEUES))
    def claim(self, queue: str) -> None:
        self.send(self.leases.reserve(queue, at=0.0))

    @rule(queue=st.sampled_from(QUEUES), count=st.integers(1, 3))
    def insert_as_claimed(self, queue: str, count: int) -> None:
        self.ready[queue, None] += count
        self.send(self.leases.reserve(queue, count, at=0.0))

    def send(self, reservation: Reservation) -> None:
        if reservation.room:
            assert not self.is_searching
            self.claims.append(Claim(self.life, reservation))

    @precondition(lambda self: self.claims)
    @rule(pick=PICK)
    def commit_claim(self, pick: int) -> None:
        claim = self.claims[pick % len(self.claims)]
        if claim.deliveries is None:
            wanted, free = claim.reservation, MOST_RUNNING - len(self.slots)
            limited = self.deliveries(wanted.queue, LIMITS, min(wanted.slots, free))
            self.slots.update(each.token for each in limited)
            chain = wanted.chain if limited else 0
            claim.deliveries = [
                *limited,
                *self.deliveries(wanted.queue, None, wanted.room - len(limited)),
                *self.deliveries(wanted.queue, LIMITS, chain, chained=True),
            ]
            self.held.update((each.token, each) for each in claim.deliveries)

    def deliveries(
        self, queue: str, limits: str | None, most: int, *, chained: bool = False
    ) -> list[Delivery]:
        count = min(most, self.ready[queue, limits])
        self.ready[queue, limits] -= count
        return [
            Delivery(
                token=f"{number:04}",
                task=claimed(
                    NewTask(
                        id=f"{number:04}", action="act", payload="{}", queue=queue, limits=limits
                    )
                ),
                expires_at=30.0,
                started=False,
                chained=chained,
            )
            for number in itertools.islice(self.numbers, count)
        ]

    @precondition(lambda self: self.claims)
    @rule(pick=PICK, lost=st.booleans())
    def answer_claim(self, pick: int, lost: bool) -> None:
        claim = self.claims[pick % len(self.claims)]
        if claim.deliveries is None and not lost:
            return
        if claim.life == self.life:
            self.is_search_due |= lost
            self.obey(self.leases.add(claim.reservation, claim.deliveries or (), at=0.0))
            self.claims.remove(claim)
        elif claim.deliveries is not None:  # its answer comes too late
            self.claims.remove(claim)

    # --- settlements --------------------------------------------------------------------------

    @precondition(lambda self: self.settling)
    @rule(pick=PICK)
    def commit_settlement(self, pick: int) -> None:
        settling = self.settling[pick % len(self.settling)]
        settling.committed = True
        for each in settling.finished:
            if self.held.pop(each.delivery.token, None) and each.delivery.token in self.slots:
                self.slots.remove(each.delivery.token)
                self.pass_slot_on(each.delivery.task.queue)

    def pass_slot_on(self, queue: str) -> None:
        """Do as the storage does with the slot of a task that is settled."""
        for token, each in self.held.items():
            if (each.task.queue, each.task.limits) == (queue, LIMITS) and token not in self.slots:
                self.slots.add(token)
                return

    @precondition(lambda self: self.settling)
    @rule(pick=PICK)
    def answer_settlement(self, pick: int) -> None:
        settling = self.settling[pick % len(self.settling)]
        if not settling.committed:
            return
        self.settling.remove(settling)
        if settling.life == self.life:
            self.leases.settled([each.delivery.token for each in settling.finished])
        if settling.reporter is not None and settling.reporter.registered_with == settling.life:
            self.answer_report(settling.reporter, settling.life, settling.finished)

    def answer_report(self, consumer: Consumer, life: int, finished: Sequence[Finished]) -> None:
        if life == self.life:
            for token in (each.delivery.token for each in finished):
                consumer.ended.pop(token, None)
                consumer.sent.discard(token)

    # --- searches -----------------------------------------------------------------------------

    @precondition(lambda self: self.is_search_due and not self.is_searching)
    @rule()
    def begin_search(self) -> None:
        self.leases.begin_search()
        self.is_search_due, self.is_searching = False, True

    @precondition(lambda self: self.is_searching and not self.leases.reserved)
    @rule()
    def ask_what_is_held(self) -> None:
        # The extension before has brought what earlier queue actors had sent.
        for settling in self.settling:
            if settling.life < self.life:
                self.commit_settlement(self.settling.index(settling))
        self.answer = list(self.held.values())

    @precondition(lambda self: self.answer is not None)
    @rule()
    def end_search(self) -> None:
        answer, self.answer, self.is_searching = self.answer or [], None, False
        self.obey(self.leases.end_search(answer, ()))

    @precondition(lambda self: not self.is_searching)
    @rule()
    def search_later(self) -> None:
        self.is_search_due = True

    # --- consumers ----------------------------------------------------------------------------

    @precondition(lambda self: len(self.living()) < 3)
    @rule(slots=st.integers(1, 2))
    def start_consumer(self, slots: int) -> None:
        consumer = Consumer(f"consumer-{next(self.numbers)}", slots)
        self.consumers.append(consumer)
        self.register(consumer)

    def register(self, consumer: Consumer) -> None:
        if consumer.registered_with != self.life:
            consumer.registered_with = self.life
            consumer.sent.clear()
            ended = [Taken(each.delivery, 0.0, AttemptLog()) for each in consumer.ended.values()]
            running = (*consumer.runs.values(), *ended)
            self.mailbox.append(("register", consumer, running))

    def one(self, pick: int) -> Consumer | None:
        ready = [each for each in self.living() if not each.blocked]
        return ready[pick % len(ready)] if ready else None

    @rule(pick=PICK)
    def find_queue(self, pick: int) -> None:
        if (consumer := self.one(pick)) is not None:
            self.register(consumer)

    @rule(pick=PICK, slots=st.integers(1, 3))
    def resize(self, pick: int, slots: int) -> None:
        if (consumer := self.one(pick)) is not None:
            self.register(consumer)
            consumer.slots = slots
            self.mailbox.append(("resize", consumer, slots))

    @rule(pick=PICK)
    def take(self, pick: int) -> None:
        if (consumer := self.one(pick)) is not None:
            self.fill_slots(consumer, 1)

    def fill_slots(self, consumer: Consumer, most: int = 9) -> bool:
        """Take as long as there is a free slot, if the consumer is awake; tell whether it took."""
        if not consumer.awake or consumer.registered_with != self.life:
            return False
        for count in range(min(most, consumer.slots - len(consumer.runs))):
            taken = self.leases.take(consumer.name, now=0.0, at=0.0)
            self.run_in(consumer, taken)
            if taken is None:
                return count > 0
        return most > 0

    def run_in(self, consumer: Consumer, taken: Taken | None) -> None:
        if taken is None:
            consumer.awake = False
            return
        token = taken.delivery.token
        assert not any(token in each.runs for each in self.living()), "runs twice"
        assert token not in self.settled_by_life, "runs although it is settled"
        consumer.runs[token] = taken

    @rule(pick=PICK, blocked=st.booleans())
    def block(self, pick: int, blocked: bool) -> None:
        if self.living():
            self.living()[pick % len(self.living())].blocked = blocked

    @rule(pick=PICK)
    def end_attempt(self, pick: int) -> None:
        if (consumer := self.one(pick)) is not None and consumer.runs:
            self.end(consumer, min(consumer.runs))

    def end(self, consumer: Consumer, token: str) -> None:
        taken = consumer.runs.pop(token, None)
        if taken is not None:
            consumer.ended[token] = Finished(
                delivery=taken.delivery, outcome=Succeeded(result="1"), started_at=taken.at
            )
            consumer.awake = True  # its slot takes the next one
            if consumer.registered_with == self.life and consumer.ended[token].passes_slot_on:
                following = self.leases.take(consumer.name, after=taken.delivery, now=0.0, at=0.0)
                self.run_in(consumer, following)

    @rule(pick=PICK)
    def report(self, pick: int) -> None:
        if (consumer := self.one(pick)) is not None:
            self.send_report(consumer)

    def send_report(self, consumer: Consumer) -> None:
        self.register(consumer)
        if finished := tuple(
            each for token, each in consumer.ended.items() if token not in consumer.sent
        ):
            consumer.sent.update(each.delivery.token for each in finished)
            self.mailbox.append(("finish", consumer, finished))

    @rule(pick=PICK, ordered=st.booleans(), culprit=st.booleans(), late=st.booleans())
    def end_consumer(self, pick: int, ordered: bool, culprit: bool, late: bool) -> None:
        """A consumer ends; its last report may come after that."""
        if not self.living():
            return
        consumer = self.living()[pick % len(self.living())]
        consumer.alive = False
        token = min(consumer.runs, default=None) if culprit else None
        self.mailbox.append(("down", consumer, ordered, token))
        if late and consumer.registered_with == self.life and not consumer.blocked:
            self.send_report(consumer)

    # --- what always holds --------------------------------------------------------------------

    @invariant()
    def each_lease_is_in_one_place(self) -> None:
        assert max(Counter(self.leases.ours).values(), default=1) == 1

    @invariant()
    def the_ledger_knows_what_its_consumers_have(self) -> None:
        known = set(self.leases.ours)
        for each in self.living():
            if each.name in self.registered and each.registered_with == self.life:
                assert known | self.settled_by_life >= each.runs.keys() | each.ended.keys()
                assert known >= each.runs.keys()

    @invariant()
    def no_more_run_than_have_slots(self) -> None:
        running = [
            taken
            for each in self.living()
            for taken in each.runs.values()
            if taken.delivery.task.limits is not None
        ]
        assert len(running) <= len(self.slots) <= MOST_RUNNING

    @rule()
    def change_the_limit(self) -> None:
        self.obey(self.leases.bar_chains())
        assert not self.leases.chained_keys
        self.leases.unbar_chains()

    @rule()
    def time_passes(self) -> None:
        self.obey(self.leases.release_late(at=1.0))

    @invariant()
    def reservations_are_counted(self) -> None:
        assert self.leases.reserved == sum(each.life == self.life for each in self.claims)

    # --- in the end ---------------------------------------------------------------------------

    def teardown(self) -> None:
        """Let everything arrive: then nothing waits, and nothing is held any more."""
        self.start_consumer(2)
        for each in self.living():
            each.blocked = False
        for _ in range(3):
            self.arrive()
            if self.answer is None:
                if not self.is_searching:
                    self.leases.begin_search()
                self.ask_what_is_held()
            self.end_search()
            self.arrive()
        self.obey(self.leases.release() if self.leases.is_shut else ())
        self.arrive()

        assert self.held == {}
        assert self.leases.ours == ()
        assert self.nothing_runs or not self.leases.is_shut

    def arrive(self) -> None:
        """Deliver messages and answers, and run what can be taken, until nothing moves."""
        moved = True
        while moved:
            moved = bool(self.mailbox or self.claims or self.settling)
            for each in self.living():
                self.register(each)
                self.send_report(each)
            self.read_mail(len(self.mailbox))
            for index in reversed(range(len(self.claims))):
                self.commit_claim(index)
                self.answer_claim(index, lost=False)
            for index in reversed(range(len(self.settling))):
                self.commit_settlement(index)
                self.answer_settlement(index)
            for each in self.living():
                self.fill_slots(each)
                moved |= bool(each.runs)
                for token in tuple(each.runs):
                    self.end(each, token)


TestLeases = pytest.mark.timeout(180)(LeaseMachine.TestCase)
TestLeases.settings = settings(max_examples=share_of(200), stateful_step_count=60, deadline=None)


class ChainMachine(LeaseMachine):
    """Most tasks have limits, and most steps are those that chains depend on."""

    drain = insert = insert_as_claimed = pause = claim = block = cancel = poll = None
    find_queue = change_the_limit = time_passes = None

    @rule(happens=st.integers(0, 3))
    def replace_queue_actor(self, happens: int) -> None:
        if happens == 3:  # seldom
            super().replace_queue_actor()

    @rule(pick=PICK, seldom=st.sampled_from(["end", "change", "late", "", "", ""]))
    def disturb(self, pick: int, seldom: str) -> None:
        match seldom:
            case "end":
                self.end_consumer(pick, ordered=False, culprit=True, late=True)
            case "change":
                LeaseMachine.change_the_limit(self)
            case "late":
                LeaseMachine.time_passes(self)

    @rule(
        queue=st.sampled_from(QUEUES),
        count=st.integers(2, 6),
        picks=st.lists(PICK, min_size=1, max_size=4),
    )
    def run_chain(self, queue: str, count: int, picks: list[int]) -> None:
        """Claim tasks with limits, and run some of them: these steps seldom meet by chance."""
        self.recover()
        self.ready[queue, LIMITS] += count
        before = len(self.claims)
        self.send(self.leases.reserve(queue, at=0.0))
        if len(self.claims) > before:
            self.commit_claim(before)
            self.answer_claim(before, lost=False)
            for pick in picks:
                self.take(pick)
            self.end_attempts(picks)

    def recover(self) -> None:
        """Do what has to be done before anything can be claimed."""
        if not self.living():
            self.start_consumer(2)
        for each in self.living():
            if not each.blocked:
                self.register(each)
        self.read_mail(len(self.mailbox))
        if not self.is_searching and self.is_search_due:
            self.begin_search()
        if self.is_searching and not self.leases.reserved:
            self.ask_what_is_held()
            self.end_search()

    @rule(picks=st.lists(PICK, min_size=1, max_size=4))
    def end_attempts(self, picks: list[int]) -> None:
        for pick in picks:
            self.end_attempt(pick)

    @rule()
    def settle_all(self) -> None:
        for index in reversed(range(len(self.settling))):
            self.commit_settlement(index)
            self.answer_settlement(index)


TestChains = pytest.mark.timeout(180)(ChainMachine.TestCase)
TestChains.settings = settings(max_examples=share_of(100), stateful_step_count=60, deadline=None)
