"""Dead letters by the many: queued again with what they have gone through, or deleted."""

from taskqueue.actors.messages import QUEUE
from taskqueue.actors.port import ServicePort
from taskqueue.actors.queue.dead_letters import PAGE
from taskqueue.api.context import Context
from taskqueue.clock import SystemClock
from taskqueue.commands import DeleteDead, RedriveDead
from taskqueue.http.server.limits import LIMITS
from taskqueue.rules.health import Availability
from taskqueue.rules.options import Options
from taskqueue.runtime import ask
from taskqueue.storage.protocol import Storage
from tests.actors.world import NOW, World

MANY = PAGE + 1


async def test_more_than_a_page_is_redriven_completes_and_keeps_its_history(world: World) -> None:
    fixed = False

    @world.app.task("resize")
    async def resize(ctx: Context) -> str:
        if not fixed:
            raise OSError("no such format")
        return "resized"

    await world.start(slots=16, prefetch=100)
    tasks = [world.prepare("resize", options=Options(max_attempts=1)) for _ in range(MANY)]
    await world.app.enqueue(*tasks)
    for task in tasks:
        await world.events.wait_for("task_dead_lettered", task_id=task.id, timeout_s=20)

    fixed = True
    redriven = await ask(world.system.address(QUEUE), RedriveDead(action="resize", queue=None))
    await world.completed(*(task.id for task in tasks), timeout_s=20)

    assert redriven == MANY
    for task in (tasks[0], tasks[-1]):
        history = await world.history(task.id)
        assert [attempt.error for attempt in history.attempts] == ["OSError: no such format", None]


async def test_only_the_dead_that_match_are_deleted(world: World) -> None:
    @world.app.task("mail", queue="mail")
    async def mail(ctx: Context) -> bool | None:
        return False

    @world.app.task("other")
    async def other(ctx: Context) -> bool | None:
        return False

    await world.start()
    once = Options(max_attempts=1)
    gone, kept = (
        await world.enqueue("mail", options=once),
        await world.enqueue("other", options=once),
    )
    for task_id in (gone, kept):
        await world.events.wait_for("task_dead_lettered", task_id=task_id)
    waiting = await world.enqueue("mail", options=Options(delay_s=3600))

    port = ServicePort(world.system, SystemClock(), LIMITS, Availability())
    deleted = await port(DeleteDead(queue="mail"))

    assert deleted == 1
    assert await world.storage.use(Storage.get, gone, now=NOW) is None
    assert (await world.history(kept)).task.status == "dead"
    assert (await world.history(waiting)).task.status == "scheduled"
