"""One run: a live service, and schemathesis making requests from its OpenAPI document."""

import asyncio
import os
import sys
from pathlib import Path
from typing import NamedTuple

from taskqueue.testing.process import PRINTED
from tests.forked.service import ForkedService

HERE = Path(__file__).parent
SURPRISES = {"http_error", "http_connection_failed", PRINTED}

_SERVICE = ("--app", "tests.described_http.app:app", "--consumers", "2")
_CLIENT = (sys.executable, "-c", "from schemathesis.cli import schemathesis as run; run()")


class Run(NamedTuple):
    """What happened: the exit code and the report of schemathesis, and the log's surprises."""

    code: int
    report: str
    surprises: list[str]


async def described(folder: Path, *, seconds: int, seed: int) -> Run:
    """Check all that the document says against a service in `folder`, for about so long."""
    async with ForkedService(folder, *_SERVICE) as service:
        client = await asyncio.create_subprocess_exec(
            *_CLIENT,
            *("--config-file", str(HERE / "schemathesis.toml")),
            *("run", f"{service.url}/openapi.json", "--continue-on-failure"),
            *("--max-time", str(seconds), "--seed", str(seed)),
            env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.described_http.hooks"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        report, _ = await client.communicate()
        events = service.events
        surprises = [str(each) for kind in sorted(SURPRISES) for each in events.select(kind)]
    return Run(client.returncode or 0, report.decode(), surprises)
