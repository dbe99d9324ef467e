"""A group ends with its last task, whichever way that ends, and what follows it runs at once."""

from taskqueue.actors.port import ServicePort
from taskqueue.api.context import Context
from taskqueue.clock import SystemClock
from taskqueue.commands import CloseGroup
from taskqueue.http.server.limits import LIMITS
from taskqueue.rules.groups import Close, CloseResult
from taskqueue.rules.health import Availability
from taskqueue.rules.options import Options
from taskqueue.rules.tasks import NewTask
from tests.actors.world import World

MEMBER = Options(group="import")


async def close(world: World, then: NewTask | None = None, *tasks: NewTask) -> CloseResult:
    port = ServicePort(world.system, SystemClock(), LIMITS, Availability())
    return await port(CloseGroup(wanted=Close(name="import", then=then), tasks=tasks))


async def test_what_follows_runs_once_the_last_member_has_ended(world: World) -> None:
    await world.start(slots=2)
    then = world.prepare("quick", n=0)
    held = await world.enqueue("wait", options=MEMBER)
    await world.begun(held)

    result = await close(world, then, world.prepare("quick", options=MEMBER, n=1))
    await world.completed(result.accepted[0].id)
    assert not world.events.select("group_ended")
    world.gate.open()

    await world.completed(held, then.id)
    [end] = world.events.select("group_ended", group="import", then=then.id)
    assert (end["completed"], end["dead"], end["cancelled"]) == (2, 0, 0)


async def test_a_member_adds_to_its_group_before_it_ends(world: World) -> None:
    @world.app.task("split")
    async def split(ctx: Context, n: int) -> None:
        for part in range(n):
            ctx.enqueue(split.with_options(group=ctx.task.group), n=part)

    await world.start()
    then = world.prepare("quick", n=0)

    await close(world, then, world.prepare("split", options=MEMBER, n=3))

    await world.completed(then.id)
    [end] = world.events.select("group_ended")
    assert end["completed"] == 2**3
