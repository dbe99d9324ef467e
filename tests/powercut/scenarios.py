"""What happens to a service before the power is cut: disk faults, and what operators do then."""

import errno
import os
import random
import signal
from collections.abc import Mapping

import aiohttp

from taskqueue.testing.process import children_of
from tests.disk.shim import LASTING, Call, Kind, Rule
from tests.powercut.service import RecordedService

FAULTS: Mapping[str, Rule] = {
    "sync of the database fails": Rule(calls=Call.SYNC, files=Kind.DATABASE),
    "sync of the log fails": Rule(calls=Call.SYNC, files=Kind.LOG, skip=3),
    "syncs of the database fail": Rule(calls=Call.SYNC, files=Kind.DATABASE, times=5),
    "any sync fails": Rule(calls=Call.SYNC, files=Kind.ANY, times=3),
    "write to the database fails": Rule(calls=Call.WRITE, files=Kind.DATABASE, skip=20),
    "write to the log fails": Rule(calls=Call.WRITE, files=Kind.LOG, skip=20, times=5),
    "read fails": Rule(calls=Call.READ, files=Kind.DATABASE | Kind.LOG, times=3),
    "disk full": Rule(calls=Call.WRITE, files=Kind.ANY, error=errno.ENOSPC, times=LASTING),
    "short write, then full": Rule(
        calls=Call.WRITE, files=Kind.ANY, error=errno.ENOSPC, skip=9, times=3, partial=True
    ),
    "truncation fails": Rule(calls=Call.TRUNCATE, files=Kind.ANY),
    "unlink fails": Rule(calls=Call.UNLINK, files=Kind.ANY, times=2),
}

BIRTH = "a call fails while the file is made"
NAMES = ("none", *FAULTS, BIRTH)


def birth(draw: random.Random) -> Rule:
    """Return a fault that meets the making of a new file."""
    calls = draw.choice((Call.SYNC, Call.WRITE, Call.UNLINK, Call.TRUNCATE))
    return Rule(calls=calls, files=Kind.ANY, skip=draw.randint(0, 6))


async def carry_on(service: RecordedService) -> bool:
    """Do nothing."""
    return True


async def kill_writer(service: RecordedService) -> bool:
    """SIGKILL to the processes of the service that write, not to the service."""
    for pid in children_of(service.pid):
        os.kill(pid, signal.SIGKILL)
    return True


async def kill_database(service: RecordedService) -> bool:
    """Kill the actor that owns the storage."""
    try:
        async with aiohttp.ClientSession() as http:
            body = {"path": "root/database"}
            await http.post(f"{service.url}/supervision/kill", json=body)
    except aiohttp.ClientError:
        pass
    return True


async def kill(service: RecordedService) -> bool:
    """SIGKILL to the service."""
    service.kill()
    await service.wait()
    return False


async def stop(service: RecordedService) -> bool:
    """SIGTERM to the service."""
    service.send(signal.SIGTERM)
    await service.wait()
    return False


# Each tells whether the service still runs.
ACTIONS = (carry_on, kill_writer, kill_database, kill, stop)
