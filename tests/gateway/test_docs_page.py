"""The page at /docs: served from files of this service alone."""

import re

import pytest
from aiohttp import ClientResponse, ClientSession

SERVED = ["start.js", "swagger-ui-bundle.js", "swagger-ui.css"]


async def fetch(http: ClientSession, path: str, **headers: str) -> ClientResponse:
    """Get a path and read the whole answer."""
    response = await http.get(path, headers=headers)
    await response.read()
    return response


async def test_the_page_loads_only_files_of_this_service(http: ClientSession) -> None:
    response = await fetch(http, "/docs")
    page = await response.text()
    loaded = re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page)
    answers = [await fetch(http, f"/{path}") for path in loaded]

    assert (response.status, response.content_type) == (200, "text/html")
    assert sorted(loaded) == [f"docs/{name}" for name in SERVED]
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert "<script>" not in page


@pytest.mark.parametrize("path", ["/docs", "/docs/swagger-ui-bundle.js"])
async def test_the_page_may_not_load_or_run_anything_else(http: ClientSession, path: str) -> None:
    answer = await fetch(http, path)

    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= {*policy}
    assert not any("unsafe" in each or "http" in each for each in policy)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", SERVED)
async def test_a_file_is_the_same_compressed_or_not(http: ClientSession, name: str) -> None:
    packed = await fetch(http, f"/docs/{name}", **{"Accept-Encoding": "gzip"})
    plain = await fetch(http, f"/docs/{name}", **{"Accept-Encoding": "identity"})

    assert await packed.read() == await plain.read()
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("name", ["index.html", "vendored.toml", "..%2Fpage.py", "nothing.js"])
async def test_no_other_file_is_served(http: ClientSession, name: str) -> None:
    answer = await fetch(http, f"/docs/{name}")

    assert answer.status == 404
