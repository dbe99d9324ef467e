"""docs/http.md has every call, and no other."""

import re
from pathlib import Path

from taskqueue.http.routes import routes
from taskqueue.http.tasks.waiting import TaskWaits
from tests.gateway.scripted import ScriptedService, StillClock

DOCS = (Path(__file__).parents[2] / "docs/http.md").read_text()


def test_every_call_is_described_and_what_is_described_is_there() -> None:
    service = ScriptedService()
    there = {
        (route.method, route.path)
        for route in routes(service, service.app, StillClock(), TaskWaits())
    }

    described = re.findall(r"^### `([A-Z]+) (/\S+)`$", DOCS, re.MULTILINE)

    assert len(described) == len(set(described))
    assert set(described) == there
