"""The service at the limit of its file descriptors."""

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import ClassVar

import aiohttp
import pytest

from taskqueue.testing.process import ServiceProcess
from tests.system.services import Client, Services, until


class FewDescriptors(ServiceProcess):
    """May have 1,024 descriptors and not one more."""

    under: ClassVar[tuple[str, ...]] = ("sh", "-c", 'ulimit -n 1024; exec "$0" "$@"')


class LowSoftLimit(ServiceProcess):
    """Starts with 256 descriptors and may have 2,048."""

    under: ClassVar[tuple[str, ...]] = (
        *("sh", "-c"),
        'ulimit -Sn 256; ulimit -Hn 2048; exec "$0" "$@"',
    )


@pytest.fixture
def many_clients() -> Iterator[None]:
    """Let this process have as many sockets as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_more_silent_clients_than_descriptors_do_not_keep_others_out(
    many_clients: None, services: Services, http: aiohttp.ClientSession
) -> None:
    service = await services.start(kind=FewDescriptors)
    port = int(service.url.rpartition(":")[2])
    client = Client(http, service)

    async def closed() -> int:
        return sum(line["closed"] for line in service.events.select("connections_full"))

    with ExitStack() as stack:
        for number in range(1_100):
            silent = stack.enter_context(socket.socket())
            await asyncio.to_thread(silent.connect, ("127.0.0.1", port))
            if number % 100 == 0:
                await client.post("uppercase", text="hi")
        await service.wait_for("connections_full")
        await client.kill("root/database")
        await service.wait_for("child_restarted", child_id="database")
        await service.wait_for("storage_ready", nth=2)
        task_id = await client.post("uppercase", text="hi")
        await service.wait_for("task_completed", task_id=task_id)
        await until(closed, lambda clients: clients >= 1_100 - 768)  # it tells now and then

    lines = service.events.select("connections_full")
    assert {line["reason"] for line in lines} == {"768 connections are open"}
    assert len(lines) < 30


async def test_the_limit_of_descriptors_is_raised_as_far_as_it_may(services: Services) -> None:
    service = await services.start(kind=LowSoftLimit)

    limits = resource.prlimit(service.pid, resource.RLIMIT_NOFILE)

    assert limits == (2048, 2048)


async def test_fewer_connections_than_configured_are_logged_with_what_they_take(
    services: Services,
) -> None:
    service = await services.start("--max-connections", "14000", kind=FewDescriptors)

    [limited] = service.events.select("connections_limited")
    assert limited["max_connections"] == 14_000
    assert (limited["allowed"], limited["descriptors"]) == (768, 1_024)
    assert limited["needed"] == 18_667


async def test_connections_that_are_all_allowed_are_no_reason_to_complain(
    services: Services,
) -> None:
    service = await services.start("--max-connections", "768", kind=FewDescriptors)

    assert service.events.select("connections_limited") == []
