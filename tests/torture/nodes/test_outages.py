"""A run counts towards its limit as long as its node surely had the lease, and no longer."""

from collections import Counter

import pytest

from taskqueue.verification.books import Books
from taskqueue.verification.evidence import HandlerRun
from taskqueue.verification.gate_checks import too_many_at_once
from tests.torture.nodes.outages import Outage, sure

SURE_S = 6.0


def run(began_at: float, ended_at: float | None, node: str = "a") -> HandlerRun:
    """A run under a limit of one at once, in a process that lives on."""
    return HandlerRun(
        task=f"of {node}",
        keys=("single",),
        process=node,
        began_at=began_at,
        ended_at=ended_at,
        beside=("a", "b"),
        node=node,
    )


def broken(runs: list[HandlerRun], *outages: Outage) -> int:
    """Return how often the limit was exceeded, as far as is certain."""
    books = Books(
        notes=[],
        tasks=[],
        lines={},
        effects=Counter(),
        counters={},
        integrity="ok",
        runs=sure(runs, outages, sure_s=SURE_S),
        claims=[],
        held_slots=[],
        schedules=[],
        slots=[],
        groups=[],
        calm_at=0.0,
    )
    return len([*too_many_at_once(books)])


FROZEN = Outage("a", 10.0, 30.0)


def test_two_runs_of_two_nodes_at_once_are_too_many() -> None:
    assert broken([run(1.0, 3.0, "a"), run(2.0, 4.0, "b")]) == 1


@pytest.mark.parametrize(("later", "times"), [(15.9, 1), (16.1, 0)])
def test_a_frozen_node_has_its_slot_until_its_lease_may_have_ended(
    later: float, times: int
) -> None:
    frozen, other = run(9.0, 31.0, "a"), run(later, later + 1, "b")

    assert broken([frozen, other], FROZEN) == times


@pytest.mark.parametrize(("later", "times"), [(15.9, 1), (16.1, 0)])
def test_so_does_one_that_never_told_its_end(later: float, times: int) -> None:
    killed, other = run(9.0, None, "a"), run(later, later + 1, "b")

    assert broken([killed, other], Outage("a", 10.0)) == times


def test_an_outage_that_is_shorter_than_a_lease_excuses_nothing() -> None:
    runs = [run(9.0, 20.0, "a"), run(19.0, 20.0, "b")]

    assert broken(runs, Outage("a", 10.0, 15.0)) == 1


def test_outages_with_no_time_between_them_are_one() -> None:
    runs = [run(9.0, 20.0, "a"), run(19.0, 20.0, "b")]

    assert broken(runs, Outage("a", 10.0, 14.0), Outage("a", 14.5, 18.5)) == 0


def test_an_outage_of_the_server_is_one_of_every_node() -> None:
    runs = [run(9.0, 31.0, "a"), run(20.0, 31.0, "b")]

    assert broken(runs, Outage(None, 10.0, 30.0)) == 0


@pytest.mark.parametrize("outage", [Outage("b", 10.0, 30.0), Outage("a", 40.0, 60.0)])
def test_an_outage_of_another_node_or_time_excuses_nothing(outage: Outage) -> None:
    assert broken([run(9.0, 31.0, "a"), run(20.0, 31.0, "c")], outage) == 1


def test_a_run_that_began_after_the_thaw_is_certain_again() -> None:
    assert broken([run(30.5, 33.0, "a"), run(31.0, 32.0, "b")], FROZEN) == 1
