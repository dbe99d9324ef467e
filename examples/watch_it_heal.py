"""Kill every part of a running service while tasks come in, and print who was restarted and why.

python -m examples.watch_it_heal

The service runs in a folder of its own and is gone afterwards. Ends with 0 if every accepted task
was completed in spite of it all.
"""

import asyncio
import contextlib
import sys
import tempfile
from pathlib import Path

import aiohttp

from taskqueue.testing.process import ServiceProcess

VICTIMS = ("consumers/consumer-1", "queue", "database", "consumers", "gateway")
TASKS_PER_VICTIM = 20


async def post(session: aiohttp.ClientSession, url: str, text: str) -> str:
    """Post one task until it is accepted, as a client should: 503 says to try again."""
    while True:
        with contextlib.suppress(aiohttp.ClientConnectionError):  # it went down with the gateway
            async with session.post(
                f"{url}/tasks", json={"action": "uppercase", "data": {"text": text}}
            ) as response:
                if response.status == 202:
                    return str((await response.json())["id"])
        await asyncio.sleep(0.05)


async def kill(session: aiohttp.ClientSession, url: str, victim: str) -> None:
    """Press the let-it-crash button. The gateway may go down before it can answer."""
    print(f"kill root/{victim}")
    with contextlib.suppress(aiohttp.ClientConnectionError):
        async with session.post(f"{url}/supervision/kill", json={"path": f"root/{victim}"}):
            pass


async def heal(folder: Path) -> int:
    """Run the story; return the exit code."""
    async with (
        ServiceProcess(folder, "--demo-work-s", "0.01") as service,
        aiohttp.ClientSession() as session,
    ):
        accepted = []
        for victim in VICTIMS:
            posting = [post(session, service.url, f"task {n}") for n in range(TASKS_PER_VICTIM)]
            ids, _ = await asyncio.gather(
                asyncio.gather(*posting), kill(session, service.url, victim)
            )
            accepted += ids
            await service.wait_for("child_restarted", child_id=victim.rpartition("/")[2])
        for task_id in accepted:
            await service.wait_for("task_completed", task_id=task_id)
        print("\nrestarts, as the log tells them:")
        for event in service.events.select("child_restarted"):
            print(f"  {event['supervisor']}/{event['child_id']}: {event['reason']}")
        await service.stop()
        # A task that was answered 503 may have been written all the same, so there can be more.
        completed = {event["task_id"] for event in service.events.select("task_completed")}
        print(f"\n{len(accepted)} tasks accepted, {len(completed & {*accepted})} completed")
        return 0 if completed.issuperset(accepted) else 1


def main() -> int:
    """Run in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(heal(Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
