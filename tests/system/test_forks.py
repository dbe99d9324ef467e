"""Children that handlers fork hold nothing of the service, and do not take its place."""

import os
import signal

import aiohttp
import pytest

from taskqueue.testing.process import PRINTED
from tests.executors.procs import gone, is_there, noted, state, until
from tests.system.services import Client, Services, when

pytestmark = pytest.mark.long

FLAGS = ("--app", "tests.system.harmful:app", "--consumers", "1", "--retry-initial-s", "0.05")


async def ended(pid: int) -> None:
    """Wait until a process has ended. Its handler does not wait for it, so it may stay a zombie."""
    await until(lambda: not is_there(pid) or state(pid) == "Z")


FORKS = ("fork_on_the_loop", "fork_in_a_thread", "fork_in_a_process")


@pytest.mark.parametrize("action", FORKS)
async def test_a_child_keeps_neither_the_port_nor_the_lock_of_a_service_that_was_killed(
    services: Services, http: aiohttp.ClientSession, action: str
) -> None:
    client = Client(http, await services.start(*FLAGS))
    port = client.service.url.rpartition(":")[2]
    into = services.folder / "pid"
    await when([await client.post(action, into=str(into))], client.service, "task_completed")
    [child] = await noted(into)

    client.service.kill()
    # Not its output: the child has that, as every child does.
    await gone(client.service.pid)
    client.service = await services.start(*FLAGS, "--port", port)
    task_id = await client.post("quick")
    await when([task_id], client.service, "task_completed")

    still_there = is_there(child)
    if still_there:
        os.kill(child, signal.SIGKILL)
    assert still_there is (action != "fork_in_a_process")  # that ends with its worker


@pytest.mark.parametrize("action", ["fork_and_return", "fork_and_return_in_a_thread"])
async def test_a_fork_that_returns_completes_its_task_once_and_the_consumer_works_on(
    services: Services, http: aiohttp.ClientSession, action: str
) -> None:
    client = Client(http, await services.start(*FLAGS))

    forking = [await client.post(action) for _ in range(5)]
    await when(forking, client.service, "task_completed")
    later = [await client.post("quick") for _ in range(20)]
    await when(later, client.service, "task_completed")

    for task_id in forking:
        task = await client.show(task_id)
        await ended(task["result"])
        assert (task["result"] > 0, task["attempt"]) == (True, 1)
    assert len(client.service.events.select("task_completed")) == len(forking) + len(later)


async def test_a_fork_that_goes_back_to_the_loop_does_not_stall_the_consumer(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS))

    forking = [await client.post("fork_and_wait") for _ in range(5)]
    await when(forking, client.service, "task_completed")
    later = [await client.post("quick") for _ in range(20)]
    await when(later, client.service, "task_completed")

    for task_id in forking:
        await ended((await client.show(task_id))["result"])


async def test_a_child_that_exits_has_the_exit_code_that_it_asked_for(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS))

    task_id = await client.post("fork_and_exit", code=7)
    await when([task_id], client.service, "task_completed")

    assert (await client.show(task_id))["result"] == 7


async def test_a_child_that_raises_without_standard_error_prints_nothing_into_the_log(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS))

    task_id = await client.post("fork_and_raise")
    await when([task_id], client.service, "task_completed")
    await client.service.stop()

    assert client.service.events.select("task_completed", task_id=task_id)
    assert client.service.events.select(PRINTED) == []


async def test_a_signal_to_a_child_ends_the_child_and_does_not_stop_the_service(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS))

    task_id = await client.post("terminate_a_child", into=str(services.folder / "pid"))
    await when([task_id], client.service, "task_completed")
    later = await client.post("quick")
    await when([later], client.service, "task_completed")

    assert (await client.show(task_id))["result"] == -signal.SIGTERM
    assert client.service.events.select("signal_received") == []


async def test_a_program_that_a_handler_starts_in_a_process_inherits_no_socket(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS))

    task_id = await client.post("descriptors")
    await when([task_id], client.service, "task_completed")

    assert (await client.show(task_id))["result"] == []


async def test_a_child_of_a_worker_cannot_speak_for_it(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS))

    task_id = await client.post("forge")
    await when([task_id], client.service, "task_completed")

    task = await client.show(task_id)
    assert (task["result"], task["attempt"]) == ("genuine", 1)
