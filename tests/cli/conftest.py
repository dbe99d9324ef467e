"""A real service, and commands that call it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from click.testing import CliRunner

from taskqueue.cli.command import command
from taskqueue.testing.process import ServiceProcess
from tests.forked.service import ForkedService

TIMEOUT_S = 30.0


class Done(NamedTuple):
    """What a command has said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it has said, which is one line of JSON."""
        assert self.code == 0, self
        [line] = self.out.splitlines()
        return msgspec.json.decode(line)


Command = Callable[..., Awaitable[Done]]


async def taskqueue(*arguments: str, stdin: str = "", **env: str) -> Done:
    """Run `taskqueue` in a thread, with standard streams that are no terminal."""
    runner = CliRunner()
    async with asyncio.timeout(TIMEOUT_S):
        done = await asyncio.to_thread(runner.invoke, command(), arguments, input=stdin, env=env)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return Done(done.exit_code, done.stdout.strip(), done.stderr.strip())


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    async with ForkedService(tmp_path, "--app", "tests.cli.jobs:app") as service:
        yield service


@pytest.fixture
def run(service: ServiceProcess) -> Command:
    """Runs `taskqueue` with the arguments, for this service."""

    async def run(*arguments: str, stdin: str = "", **env: str) -> Done:
        return await taskqueue(*arguments, stdin=stdin, **{"TASKQUEUE_URL": service.url, **env})

    return run
