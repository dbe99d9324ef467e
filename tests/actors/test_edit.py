"""A task that waits is edited, and runs as it is then."""

from taskqueue.actors.messages import QUEUE
from taskqueue.commands import EditTask
from taskqueue.rules.edits import Change, EditAnswer, EditResult
from taskqueue.rules.options import Options
from taskqueue.runtime import ask
from tests.actors.world import World


async def edit(world: World, task_id: str, change: Change) -> EditResult:
    return await ask(world.system.address(QUEUE), EditTask(task_id=task_id, change=change))


async def test_a_task_that_is_made_due_runs_at_once(world: World) -> None:
    await world.start()
    task_id = await world.enqueue("quick", options=Options(delay_s=3600))

    result = await edit(world, task_id, Change(run_at=0.0))

    await world.completed(task_id)
    assert result == EditResult(answer=EditAnswer.EDITED, changed=("run_at",))
    assert world.events.select("task_edited", task_id=task_id, changed=("run_at",))


async def test_a_task_that_runs_is_not_edited(world: World) -> None:
    await world.start()
    task_id = await world.enqueue("wait")
    await world.begun(task_id)

    result = await edit(world, task_id, Change(priority=1))
    world.gate.open()

    await world.completed(task_id)
    assert result == EditResult(answer=EditAnswer.HELD)
    assert not world.events.select("task_edited")
