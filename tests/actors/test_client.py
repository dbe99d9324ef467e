"""What is enqueued in one turn of a loop goes to the queue as one message, and apart again."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from taskqueue.actors.client import MAX_TASKS, QueueClient
from taskqueue.actors.messages import QUEUE
from taskqueue.commands import Enqueue
from taskqueue.errors import ActorUnavailable, AskTimeout, StorageUnavailable
from taskqueue.rules.tasks import Acceptance, Accepted, NewTask
from taskqueue.runtime import Actor, System, receives


class Script:
    """What the queue does, and what it was told."""

    def __init__(self) -> None:
        self.messages: list[list[str]] = []
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()  # it may answer
        self.gate.set()
        self.fault: Exception | None = None


class Queue(Actor):
    """Accepts what it is told to, once the gate is open."""

    registered_name = QUEUE

    def __init__(self, script: Script) -> None:
        super().__init__()
        self._script = script

    @receives(Enqueue, answers=(StorageUnavailable,), concurrently=True)
    async def on_enqueue(self, message: Enqueue) -> tuple[Accepted, ...]:
        self._script.messages.append([task.id for task in message.tasks])
        self._script.asked.set()
        await self._script.gate.wait()
        if self._script.fault is not None:
            raise self._script.fault
        return answers(message.tasks)


def new_tasks(*ids: object) -> list[NewTask]:
    return [NewTask(id=str(one), action="a", payload="{}") for one in ids]


def answers(tasks: Sequence[NewTask]) -> tuple[Accepted, ...]:
    return tuple(Accepted(id=task.id, acceptance=Acceptance.ACCEPTED) for task in tasks)


@pytest.fixture
async def system() -> AsyncIterator[System]:
    async with System() as system:
        yield system


@pytest.fixture
async def queue(system: System) -> Script:
    script = Script()
    await system.spawn(Queue, script)
    return script


@pytest.fixture
def client(system: System) -> QueueClient:
    return QueueClient(system.address(QUEUE))


async def test_callers_of_one_turn_share_a_message_and_each_gets_its_own_answers(
    queue: Script, client: QueueClient
) -> None:
    calls = [new_tasks(1), new_tasks(2, 3), new_tasks(), new_tasks(4)]

    answered = await asyncio.gather(*map(client.enqueue, calls))

    assert answered == [answers(tasks) for tasks in calls]
    assert queue.messages == [["1", "2", "3", "4"]]


async def test_the_next_turn_waits_for_nobody(queue: Script, client: QueueClient) -> None:
    queue.gate.clear()
    first = asyncio.create_task(client.enqueue(new_tasks(1)))
    await queue.asked.wait()
    queue.asked.clear()

    second = asyncio.create_task(client.enqueue(new_tasks(2)))
    await queue.asked.wait()

    assert queue.messages == [["1"], ["2"]]
    queue.gate.set()
    assert (await first, await second) == (answers(new_tasks(1)), answers(new_tasks(2)))


async def test_a_message_has_only_so_many_tasks_unless_one_caller_gives_more(
    queue: Script, client: QueueClient
) -> None:
    sizes = [MAX_TASKS - 1, 1, 1, MAX_TASKS + 5]

    answered = await asyncio.gather(*(client.enqueue(new_tasks(*range(n))) for n in sizes))

    assert [len(answer) for answer in answered] == sizes
    assert [len(message) for message in queue.messages] == [MAX_TASKS, 1, MAX_TASKS + 5]


@pytest.mark.parametrize("sent", [False, True])
async def test_one_caller_that_gives_up_costs_the_others_nothing(
    queue: Script, client: QueueClient, sent: bool
) -> None:
    queue.gate.clear()
    calls = [asyncio.create_task(client.enqueue(new_tasks(n))) for n in range(3)]
    if sent:
        await queue.asked.wait()
    else:
        await asyncio.sleep(0)

    calls[0].cancel()
    await asyncio.wait([calls[0]])
    queue.gate.set()

    assert calls[0].cancelled()
    assert await asyncio.gather(*calls[1:]) == [answers(new_tasks(1)), answers(new_tasks(2))]


async def test_each_caller_gets_an_error_of_its_own(queue: Script, client: QueueClient) -> None:
    queue.fault = StorageUnavailable("disk full")

    errors = await asyncio.gather(
        *(client.enqueue(new_tasks(n)) for n in range(3)), return_exceptions=True
    )

    assert len(set(map(id, errors))) == 3
    for error in errors:
        assert isinstance(error, StorageUnavailable)
        assert (error.reason, str(error)) == ("disk full", "storage unavailable: disk full")


async def test_without_a_queue_everybody_is_told_and_with_the_next_one_it_goes_on(
    system: System, queue: Script, client: QueueClient
) -> None:
    queue.gate.clear()
    calls = [asyncio.create_task(client.enqueue(new_tasks(n))) for n in range(2)]
    await queue.asked.wait()

    ref = system.names.whereis(QUEUE)
    assert ref is not None
    ref.kill()
    cut = await asyncio.gather(*calls, return_exceptions=True)
    absent = await asyncio.gather(
        *(client.enqueue(new_tasks(n)) for n in range(2)), return_exceptions=True
    )

    errors = [*cut, *absent]
    assert len(set(map(id, errors))) == 4
    assert all(isinstance(error, ActorUnavailable) and error.target == QUEUE for error in errors)
    queue.gate.set()
    await system.spawn(Queue, queue)
    assert await client.enqueue(new_tasks(3)) == answers(new_tasks(3))


async def test_who_is_not_answered_in_time_is_told_and_the_late_answer_is_nobodys(
    system: System, queue: Script
) -> None:
    client = QueueClient(system.address(QUEUE), timeout_s=0.02)
    queue.gate.clear()

    errors = await asyncio.gather(
        *(client.enqueue(new_tasks(n)) for n in range(2)), return_exceptions=True
    )

    assert len(set(map(id, errors))) == 2
    assert all(isinstance(error, AskTimeout) and error.after_s == 0.02 for error in errors)
    queue.gate.set()
    assert await client.enqueue(new_tasks(2)) == answers(new_tasks(2))


async def test_every_loop_gathers_for_itself(queue: Script, client: QueueClient) -> None:
    async def many(start: int) -> list[tuple[Accepted, ...]]:
        calls = (client.enqueue(new_tasks(n)) for n in range(start, start + 3))
        return await asyncio.gather(*calls)

    starts = range(0, 24, 3)
    answered = await asyncio.gather(
        *(asyncio.to_thread(asyncio.run, many(start)) for start in starts)
    )

    assert answered == [[answers(new_tasks(start + n)) for n in range(3)] for start in starts]
    assert sorted(queue.messages) == sorted([str(start + n) for n in range(3)] for start in starts)


async def test_a_loop_that_ends_in_the_middle_of_a_turn_leaves_nothing_to_the_next(
    queue: Script, client: QueueClient
) -> None:
    def two_lives() -> tuple[Accepted, ...]:
        loop = asyncio.new_event_loop()

        def begin() -> None:
            call = client.enqueue(new_tasks(1))
            call.send(None)
            call.close()
            loop.stop()

        loop.call_soon(begin)
        loop.run_forever()
        loop.close()
        return asyncio.run(client.enqueue(new_tasks(2)))

    assert await asyncio.to_thread(two_lives) == answers(new_tasks(2))
    assert queue.messages == [["2"]]
