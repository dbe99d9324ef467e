"""A handler that runs on belongs to one delivery of its task."""

from msgspec.structs import replace

from taskqueue.executors.unfinished import UnfinishedHandlers
from taskqueue.rules.limits import LimitUse, encoded
from taskqueue.rules.tasks import Status, Task

TASK = Task(
    id="a",
    action="echo",
    payload="{}",
    queue="default",
    priority=0,
    status=Status.RUNNING,
    attempt=1,
    max_attempts=5,
    crashes=0,
    deliveries=1,
    run_at=0.0,
    created_at=0.0,
    started_at=0.0,
    processed_at=None,
    result=None,
    reason=None,
    limits=encoded((LimitUse("single"),)),
)


def test_a_later_delivery_does_not_wait_for_what_an_earlier_one_has_left() -> None:
    handlers, ended = UnfinishedHandlers(), list[str]()
    later = replace(TASK, deliveries=2)
    end = handlers.begin(TASK)

    handlers.when_ended(later, lambda: ended.append("later"))
    handlers.when_ended(TASK, lambda: ended.append("this"))
    waiting = (handlers.includes(TASK), handlers.includes(later))
    end()

    assert waiting == (True, False)
    assert ended == ["later", "this"]
    assert not handlers.includes(TASK)
