"""The page at `/docs`: Swagger UI, served from files in this package, without any other host."""

import gzip
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from aiohttp import hdrs

from taskqueue.http.answers import Content

FOLDER = Path(__file__).parent / "files"

FILES: Mapping[str, str] = {
    "start.js": "text/javascript; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}
"""The types of the files of the page, by name."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    hdrs.CACHE_CONTROL: "private, max-age=3600",
    hdrs.VARY: hdrs.ACCEPT_ENCODING,
}


def page() -> Content:
    """Return the page itself. Its links are relative, so that a proxy may add a prefix."""
    return Content(_read(FOLDER / "index.html"), "text/html; charset=utf-8")


def content_of(name: str, *, compressed: bool) -> Content | None:
    """Return a file of the page, `compressed` with gzip if it may be; None if there is none."""
    if name not in FILES:
        return None
    packed = FOLDER / f"{name}.gz"
    if not packed.exists():
        return Content(_read(FOLDER / name), FILES[name])
    if compressed:
        return Content(_read(packed), FILES[name], encoding="gzip")
    return Content(gzip.decompress(_read(packed)), FILES[name])


@cache
def _read(path: Path) -> bytes:
    return path.read_bytes()
