"""Cases 55 to 61: significant children, and when a supervisor shuts itself down for them."""

import pytest

from taskqueue.runtime import NORMAL, SHUTDOWN, ActorRef
from taskqueue.supervision import (
    AutoShutdown,
    Restart,
    Strategy,
    restart_child,
    start_child,
    terminate_child,
)
from taskqueue.testing.actors import Dummy
from tests.otp.conformance.support import counts, start_all

ANY, ALL = AutoShutdown.ANY_SIGNIFICANT, AutoShutdown.ALL_SIGNIFICANT
TRANSIENT = {"restart": Restart.TRANSIENT, "significant": True}
TEMPORARY = {"restart": Restart.TEMPORARY, "significant": True}

BY_ITSELF = {
    "kill": lambda dummy: dummy.life.kill(),
    "crash": Dummy.crash,
    "normal": lambda dummy: dummy.end(NORMAL),
}


async def end(dummy: Dummy, supervisor: ActorRef, how: str) -> None:
    """End a child by the child API or as it may end by itself; its supervisor will have heard."""
    if how == "api":
        await terminate_child(supervisor, dummy.name)
        return
    life = dummy.life
    BY_ITSELF[how](dummy)
    await life.ended()


@pytest.mark.parametrize("mode", AutoShutdown)
@pytest.mark.parametrize("how", ["api", *BY_ITSELF])
async def test_nonsignificant_temporary(supervised, abc, mode: AutoShutdown, how: str) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(restart=Restart.TEMPORARY), b.child(), auto_shutdown=mode)

    await end(a, root, how)

    assert await supervised.statuses(root) == {"b": "running"}


@pytest.mark.parametrize("mode", AutoShutdown)
@pytest.mark.parametrize("how", ["api", *BY_ITSELF])
async def test_nonsignificant_transient(
    supervised, abc, journal, mode: AutoShutdown, how: str
) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child(restart=Restart.TRANSIENT), b.child(), auto_shutdown=mode)

    await end(a, root, how)

    after = "running" if how in ("kill", "crash") else "stopped"
    assert await supervised.statuses(root) == {"a": after, "b": "running"}


@pytest.mark.parametrize("mode", [ANY, ALL])
@pytest.mark.parametrize("how", BY_ITSELF)
async def test_significant_temporary(supervised, abc, mode: AutoShutdown, how: str) -> None:
    a, b, c = abc
    root = await supervised.by(
        a.child(**TEMPORARY), b.child(**TEMPORARY), c.child(), auto_shutdown=mode
    )

    await terminate_child(root, "a")
    assert await supervised.statuses(root) == {"b": "running", "c": "running"}
    await start_child(root, a.child(**TEMPORARY))
    await end(a, root, how)
    if mode == ALL:
        assert await supervised.statuses(root) == {"b": "running", "c": "running"}
        await end(b, root, how)

    assert await root.ended() == SHUTDOWN
    assert c.life.exit_reason == SHUTDOWN
    assert not b.life.is_alive()


@pytest.mark.parametrize("mode", [ANY, ALL])
async def test_significant_transient(supervised, abc, journal, mode: AutoShutdown) -> None:
    a, b, c = abc
    root = await supervised.by(
        a.child(**TRANSIENT), b.child(**TRANSIENT), c.child(), auto_shutdown=mode
    )

    await terminate_child(root, "a")
    assert await supervised.statuses(root) == {"a": "stopped", "b": "running", "c": "running"}
    await restart_child(root, "a")
    for how in ("kill", "crash"):
        await end(a, root, how)
        assert await supervised.statuses(root) == dict.fromkeys("abc", "running")
    await end(a, root, "normal")
    if mode == ALL:
        assert await supervised.statuses(root) == {"a": "stopped", "b": "running", "c": "running"}
        await end(b, root, "normal")

    assert await root.ended() == SHUTDOWN
    assert (b.life.exit_reason, c.life.exit_reason) == (
        NORMAL if mode == ALL else SHUTDOWN,
        SHUTDOWN,
    )


@pytest.mark.parametrize("mode", [ANY, ALL])
@pytest.mark.parametrize("how", BY_ITSELF)
async def test_significant_simple(instances_of, abc, mode: AutoShutdown, how: str) -> None:
    a, b, c = abc
    root = await instances_of(auto_shutdown=mode, **TEMPORARY)
    await start_all(root, a, b, c)

    await terminate_child(root, c.life)
    assert await counts(root) == [1, 2, 0, 2]
    await end(a, root, how)
    if mode == ALL:
        assert await counts(root) == [1, 1, 0, 1]
        await end(b, root, how)

    assert await root.ended() == SHUTDOWN
    assert not b.life.is_alive()


@pytest.mark.parametrize("mode", [ANY, ALL])
@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
async def test_significant_bystander(
    supervised, abc, journal, mode: AutoShutdown, strategy: Strategy
) -> None:
    a, b, c = abc
    root = await supervised.by(
        a.child(), b.child(**TRANSIENT), c.child(**TRANSIENT), strategy=strategy, auto_shutdown=mode
    )
    first = {b.life, c.life}

    await end(a, root, "crash")

    assert await supervised.statuses(root) == dict.fromkeys("abc", "running")
    assert first.isdisjoint({b.life, c.life})


@pytest.mark.parametrize("significant", [True, False])
async def test_significant_escalation(supervised, abc, system, significant: bool) -> None:
    a, b, c = abc
    sub = supervised.below(
        "sub",
        *(a.child(**TRANSIENT), b.child()),
        flags=supervised.flags(auto_shutdown=ANY),
        restart=Restart.TRANSIENT,
        significant=significant,
    )
    root = await supervised.by(sub, c.child(), auto_shutdown=ANY)
    sub_ref = system.names.whereis("sub")

    a.end(NORMAL)

    assert await sub_ref.ended() == SHUTDOWN
    assert b.life.exit_reason == SHUTDOWN
    if significant:
        assert await root.ended() == SHUTDOWN
        assert c.life.exit_reason == SHUTDOWN
    else:
        assert await supervised.statuses(root) == {"sub": "stopped", "c": "running"}
