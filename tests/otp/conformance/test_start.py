"""Cases 1 to 12: how a supervisor starts, and what becomes of a start that is ignored or fails."""

import pytest

from taskqueue.errors import StartFailed
from taskqueue.runtime import NORMAL, SHUTDOWN, ActorRef, Crash, Ignore
from taskqueue.supervision import (
    BadReturn,
    ChildSpec,
    ChildStartFailed,
    ChildStatus,
    Restart,
    Supervisor,
    restart_child,
    start_child,
    start_instance,
    terminate_child,
    which_child,
)
from tests.otp.conformance.support import counts, instances, start_all


async def test_sup_start_normal(supervised, system) -> None:
    root = await supervised.by()

    root.exit(SHUTDOWN)

    assert await root.ended() == SHUTDOWN
    assert system.actors == ()


async def test_sup_start_ignore_init(system) -> None:
    begun: list[ActorRef] = []

    class Ignoring(Supervisor):
        async def on_start(self) -> None:
            begun.append(self.ref)
            raise Ignore

    with pytest.raises(Ignore):
        await system.spawn(Ignoring, "root", [])

    assert await begun[0].ended() == NORMAL
    assert system.names.whereis("root") is None


async def test_sup_start_ignore_child(supervised, abc) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child())
    b.ignored_starts = 1

    assert await start_child(root, b.child()) is None

    assert await supervised.statuses(root) == {"a": "running", "b": "stopped"}
    assert await counts(root) == [2, 1, 0, 2]


async def test_sup_start_ignore_temporary_child(supervised, abc) -> None:
    a, b, _ = abc
    a.ignored_starts = 1

    root = await supervised.by(a.child(restart=Restart.TEMPORARY), b.child())

    assert await supervised.statuses(root) == {"b": "running"}
    assert await counts(root) == [1, 1, 0, 1]


async def test_sup_start_ignore_temporary_child_start_child(supervised, abc) -> None:
    a, b, _ = abc
    root = await supervised.by(a.child())
    b.ignored_starts = 1

    assert await start_child(root, b.child(restart=Restart.TEMPORARY)) is None

    assert await supervised.statuses(root) == {"a": "running"}
    assert await counts(root) == [1, 1, 0, 1]


async def test_sup_start_ignore_temporary_child_start_child_simple(instances_of, abc) -> None:
    a, b, _ = abc
    root = await instances_of(restart=Restart.TEMPORARY)
    await start_instance(root, a)
    b.ignored_starts = 1

    assert await start_instance(root, b) is None

    assert await instances(root) == {a.life}
    assert await counts(root) == [1, 1, 0, 1]


async def test_sup_start_ignore_permanent_child_start_child_simple(instances_of, abc) -> None:
    a, b, _ = abc
    root = await instances_of(restart=Restart.PERMANENT)
    await start_instance(root, a)
    b.ignored_starts = 1

    assert await start_instance(root, b) is None

    assert await instances(root) == {a.life}
    assert await counts(root) == [1, 1, 0, 1]
    root.exit(SHUTDOWN)
    assert await root.ended() == SHUTDOWN


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (("nonsense",), "start_spec: badarg: 'nonsense'"),
        ((7,), "start_spec: badarg: 7"),
        (([], "nonsense"), "supervisor_data: invalid_type: 'nonsense'"),
    ],
)
async def test_sup_start_error_return(system, given: tuple[object, ...], fault: str) -> None:
    """Adapted: there is no init callback; nonsense is given in place of children or flags."""
    with pytest.raises(StartFailed) as failed:
        await system.spawn(Supervisor, "root", *given)

    assert str(failed.value.__cause__) == fault
    assert failed.value.cause == Crash(failed.value.__cause__)
    assert system.actors == ()


async def test_sup_start_fail(system) -> None:
    error = RuntimeError("no init")
    begun: list[ActorRef] = []

    class Failing(Supervisor):
        async def on_start(self) -> None:
            begun.append(self.ref)
            raise error

    with pytest.raises(StartFailed) as failed:
        await system.spawn(Failing, "root", [])

    assert failed.value.cause == Crash(error)
    assert await begun[0].ended() == Crash(error)


async def test_sup_start_child_returns_error(supervised, abc) -> None:
    a, _, _ = abc
    root = await supervised.by()
    a.failed_starts = 1

    async def nonsense() -> object:
        return "nonsense"

    odd = ChildSpec(id="odd", start=nonsense)
    for spec, reason in (
        (a.child(), a.start_error),
        (odd, Crash(BadReturn(value="nonsense"))),
    ):
        with pytest.raises(ChildStartFailed) as failed:
            await start_child(root, spec)
        assert (failed.value.reason, failed.value.spec) == (reason, spec)

    assert await supervised.statuses(root) == {}


async def test_sup_start_restart_child_returns_error(supervised, abc) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child())
    await terminate_child(root, "a")
    a.failed_starts = 1

    with pytest.raises(ChildStartFailed) as failed:
        await restart_child(root, "a")

    assert failed.value.reason == a.start_error
    state = await which_child(root, "a")
    assert (state.status, state.ref, state.spec) == (ChildStatus.STOPPED, None, a.child())


async def test_sup_start_child_returns_error_simple(instances_of, abc) -> None:
    a, b, _ = abc
    root = await instances_of()
    await start_all(root, b)
    a.failed_starts = 1

    with pytest.raises(ChildStartFailed) as failed:
        await start_instance(root, a)

    assert (failed.value.reason, failed.value.spec) == (a.start_error, None)
    assert await instances(root) == {b.life}
