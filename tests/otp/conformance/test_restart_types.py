"""Cases 43 to 52: when a child is restarted, by its restart type and the reason of its end."""

import pytest

from taskqueue.errors import StartFailed
from taskqueue.runtime import NORMAL, SHUTDOWN, Crash, ExitReason, Shutdown
from taskqueue.supervision import FailedToStartChild, Restart, restart_child, start_child
from tests.otp.conformance.support import counts

TOLD = (SHUTDOWN, Shutdown("told"))


@pytest.fixture
def ends(supervised, dummy, journal):
    """Let a child of this restart type end; return the child, its supervisor and their counts."""

    async def run(restart: Restart, *reasons: ExitReason):
        a = dummy("a")
        root = await supervised.by(a.child(restart=restart))
        for reason in reasons:
            a.end(reason)
            await a.life.ended()
        return a, root, await counts(root)

    return run


@pytest.fixture
def is_restarted(supervised, dummy, journal):
    """Let a permanent or transient child end; it comes back each time."""

    async def run(restart: Restart, *reasons: ExitReason) -> None:
        a = dummy("a")
        root = await supervised.by(a.child(restart=restart))
        for nth, reason in enumerate(reasons, 2):
            before = a.life
            a.end(reason)
            await journal.wait_for("started", actor="a", nth=nth)
            assert a.life is not before
            assert await counts(root) == [1, 1, 0, 1]

    return run


async def test_permanent_normal(is_restarted) -> None:
    await is_restarted(Restart.PERMANENT, NORMAL)


async def test_transient_normal(ends, supervised, journal) -> None:
    _, root, count = await ends(Restart.TRANSIENT, NORMAL)

    assert count == [1, 0, 0, 1]
    assert await supervised.statuses(root) == {"a": "stopped"}
    assert len(journal.select("started")) == 1


async def test_temporary_normal(ends, journal) -> None:
    _, _, count = await ends(Restart.TEMPORARY, NORMAL)

    assert count == [0, 0, 0, 0]
    assert len(journal.select("started")) == 1


async def test_permanent_shutdown(is_restarted) -> None:
    await is_restarted(Restart.PERMANENT, *TOLD)


async def test_transient_shutdown(ends) -> None:
    a, root, count = await ends(Restart.TRANSIENT, SHUTDOWN)
    assert count == [1, 0, 0, 1]

    await restart_child(root, "a")
    assert await counts(root) == [1, 1, 0, 1]
    a.end(Shutdown("told"))
    await a.life.ended()

    assert await counts(root) == [1, 0, 0, 1]


async def test_temporary_shutdown(ends) -> None:
    a, root, count = await ends(Restart.TEMPORARY, SHUTDOWN)
    assert count == [0, 0, 0, 0]

    await start_child(root, a.child(restart=Restart.TEMPORARY))
    assert await counts(root) == [1, 1, 0, 1]
    a.end(Shutdown("told"))
    await a.life.ended()

    assert await counts(root) == [0, 0, 0, 0]


async def test_faulty_application_shutdown(supervised, abc, system) -> None:
    """Adapted: there are no applications; the error of the root's start says who and why."""
    a, b, _ = abc
    error = LookupError("no such thing")
    b.failed_starts = 1
    b.start_error = Crash(error)

    with pytest.raises(StartFailed) as failed:
        await supervised.by(a.child(), b.child())

    detail = FailedToStartChild(child_id="b", reason=Crash(error))
    assert failed.value.cause == Shutdown(detail)
    assert "LookupError: no such thing" in str(failed.value)
    assert "'b'" in str(failed.value)
    assert system.actors == ()


async def test_permanent_abnormal(is_restarted) -> None:
    await is_restarted(Restart.PERMANENT, Crash("odd"))


async def test_transient_abnormal(is_restarted) -> None:
    await is_restarted(Restart.TRANSIENT, Crash("odd"))


async def test_temporary_abnormal(ends, journal) -> None:
    _, _, count = await ends(Restart.TEMPORARY, Crash("odd"))

    assert count == [0, 0, 0, 0]
    assert len(journal.select("started")) == 1
