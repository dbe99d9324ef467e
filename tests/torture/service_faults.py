"""What is done to one service, whatever it keeps its tasks in."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import aiohttp

from taskqueue.verification.kept import KeptService
from tests.torture.harass import Fault

HTTP_TIMEOUT_S = 5.0


async def kill(service: KeptService, draw: random.Random) -> bool:
    """kill -9."""
    await service.kill()
    return True


async def stop(service: KeptService, draw: random.Random) -> bool:
    """SIGTERM, as a deploy does."""
    await service.stop()
    return True


async def kill_executors(service: KeptService, draw: random.Random) -> bool:
    """kill -9 of some of the processes in which handlers run, as the OOM killer would."""
    children = list(descendants(service.pid))
    for pid in draw.sample(children, draw.randint(0, len(children))):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(children)


async def kill_actor(path: str, service: KeptService, draw: random.Random) -> bool:
    """Press the let-it-crash button."""
    timeout = aiohttp.ClientTimeout(total=HTTP_TIMEOUT_S)
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):  # the gateway dies before it says
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.post(f"{service.url}/supervision/kill", json={"path": path}) as answer,
        ):
            return answer.status == 202
    return path.endswith("gateway")


async def freeze(seconds: float, service: KeptService) -> bool:
    """SIGSTOP for so long, as a machine that swaps or is migrated does."""
    service.send(signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        service.send(signal.SIGCONT)  # also when the time of faults is over meanwhile
    return True


SERVICE_FAULTS: Mapping[str, Fault[KeptService]] = {
    "kill -9 of the service": kill,
    "SIGTERM and restart": stop,
    "kill -9 of executor processes": kill_executors,
    "kill of the database actor": partial(kill_actor, "root/database"),
    "kill of the queue actor": partial(kill_actor, "root/queue"),
    "kill of a consumer": partial(kill_actor, "root/consumers/consumer-1"),
    "kill of all consumers": partial(kill_actor, "root/consumers"),
    "kill of the gateway": partial(kill_actor, "root/gateway"),
}


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes that a process has started, and theirs."""
    try:
        threads = [*Path(f"/proc/{pid}/task").iterdir()]
        children = [int(each) for t in threads for each in (t / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        return
    for child in children:
        yield child
        yield from descendants(child)
