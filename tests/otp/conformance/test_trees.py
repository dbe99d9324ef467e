"""Cases 53, 54 and 77: a child that cuts its link, trees of supervisors, and their names."""

from functools import partial

from taskqueue.runtime import KILLED, NORMAL
from taskqueue.supervision import (
    Strategy,
    restart_child,
    start_child,
    terminate_child,
)
from taskqueue.testing.actors import CrashTest
from tests.otp.conformance.support import counts


async def test_child_unlink(supervised, dummy, journal, system) -> None:
    """Adapted: what hangs is a child that swallows its cancellation as well."""

    class Unlinking(CrashTest):
        async def on_start(self) -> None:
            await super().on_start()
            self.unlink(system.names.whereis("root"))

    a, b = dummy("a", Unlinking), dummy("b")
    root = await supervised.by(a.child(shutdown=0.01), b.child())
    a.resist()
    await journal.wait_for("resisting", actor="a")

    await terminate_child(root, "a")

    assert a.life.exit_reason == KILLED
    assert await supervised.statuses(root) == {"a": "stopped", "b": "running"}


async def test_tree(supervised, abc, dummy, journal, system) -> None:
    a, b, c = abc
    added = dummy("added")
    left = supervised.below("left", a.child(), b.child(), flags=supervised.flags(max_restarts=1))
    right = supervised.below("right", c.child())
    root = await supervised.by(left, right, strategy=Strategy.ONE_FOR_ALL)
    whereis = system.names.whereis
    assert await counts(root) == [2, 2, 2, 0]
    assert await counts(whereis("left")) == [2, 2, 0, 2]
    assert await counts(whereis("right")) == [1, 1, 0, 1]

    await start_child(whereis("left"), added.child())
    assert await counts(whereis("left")) == [3, 3, 0, 3]
    others = b.life, c.life, added.life
    a.crash()
    await journal.wait_for("started", actor="a", nth=2)
    assert (b.life, c.life, added.life) == others

    await terminate_child(root, "right")
    assert await supervised.statuses(root) == {"left": "running", "right": "stopped"}
    a.crash()
    await journal.wait_for("started", actor="c", nth=2)

    assert await supervised.statuses(root) == {"left": "running", "right": "running"}
    assert await supervised.statuses(whereis("left")) == {"a": "running", "b": "running"}
    assert not added.life.is_alive()


async def test_simple_global_supervisor(supervised, dummy, journal, system) -> None:
    """Adapted: the names are those of the actor system."""

    class Named(CrashTest):
        registered_name = "worker"

    worker = dummy("worker", Named)
    sub = partial(system.names.whereis, "sub")
    root = await supervised.by(supervised.below("sub", worker.child()))

    def kill_sub() -> None:
        sub().kill()

    def kill_worker() -> None:
        worker.life.kill()

    def end_worker() -> None:
        worker.end(NORMAL)

    for nth, end in enumerate((kill_sub, kill_worker, end_worker), 2):
        end()
        await journal.wait_for("started", actor="worker", nth=nth)
        assert await supervised.statuses(root) == {"sub": "running"}
        assert await supervised.statuses(sub()) == {"worker": "running"}
        assert system.names.whereis("worker") is worker.life

    await terminate_child(sub(), "worker")
    assert system.names.whereis("worker") is None
    assert await restart_child(sub(), "worker") is system.names.whereis("worker")

    last = sub()
    root.kill()
    await worker.life.ended()
    await last.ended()
    assert [system.names.whereis(name) for name in ("root", "sub", "worker")] == [None] * 3
