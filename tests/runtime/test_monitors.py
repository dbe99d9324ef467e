"""Monitors: one way, any number, exactly one Down each."""

import sys
from collections.abc import Iterator

import pytest

from taskqueue.runtime import (
    KILLED,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    ActorRef,
    ExitReason,
    System,
    stop,
    tell,
)
from tests.runtime.puppets import Hermit, Note, Puppet, do, heard


@pytest.mark.parametrize("kind", [Puppet, Hermit])
@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, KILLED])
async def test_a_monitor_tells_of_the_end_whatever_the_reason(
    system: System, kind: type[Puppet], reason: ExitReason
) -> None:
    watched, observer = await system.spawn(kind), await system.spawn(kind)

    monitor = await do(observer, lambda me: me.monitor(watched))
    await stop(watched, reason)

    [down] = await heard(observer, 1)
    assert (down.monitor, down.ref, down.reason) == (monitor, watched, reason)


async def test_a_monitor_goes_one_way(system: System) -> None:
    watched, observer = await system.spawn(Puppet), await system.spawn(Puppet)

    await do(observer, lambda me: me.monitor(watched))
    observer.kill()
    await observer.ended()

    assert await do(watched, lambda me: me.heard) == []


async def test_each_of_several_monitors_delivers_once(system: System) -> None:
    watched, observer = await system.spawn(Puppet), await system.spawn(Puppet)

    monitors = [await do(observer, lambda me: me.monitor(watched)) for _ in range(3)]
    watched.kill()
    await watched.ended()
    tell(observer, Note(text="after"))

    *downs, after = await heard(observer, 4)
    assert sorted(down.monitor for down in downs) == sorted(monitors)
    assert len(set(monitors)) == 3
    assert after == "after"


async def test_monitoring_the_dead_delivers_noproc_at_once(system: System) -> None:
    dead, observer = await system.spawn(Puppet), await system.spawn(Puppet)
    dead.kill()
    await dead.ended()

    monitor = await do(observer, lambda me: me.monitor(dead))

    [down] = await heard(observer, 1)
    assert (down.monitor, down.ref, down.reason) == (monitor, dead, NOPROC)


async def test_no_down_comes_after_demonitor(system: System) -> None:
    watched, observer = await system.spawn(Puppet), await system.spawn(Puppet)

    await do(observer, lambda me: me.demonitor(me.monitor(watched), watched))
    watched.kill()
    await watched.ended()
    tell(observer, Note(text="only this"))

    assert await heard(observer, 1) == ["only this"]


async def test_demonitor_takes_out_a_down_that_is_already_here(system: System) -> None:
    watched, observer = await system.spawn(Puppet), await system.spawn(Puppet)

    async def miss_one(me: Puppet) -> int:
        missed, kept = me.monitor(watched), me.monitor(watched)
        watched.kill()
        await watched.ended()
        me.demonitor(missed, watched)
        return kept

    kept = await do(observer, miss_one)
    tell(observer, Note(text="after"))

    [down, after] = await heard(observer, 2)
    assert (down.monitor, after) == (kept, "after")


@pytest.fixture
def jumpy() -> Iterator[None]:
    """Let threads take turns as often as they can, so that races are met."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("jumpy")
async def test_no_down_of_another_host_arrives_after_demonitor(system: System) -> None:
    observer, rounds, each = await system.spawn(Hermit), 5, 3000
    late: list[int] = []
    for _ in range(rounds):
        watched = await system.spawn(Puppet)

        def change_its_mind(me: Puppet, watched: ActorRef = watched) -> None:
            *_, last = [me.monitor(watched) for _ in range(each)]
            watched.kill()
            while watched.exit_reason is None:  # its end is being told, on the other thread
                pass
            me.demonitor(last, watched)
            late.append(last)

        await do(observer, change_its_mind)
    await watched.ended()
    tell(observer, Note(text="after"))

    *downs, after = await heard(observer, rounds * (each - 1) + 1)
    assert after == "after"
    assert {down.monitor for down in downs}.isdisjoint(late)
