"""The calls that serve the page at `/`. They need no role: no data is in these files."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import hdrs
from multidict import MultiMapping

from taskqueue.dashboard.files import File, page
from taskqueue.http.answers import Answer, Content
from taskqueue.http.problems import Problem
from taskqueue.http.route import Call, Route

_CURRENT = {
    hdrs.VARY: hdrs.ACCEPT_ENCODING,
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    hdrs.CACHE_CONTROL: "no-cache",
}
# Files have no policies: those of the document hold, and there are eighty files. Only the browser
# keeps them, so they need not say what they vary by.
_FOREVER: Mapping[str, str] = {hdrs.CACHE_CONTROL: "private, max-age=31536000, immutable"}


def dashboard_routes() -> Iterator[Route]:
    """Yield the page and its files."""
    yield Route(
        "GET", "/", show_dashboard, None, {HTTPStatus.OK: Content, HTTPStatus.NOT_MODIFIED: None}
    )
    yield Route(
        "GET",
        "/assets/{version}/{folder}/{asset}",
        show_asset,
        None,
        {HTTPStatus.OK: Content},
        problems={HTTPStatus.NOT_FOUND: "not found"},
    )


async def show_dashboard(call: Call[Any, Any]) -> Answer:
    """Show the page for people: the tree, the queues and the tasks."""
    current = page()
    etag = f'W/"{current.version}"'
    headers: Mapping[str, str] = {**_CURRENT, hdrs.ETAG: etag}
    known = call.headers.get(hdrs.IF_NONE_MATCH, "")
    if etag in (each.strip() for each in known.split(",")):
        return Answer(None, HTTPStatus.NOT_MODIFIED, headers)
    return Answer(_content(current.document, call.headers), headers=headers)


async def show_asset(call: Call[Any, Any]) -> Answer:
    """Send a file of that page. Its address changes with its content."""
    current = page()
    file = current.files.get((call.path["folder"], call.path["asset"]))
    if file is None or call.path["version"] != current.version:
        raise Problem(HTTPStatus.NOT_FOUND, "not found")
    return Answer(_content(file, call.headers), headers=_FOREVER)


def _content(file: File, headers: MultiMapping[str]) -> Content:
    if "gzip" in headers.get(hdrs.ACCEPT_ENCODING, ""):
        return Content(file.packed, file.type, encoding="gzip")
    return Content(file.body, file.type)
