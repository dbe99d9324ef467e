"""All nodes of a PostgreSQL database go by the clock of its server."""

import time

import pytest

from taskqueue.clock import SystemClock
from taskqueue.storage.postgres.backend import PostgresBackend
from taskqueue.storage.postgres.clock import MOST_UNSURE_S, ServerClock
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.testing.clock import ManualClock

SERVER_AT = 5_000.0


class Server:
    """Tells the time after so many seconds on the way there and back."""

    def __init__(self, clock: ManualClock, at: float, *, there_s: float, back_s: float) -> None:
        self._clock = clock
        self._at = at
        self._there_s = there_s
        self._back_s = back_s

    async def fetchval(self, query: str, *args: object) -> float:
        self._clock.advance(self._there_s)
        at = self._at
        self._clock.advance(self._back_s)
        return at


class WrongClock(SystemClock):
    """The clock of a machine that is an hour ahead."""

    def now(self) -> float:
        return super().now() + 3_600.0


async def measured(clock: ServerClock, own: ManualClock, at: float, *, there_s: float) -> float:
    """Measure, and return by how much the clock is wrong then."""
    back_s = 0.01
    await clock.measure(Server(own, at, there_s=there_s, back_s=back_s))  # type: ignore[arg-type]
    return clock.now() - (at + back_s)


async def test_a_node_whose_own_clock_is_an_hour_ahead_goes_by_the_server(
    migrated_database: PostgresDatabase,
) -> None:
    backend = PostgresBackend(migrated_database, own_clock=WrongClock())
    before = backend.clock.now()

    await backend.prepare()

    assert before - time.time() == pytest.approx(3_600.0, abs=5.0)
    assert backend.clock.now() == pytest.approx(time.time(), abs=5.0)  # it runs on this machine


async def test_a_clock_is_wrong_by_half_of_the_round_trip_at_most_and_runs_on() -> None:
    own = ManualClock()
    clock = ServerClock(own, elapsed=own.monotonic)

    wrong_by = await measured(clock, own, SERVER_AT, there_s=0.21)
    at = clock.now()
    own.advance(60.0)

    assert abs(wrong_by) <= 0.11
    assert clock.now() - at == pytest.approx(60.0)


async def test_what_was_measured_while_the_process_was_frozen_is_ignored() -> None:
    own = ManualClock()
    clock = ServerClock(own, elapsed=own.monotonic)
    await measured(clock, own, SERVER_AT, there_s=0.01)

    wrong_by = await measured(clock, own, SERVER_AT, there_s=2 * MOST_UNSURE_S)

    assert clock.now() == pytest.approx(SERVER_AT + 0.02 + 2 * MOST_UNSURE_S)
    assert wrong_by == pytest.approx(0.01 + 2 * MOST_UNSURE_S, abs=0.02)


async def test_a_clock_that_was_set_on_the_server_is_followed_by_the_next_heartbeat() -> None:
    own = ManualClock()
    clock = ServerClock(own, elapsed=own.monotonic)
    await measured(clock, own, SERVER_AT, there_s=0.01)

    await measured(clock, own, SERVER_AT + 30.0, there_s=0.01)

    assert clock.now() == pytest.approx(SERVER_AT + 30.01)


async def test_a_machine_that_was_suspended_does_not_believe_in_the_past() -> None:
    awake, elapsed = ManualClock(), ManualClock()
    clock = ServerClock(awake, elapsed=elapsed.monotonic)
    await clock.measure(Server(elapsed, SERVER_AT, there_s=0.0, back_s=0.0))  # type: ignore[arg-type]

    elapsed.advance(3_600.0)  # of which the machine was awake for none

    assert clock.now() == pytest.approx(SERVER_AT + 3_600.0)
    assert awake.monotonic() == ManualClock().monotonic()


@pytest.mark.parametrize("period_s", [0.5, 1.0, 2.0, 60.0])
def test_nodes_that_are_started_together_do_not_poll_together(period_s: float) -> None:
    own = ManualClock()
    clocks = [ServerClock(own, phase_s=phase_s) for phase_s in (0.0, 17.2, 41.35)]

    beats = {round(clock.next_beat(period_s), 3) for clock in clocks}

    assert len(beats) == 3
    assert all(own.monotonic() < beat <= own.monotonic() + period_s for beat in beats)


def test_nodes_choose_phases_of_their_own() -> None:
    own = ManualClock()

    beats = {ServerClock(own).next_beat(2.0) for _ in range(10)}

    assert len(beats) == 10


@pytest.mark.parametrize("phase_s", [0.0, 0.3, 41.7])
def test_a_beat_of_a_longer_period_is_one_of_a_shorter_period_as_well(phase_s: float) -> None:
    own = ManualClock()
    clock = ServerClock(own, phase_s=phase_s)
    long = clock.next_beat(2.0)

    own.advance_to(long - 0.25)

    assert clock.next_beat(0.5) == pytest.approx(long)
