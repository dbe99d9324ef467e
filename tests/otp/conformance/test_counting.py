"""Cases 69 to 71 and 73 to 76: what is counted, what is kept, and what a large number costs."""

import contextlib
import gc
import sys
import weakref
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import pytest

from taskqueue.runtime import NORMAL, Actor, ActorRef
from taskqueue.supervision import (
    ChildSpec,
    ChildType,
    Restart,
    SimpleOneForOne,
    Strategy,
    count_children,
    start_child,
    start_instance,
    terminate_child,
    which_children,
)
from taskqueue.testing.actors import Dummy
from tests.otp.conformance.support import (
    FOR_EVER,
    counts,
    instances,
    refusal,
    start_all,
)

GROUPS = (Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE)
STATIC = (Strategy.ONE_FOR_ONE, *GROUPS)


# --- counting -------------------------------------------------------------------------------------


async def _count_many(
    system, instances_of, kind: ChildType, expected: Callable[[int], list[int]]
) -> None:
    root = await instances_of(start=Actor.start_link, restart=Restart.TEMPORARY, type=kind)
    for total in (1_000, 2_000):
        for _ in range(1_000):
            await start_instance(root)
        assert len(await which_children(root)) == total
        assert await counts(root) == await counts(root) == expected(total)

    for ref in await instances(root):
        ref.kill()
        await ref.ended()
    assert await counts(root) == [1, 0, 0, 0]
    assert system.actors == (root,)


async def test_count_children(system, instances_of) -> None:
    await _count_many(system, instances_of, ChildType.WORKER, lambda n: [1, n, 0, n])


async def test_count_children_supervisor(system, instances_of) -> None:
    await _count_many(system, instances_of, ChildType.SUPERVISOR, lambda n: [1, n, n, 0])


async def test_count_restarting_children(instances_of, abc, journal) -> None:
    a, b, c = abc
    root = await instances_of(max_restarts=FOR_EVER)
    await start_all(root, a, b, c)
    a.failed_starts = b.failed_starts = FOR_EVER

    for each in (a, b):
        each.crash()
        await journal.wait_for("failed", actor=each.name)
    assert await counts(root) == [1, 1, 0, 3]
    a.failed_starts = b.failed_starts = 0
    for each in (a, b):
        await journal.wait_for("started", actor=each.name, nth=2)
    assert await counts(root) == [1, 3, 0, 3]

    for left, each in ((2, a), (1, b), (0, c)):
        await terminate_child(root, each.life)
        assert await counts(root) == [1, left, 0, left]


# --- what is kept ---------------------------------------------------------------------------------


class Big:
    """A start argument that is worth not to be kept."""


async def _start_with(dummy: Dummy, _: Big) -> ActorRef:
    return await dummy.start()


@pytest.mark.parametrize("restart", Restart)
@pytest.mark.parametrize("strategy", Strategy)
async def test_do_not_save_start_parameters_for_temporary_children(
    supervised, instances_of, abc, strategy: Strategy, restart: Restart
) -> None:
    """Adapted: instead of measuring memory, ask whether the argument is still referred to."""
    a, _, _ = abc
    big = Big()
    kept = weakref.ref(big)

    if strategy == Strategy.SIMPLE_ONE_FOR_ONE:
        root = await instances_of(start=_start_with, restart=restart)
        await start_instance(root, a, big)
    else:
        root = await supervised.by(strategy=strategy)
        start = partial(_start_with, a, big)
        await start_child(root, ChildSpec(id="a", start=start, restart=restart))
        del start
    del big
    await count_children(root)  # the message before is let go when the next one is taken
    gc.collect()

    assert a.life.is_alive()
    assert (kept() is None) == (restart == Restart.TEMPORARY)


ENDS = {
    "kill": lambda dummy: dummy.life.kill(),
    "normal": lambda dummy: dummy.end(NORMAL),
    "crash": Dummy.crash,
}


@pytest.mark.parametrize("how", [*ENDS, "api"])
@pytest.mark.parametrize("restart", Restart)
@pytest.mark.parametrize("strategy", STATIC)
async def test_do_not_save_child_specs_for_temporary_children(
    supervised, abc, strategy: Strategy, restart: Restart, how: str
) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(restart=restart), strategy=strategy)
    life = a.life

    if how == "api":
        await terminate_child(root, "a")
    else:
        ENDS[how](a)
        await life.ended()

    if restart == Restart.TEMPORARY:
        assert await start_child(root, a.child(restart=restart)) is a.life
        return
    rests = how == "api" or (restart == Restart.TRANSIENT and how == "normal")
    wanted = "already_present" if rests else "already_started"
    assert await refusal(start_child(root, a.child(restart=restart))) == wanted


@pytest.mark.parametrize("strategy", GROUPS)
async def test_temporary_bystander(supervised, abc, strategy: Strategy, journal) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(), b.child(restart=Restart.TEMPORARY), strategy=strategy)

    a.crash()
    await journal.wait_for("started", actor="a", nth=2)

    assert await supervised.statuses(root) == {"a": "running"}
    assert not b.life.is_alive()
    assert len(journal.select("started", actor="b")) == 1


# --- scale ----------------------------------------------------------------------------------------


class Calls:
    """Counts the function calls on this thread: a measure of work that no busy machine disturbs."""

    number = 0

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count until this is left."""
        sys.setprofile(self._count)
        try:
            yield
        finally:
            sys.setprofile(None)

    def _count(self, _: object, event: str, __: object) -> None:
        self.number += event in ("call", "c_call")


async def _calls_of(work: Callable[[], Awaitable[None]]) -> int:
    calls = Calls()
    gc.disable()  # finalisers of what was before do not belong to the work
    try:
        with calls.counted():
            await work()
    finally:
        gc.enable()
    return calls.number


SMALL, TEN_TIMES, GENEROUS = 100, 1_000, 15  # ten times the children, up to fifteen times the work


async def test_simple_one_for_one_scale_many_temporary_children(system, supervised) -> None:
    """Adapted: function calls are counted instead of time."""

    async def terminations(number: int) -> int:
        template = ChildSpec(id="actor", start=Actor.start_link, restart=Restart.TEMPORARY)
        flags = supervised.flags(Strategy.SIMPLE_ONE_FOR_ONE)
        root = await system.spawn(SimpleOneForOne, f"root-{number}", [template], flags)
        refs = [await start_instance(root) for _ in range(number)]

        async def terminate_all() -> None:
            for ref in refs:
                await terminate_child(root, ref)

        return await _calls_of(terminate_all)

    assert await terminations(TEN_TIMES) < GENEROUS * await terminations(SMALL)


async def test_scale_start_stop_many_children(supervised) -> None:
    """Adapted: function calls are counted instead of time."""
    root = await supervised.by()

    async def starts_and_stops(number: int) -> int:
        async def start_and_stop_all() -> None:
            ids = [str(n) for n in range(number)]
            for child_id in ids:
                spec = ChildSpec(id=child_id, start=Actor.start_link, restart=Restart.TEMPORARY)
                await start_child(root, spec)
            for child_id in ids:
                await terminate_child(root, child_id)

        return await _calls_of(start_and_stop_all)

    assert await starts_and_stops(TEN_TIMES) < GENEROUS * await starts_and_stops(SMALL)
    assert await counts(root) == [0, 0, 0, 0]
