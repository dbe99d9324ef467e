"""docs/http.md has every call, and no other."""

import re
from pathlib import Path

from taskqueue.http.routes import application
from tests.gateway.scripted import ScriptedService

DOCS = (Path(__file__).parents[2] / "docs/http.md").read_text()


def test_every_call_is_described_and_what_is_described_is_there() -> None:
    app = application(ScriptedService(), bound_to="127.0.0.1")
    there = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }

    described = re.findall(r"^### `([A-Z]+) (/\S+)`$", DOCS, re.MULTILINE)

    assert len(described) == len(set(described))
    assert set(described) == there
