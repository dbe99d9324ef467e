"""Chains in the lease ledger: who may begin in the slot of another, and who is released."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from taskqueue.attempt_log import AttemptLog
from taskqueue.rules.leases.chains import CHAIN_S, MOST_CHAINED
from taskqueue.rules.leases.ledger import Leases
from taskqueue.rules.leases.values import Actions, ConsumerEnd, Finished, Settle, Taken
from taskqueue.rules.limits import LimitUse, encoded
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.tasks import (
    Delivery,
    Failed,
    NewTask,
    Outcome,
    Snoozed,
    Statement,
    Succeeded,
)
from taskqueue.testing.claims import claimed

DONE = Succeeded(result="1")


def delivery(token: str, *, key: str | None = "k", queue: str = "default") -> Delivery:
    limits = None if key is None else encoded((LimitUse("smtp", key),))
    task = claimed(NewTask(id=token, action="act", payload="{}", queue=queue, limits=limits))
    return Delivery(token=token, task=task, expires_at=30.0, started=False)


def chained(tokens: str, **fields: str) -> list[Delivery]:
    return [replace(delivery(token, **fields), chained=True) for token in tokens]


def ledger(*queues: str, slots: int = 4, fair: Sequence[str] = ()) -> Leases[str]:
    """Return a ledger with a consumer, whose chains may be as long as a test needs."""
    leases: Leases[str] = Leases(queues or ("default",), 5, RetryPolicy(), fair=fair)
    leases.end_search((), ())
    leases.register("c", slots, queues or ("default",))
    for queue in queues or ("default",):
        for number in range(4):
            put(leases, [delivery(f"{queue}-{number}", queue=queue)], queue=queue)
            run_to_its_end(leases)
    return leases


def put(leases: Leases[str], given: list[Delivery], *, queue: str = "default") -> Actions[str]:
    return leases.add(leases.reserve(queue, at=0.0), given, at=0.0)


def take(leases: Leases[str], after: Delivery | None = None, *, at: float = 0.0) -> str | None:
    taken = leases.take("c", after=after, now=at, at=at)
    return None if taken is None else taken.delivery.token


def run_to_its_end(leases: Leases[str]) -> None:
    taken = leases.take("c", now=0.0, at=0.0)
    assert taken is not None
    assert take(leases, taken.delivery) is None
    finish(leases, taken.delivery)


def finish(leases: Leases[str], ended: Delivery, outcome: Outcome = DONE) -> list[tuple[str, str]]:
    finished = Finished(delivery=ended, outcome=outcome, started_at=0.0)
    actions = leases.finished("c", [finished])
    settling = settled(actions)
    leases.settled(token for token, _ in settling)
    return settling


def settled(actions: Actions[str]) -> list[tuple[str, str]]:
    return [
        (each.delivery.token, type(each.outcome).__name__)
        for action in actions
        if isinstance(action, Settle)
        for each in action.finished
    ]


def test_what_is_chained_begins_in_the_slot_of_the_one_before_and_not_sooner() -> None:
    leases = ledger()
    a, b = delivery("a"), delivery("b")
    put(leases, [a, *chained("bc")])

    assert take(leases) == "a"
    assert take(leases) is None
    assert take(leases, a) == "b"
    assert take(leases, a) is None
    assert take(leases, b) == "c"
    assert finish(leases, a) == [("a", "Succeeded")]


def test_what_is_chained_goes_before_what_is_buffered() -> None:
    leases = ledger()
    a = delivery("a")
    put(leases, [a, delivery("x", key=None), *chained("b")])
    assert take(leases) == "a"

    assert [take(leases, a), take(leases)] == ["b", "x"]


def test_each_key_and_each_queue_has_a_chain_of_its_own() -> None:
    leases = ledger("default", "mail")
    a, b = delivery("a"), delivery("b", key="other")
    put(leases, [a, b, *chained("d", key="other"), *chained("c")])
    put(leases, [delivery("m", queue="mail")], queue="mail")
    put(leases, chained("n", queue="mail"), queue="mail")
    assert {take(leases), take(leases), take(leases)} == {"a", "b", "m"}

    assert (take(leases, b), take(leases, a)) == ("d", "c")
    assert (take(leases, b), take(leases, a)) == (None, None)


def test_two_that_run_pass_their_slots_on_in_the_order_of_the_claim() -> None:
    leases = ledger()
    a, b = delivery("a"), delivery("b")
    put(leases, [a, b, *chained("cde")])
    assert [take(leases), take(leases)] == ["a", "b"]

    assert take(leases, b) == "c"
    assert take(leases, delivery("c")) == "d"
    assert take(leases, a) == "e"


def test_a_new_slot_goes_to_the_first_that_waits() -> None:
    leases = ledger()
    put(leases, [delivery("a"), *chained("bc")])
    assert take(leases) == "a"

    put(leases, [delivery("d")])

    assert [take(leases), take(leases)] == ["b", None]
    assert [take(leases, delivery("a")), take(leases, delivery("b"))] == ["c", "d"]


@pytest.mark.parametrize(
    "outcome",
    [
        Failed(error="no"),
        Snoozed(delay_s=0.0),
        Succeeded(result="1", statements=(Statement(sql="DELETE FROM mine"),)),
    ],
    ids=["failed", "snoozed", "with a transaction"],
)
def test_what_does_not_simply_succeed_ends_its_chain(outcome: Outcome) -> None:
    leases = ledger()
    a = delivery("a")
    put(leases, [a, *chained("bc")])
    take(leases)

    assert not Finished(delivery=a, outcome=outcome, started_at=0.0).passes_slot_on
    assert finish(leases, a, outcome) == [
        ("a", type(outcome).__name__),
        ("b", "Interrupted"),
        ("c", "Interrupted"),
    ]
    assert leases.ours == ()


def test_the_end_of_a_consumer_ends_its_chains() -> None:
    leases = ledger()
    put(leases, [delivery("a"), *chained("b")])
    take(leases)

    actions = leases.gone("c", ConsumerEnd(consumer="c", reason="killed", ordered=False))

    assert settled(actions) == [("a", "Crashed"), ("b", "Interrupted")]


def test_a_chain_ends_when_its_time_is_over() -> None:
    leases = ledger()
    a, b = delivery("a"), delivery("b")
    put(leases, [a, *chained("bc")])
    take(leases)

    assert take(leases, a, at=CHAIN_S) == "b"
    assert take(leases, b, at=CHAIN_S + 0.001) is None
    assert finish(leases, b) == [("b", "Succeeded"), ("c", "Interrupted")]


def test_what_waits_for_longer_than_a_chain_may_last_is_released() -> None:
    leases = ledger()
    put(leases, [delivery("a"), *chained("b")])
    take(leases)

    assert settled(leases.release_late(at=CHAIN_S)) == []
    assert settled(leases.release_late(at=CHAIN_S + 0.001)) == [("b", "Interrupted")]


def test_a_pause_and_a_drain_release_what_waits() -> None:
    for release in (lambda leases: leases.release("default"), Leases.drain):
        leases = ledger()
        put(leases, [delivery("a"), *chained("bc")])
        take(leases)

        assert settled(release(leases)) == [("b", "Interrupted"), ("c", "Interrupted")]
        assert take(leases, delivery("a")) is None


def test_a_task_that_is_cancelled_while_it_waits_leaves_the_chain() -> None:
    leases = ledger()
    put(leases, [delivery("a"), *chained("bc")])
    take(leases)

    assert settled(leases.cancel("b", "no")) == [("b", "Cancelled")]
    assert take(leases, delivery("a")) == "c"


def test_what_waits_behind_a_task_that_is_cancelled_before_it_begins_is_released() -> None:
    leases = ledger()
    put(leases, [delivery("a"), *chained("b")])

    assert settled(leases.cancel("a", "no")) == [("a", "Cancelled"), ("b", "Interrupted")]


def test_a_lost_lease_passes_no_slot_on() -> None:
    leases = ledger()
    put(leases, [delivery("a"), *chained("bc")])
    take(leases)

    assert settled(leases.lost(["a", "c"])) == [("b", "Interrupted")]
    assert take(leases, delivery("a")) is None


def test_while_a_limit_is_changed_nothing_is_chained() -> None:
    leases = ledger()
    claim = leases.reserve("default", at=0.0)
    assert claim.chain

    put(leases, [delivery("a"), *chained("b")])
    assert settled(leases.bar_chains()) == [("b", "Interrupted")]
    late = leases.add(claim, [delivery("c"), *chained("d")], at=0.0)
    assert settled(late) == [("d", "Interrupted")]
    barred = leases.reserve("default", at=0.0)
    leases.add(barred, [], at=0.0)
    leases.unbar_chains()

    assert barred.chain == 0
    assert leases.reserve("default", at=0.0).chain
    assert [take(leases), take(leases)] == ["a", "c"]


def test_nothing_is_chained_while_what_an_earlier_ledger_handed_out_runs() -> None:
    leases = ledger()
    put(leases, [delivery("a"), *chained("b")])
    earlier = delivery("e")

    actions = leases.register("d", 1, ["default"], [Taken(earlier, 0.0, AttemptLog())])

    assert settled(actions) == [("b", "Interrupted")]
    assert leases.reserve("default", at=0.0).chain == 0
    leases.finished("d", [Finished(delivery=earlier, outcome=DONE, started_at=0.0)])
    assert leases.reserve("default", at=0.0).chain > 0


def test_nothing_is_chained_before_all_consumers_have_registered() -> None:
    leases = ledger()
    leases.expect("silent")

    assert leases.reserve("default", at=0.0).chain == 0


def test_nothing_is_chained_where_tasks_take_turns() -> None:
    leases = ledger(fair=["default"])

    assert leases.reserve("default", at=0.0).chain == 0


def test_chains_grow_while_they_are_used_up_and_shrink_when_they_are_not() -> None:
    leases = ledger()
    lengths = []
    for number in range(12):
        put(leases, [delivery(f"{number}")])
        run_to_its_end(leases)
        lengths.append(next_length(leases))
    failing = delivery("failing")
    put(leases, [failing])
    take(leases)
    finish(leases, failing, Failed(error="no"))

    assert lengths == sorted(lengths)
    assert (lengths[-1], next_length(leases)) == (MOST_CHAINED, MOST_CHAINED // 2)


def test_all_that_waits_in_chains_is_no_more_than_one_commit_releases() -> None:
    leases = ledger()
    for number in range(12):
        put(leases, [delivery(f"{number}")])
        run_to_its_end(leases)

    put(leases, [delivery("a"), *chained("bcd")])

    assert next_length(leases) == MOST_CHAINED - 3


def next_length(leases: Leases[str]) -> int:
    reservation = leases.reserve("default", at=0.0)
    leases.add(reservation, [], at=0.0)
    return reservation.chain
