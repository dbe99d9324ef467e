"""docs/http.md has every call, and no other."""

import re
from pathlib import Path

from tests.gateway.scripted import ScriptedService, table_of

DOCS = (Path(__file__).parents[2] / "docs/http.md").read_text()


def test_every_call_is_described_and_what_is_described_is_there() -> None:
    service = ScriptedService()
    there = {(route.method, route.path) for route in table_of(service)}

    described = re.findall(r"^### `([A-Z]+) (/\S*)`$", DOCS, re.MULTILINE)

    assert len(described) == len(set(described))
    assert set(described) == there
