"""A command that runs the service, outside the environment of the tests."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

LIMIT_S = 60.0


@asynccontextmanager
async def running(command: str, folder: Path, variables: Mapping[str, str]) -> AsyncIterator[str]:
    """Run a command that starts the service on a free port; give its URL. It ends by SIGTERM."""
    process = await asyncio.create_subprocess_shell(
        f"exec {command}",
        cwd=folder,
        env={**variables, "TASKQUEUE_PORT": "0", "TASKQUEUE_LOG_FORMAT": "json"},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            yield await _url(process)
            process.send_signal(signal.SIGTERM)
            await process.communicate()
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def _url(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "service_ready":
            return f"http://127.0.0.1:{event['port']}"
    raise AssertionError("the service has ended")
