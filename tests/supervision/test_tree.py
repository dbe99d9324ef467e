"""The tree at a glance: snapshot, find, picture."""

import asyncio
import re
from typing import NoReturn

import pytest

from taskqueue.errors import AskTimeout
from taskqueue.runtime import Shutdown, request
from taskqueue.supervision import (
    ChildExit,
    ChildSpec,
    ChildType,
    find,
    overview,
    picture,
    snapshot,
    terminate_child,
    tree,
)
from taskqueue.supervision.child import MOST_EXITS, MOST_REASON, Child
from taskqueue.testing.clock import ManualClock
from tests.runtime.puppets import Do, Puppet


@pytest.fixture
async def root(supervised, abc):
    a, b, c = abc
    return await supervised.by(a.child(), supervised.below("sub", b.child()), c.child())


@pytest.fixture
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(tree, "SNAPSHOT_TIMEOUT_S", 0.01)


async def test_a_snapshot_shows_everybody_in_start_order(root, abc) -> None:
    node = await snapshot(root)

    [a, sub, c] = node.children
    assert (node.path, node.status, node.supervisor.strategy) == ("root", "running", "one_for_one")
    assert [each.path for each in (a, sub, *sub.children, c)] == [
        *("root/a", "root/sub", "root/sub/b", "root/c"),
    ]
    assert (a.type, sub.type, a.supervisor) == ("worker", "supervisor", None)
    assert sub.supervisor.max_restarts == 10
    assert (a.started_at, a.last_exit) == (1_000.0, None)


async def test_a_snapshot_tells_of_the_life_before(root, abc, journal, supervised) -> None:
    a, _, _ = abc
    supervised.clock.advance(3.0)
    a.crash("oops")
    await journal.wait_for("started", actor="a", nth=2)

    node = await snapshot(root)

    assert node.supervisor.restarts_in_period == 1
    assert (node.children[0].incarnation, node.children[0].last_exit) == (2, "oops")
    assert node.children[0].last_exit_at == 1_003.0


async def test_a_picture_is_one_line_an_actor(root, abc, journal) -> None:
    _, b, _ = abc
    b.crash("oops")
    await journal.wait_for("started", actor="b", nth=2)
    await terminate_child(root, "c")

    drawn = picture(await snapshot(root))

    assert drawn.splitlines() == [
        "root  running  incarnation 1",
        "├─ a  running  incarnation 1",
        "├─ sub  running  incarnation 1",
        "│  └─ b  running  incarnation 2  last exit: oops",
        "└─ c  stopped  incarnation 1  last exit: shutdown",
    ]


@pytest.mark.usefixtures("impatient")
async def test_a_busy_supervisor_is_shown_as_busy_and_holds_nobody_else_up(
    root, abc, journal, system
) -> None:
    _, b, _ = abc
    b.hold_starts()
    b.crash()
    await journal.wait_for("starting", actor="b")

    node = await snapshot(root)

    assert [each.status for each in node.children] == ["running", "busy", "running"]
    assert node.children[1].children == ()


async def test_a_supervisor_that_is_gone_is_shown_as_busy(root) -> None:
    root.kill()
    await root.ended()

    assert (await snapshot(root)).status == "busy"


async def test_a_worker_that_is_called_a_supervisor_is_left_in_peace(supervised, abc) -> None:
    a, _, _ = abc
    root = await supervised.by(a.child(type=ChildType.SUPERVISOR))

    node = await snapshot(root)

    assert [(each.type, each.status, each.children) for each in node.children] == [
        ("supervisor", "running", ()),
    ]
    assert await find(root, "root/a/x") is None
    assert (await overview(root)).children[0].incarnation == 1


async def test_find_returns_who_runs_at_a_path(root, abc, system) -> None:
    a, b, _ = abc

    assert await find(root, "root") is root
    assert await find(root, "root/a") is a.life
    assert await find(root, "root/sub") is system.names.whereis("sub")
    assert await find(root, "root/sub/b") is b.life


@pytest.mark.parametrize(
    "path", ["", "a", "stem/a", "root/z", "root/z/b", "root/sub/z", "root/a/b"]
)
async def test_find_returns_none_where_nobody_runs(root, abc, path: str) -> None:
    assert await find(root, path) is None
    assert abc[0].life.is_alive()


async def test_find_returns_none_for_a_child_that_is_stopped(root) -> None:
    await terminate_child(root, "sub")

    assert await find(root, "root/sub") is None
    assert await find(root, "root/sub/b") is None


async def test_find_below_a_root_that_is_gone_returns_none(root) -> None:
    root.kill()
    await root.ended()

    assert await find(root, "root/a") is None


@pytest.mark.usefixtures("impatient")
async def test_find_says_when_a_supervisor_on_the_way_is_busy(root, abc, journal) -> None:
    _, b, _ = abc
    b.hold_starts()
    b.crash()
    await journal.wait_for("starting", actor="b")

    with pytest.raises(AskTimeout):
        await find(root, "root/sub/b")
    b.release()
    await asyncio.sleep(0)


async def test_a_snapshot_shows_what_each_actor_does_even_one_that_hangs(
    supervised, system, monkeypatch
) -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def hang(_: Puppet) -> None:
        entered.set()
        await release.wait()

    root = await supervised.by(ChildSpec(id="puppet", start=lambda: Puppet.start_link("puppet")))
    puppet = system.names.whereis("puppet")
    hanging = request(puppet, Do(work=hang))
    await entered.wait()
    waiting = request(puppet, Do(work=lambda _: "served"))
    monkeypatch.setattr(tree, "SLOW_S", 0.0)

    node = await snapshot(root)

    [child] = node.children
    assert (node.process.status, node.process.children) == ("waiting", ("puppet",))
    assert (child.process.status, child.process.handling) == ("running", "Do")
    assert child.process.handling_s >= child.process.oldest_message_s >= 0
    assert (child.process.mailbox, child.process.parent) == (1, "root")
    assert child.process.links == ("root",)
    assert re.search(
        r"puppet  running  incarnation 1  handles Do for \d+\.\d s  1 waiting for \d+\.\d s$",
        picture(node),
    )
    release.set()
    assert await waiting == "served"
    assert await hanging is None


async def test_a_child_that_does_not_run_has_no_process(root) -> None:
    await terminate_child(root, "c")

    node = await snapshot(root)

    assert [each.process is None for each in node.children] == [False, False, True]


async def test_a_snapshot_tells_how_the_latest_lives_ended(root, abc, journal, supervised) -> None:
    a, _, _ = abc
    for life in (1, 2):
        supervised.clock.advance(3.0)
        a.crash(f"oops {life}")
        await journal.wait_for("started", actor="a", nth=life + 1)

    node = await snapshot(root)

    assert node.children[0].exits == (
        ChildExit(incarnation=1, reason="oops 1", started_at=1_000.0, at=1_003.0),
        ChildExit(incarnation=2, reason="oops 2", started_at=1_003.0, at=1_006.0),
    )
    assert node.children[2].exits == ()


def test_of_many_ends_the_latest_are_kept_and_long_reasons_are_cut() -> None:
    clock = ManualClock()
    child = Child("a", ChildSpec(id="a", start=_never))
    for _ in range(MOST_EXITS + 1):
        child.ended(Shutdown("x" * 2_000), clock)
        clock.advance(1.0)

    exits = child.state(clock).exits

    assert len(exits) == MOST_EXITS
    assert exits[0].at == exits[-1].at - (MOST_EXITS - 1)
    assert {len(each.reason) for each in exits} == {MOST_REASON}


async def _never() -> NoReturn:
    raise AssertionError
