"""The page at /: which files it has, and how they are sent. `tests/browser` shows what it does."""

import posixpath
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pytest
from aiohttp import ClientResponse, ClientSession
from hatchling.builders.wheel import WheelBuilder

from taskqueue.dashboard.files import COMMENT, FOLDER, page

MAX_LINES = 300
MAX_WIRE_BYTES = 150_000
MAX_FIRST_WIRE_BYTES = 60_000  # before the charts and the other screens

OURS = [path for path in sorted(FOLDER.rglob("*.*")) if path.suffix in {".js", ".css", ".html"}]
MODULES = [path for path in OURS if path.suffix == ".js"]
ENTRIES = {"first-theme.js", "main.js"}  # what the page itself names


async def fetch(http: ClientSession, path: str, **headers: str) -> ClientResponse:
    """Get a path and read the whole answer."""
    response = await http.get(path, headers=headers)
    await response.read()
    return response


async def links_of(http: ClientSession) -> list[str]:
    """The addresses of what the page loads."""
    text = await (await http.get("/")).text()
    return re.findall(r'(?:src|href)="(?!data:)([^"]+)"', text)


def name_of(path: Path) -> str:
    return path.relative_to(FOLDER).as_posix()


def assets() -> list[str]:
    """The addresses of all files of the page, those of screens that are loaded later included."""
    return [f"assets/{page().version}/{folder}/{name}" for folder, name in page().files]


async def test_the_page_loads_only_files_of_this_service(http: ClientSession) -> None:
    links = await links_of(http)

    answers = [await fetch(http, f"/{link}") for link in links]

    assert [answer.status for answer in answers] == [200] * len(links)
    assert set(links) < set(assets())
    text = await (await http.get("/")).text()
    assert "<script>" not in text
    assert "style=" not in text


async def test_the_modules_of_the_first_screen_are_fetched_at_once(http: ClientSession) -> None:
    modules = [link for link in await links_of(http) if link.endswith(".js")]

    imported = {
        posixpath.normpath(posixpath.join(posixpath.dirname(link), target))
        for link in modules
        for target in re.findall(r'from "([^"]+)"', await (await fetch(http, f"/{link}")).text())
    }
    entries = {f"assets/{page().version}/app/{name}" for name in ENTRIES}
    assert set(modules) == imported | entries
    assert f"assets/{page().version}/screens/tasks.js" not in modules


async def test_the_page_may_not_load_or_run_anything_else(http: ClientSession) -> None:
    [script] = [link for link in await links_of(http) if link.endswith("app/main.js")][:1]

    document = (await fetch(http, "/")).headers
    file = (await fetch(http, f"/{script}")).headers

    assert document["Content-Security-Policy"].split("; ") == [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    assert document["X-Content-Type-Options"] == file["X-Content-Type-Options"] == "nosniff"


async def test_the_page_is_asked_for_again_and_its_files_are_kept(http: ClientSession) -> None:
    first = await fetch(http, "/")
    again = await fetch(http, "/", **{"If-None-Match": first.headers["ETag"]})
    changed = await fetch(http, "/", **{"If-None-Match": 'W/"older"'})
    file = await fetch(http, f"/{(await links_of(http))[0]}")

    assert first.headers["Cache-Control"] == "no-cache"
    assert (again.status, await again.read()) == (304, b"")
    assert changed.status == 200
    assert file.headers["Cache-Control"] == "private, max-age=31536000, immutable"


async def test_a_file_is_the_same_compressed_or_not(http: ClientSession) -> None:
    for link in ["", *assets()]:
        packed = await fetch(http, f"/{link}", **{"Accept-Encoding": "gzip"})
        plain = await fetch(http, f"/{link}", **{"Accept-Encoding": "identity"})

        assert await packed.read() == await plain.read()
        assert "Content-Encoding" not in plain.headers
        cached = packed.headers["Cache-Control"]
        assert packed.headers.get("Vary") == "Accept-Encoding" or cached.startswith("private")


@pytest.mark.parametrize(
    "path",
    [
        "/assets/0000000000000000/app/main.js",
        "/assets/{version}/app/nothing.js",
        "/assets/{version}/vendor/vendored.toml",
        "/assets/{version}/vendor/LICENSE-htm",
        "/assets/{version}/..%2Fdashboard/files.py",
        "/assets/{version}/app/..%2Findex.html",
    ],
)
async def test_no_other_file_is_served(http: ClientSession, path: str) -> None:
    answer = await fetch(http, path.replace("{version}", page().version))

    assert answer.status == 404


async def test_the_first_screen_and_all_of_it_are_small_over_the_wire(http: ClientSession) -> None:
    async def size(links: Iterable[str]) -> int:
        packed = {"Accept-Encoding": "gzip"}
        heads = [await http.head(f"/{link}", headers=packed) for link in ["", *links]]
        return sum(int(head.headers["Content-Length"]) for head in heads)

    first = await size(set(await links_of(http)))
    everything = await size(assets())

    assert first < MAX_FIRST_WIRE_BYTES
    assert everything < MAX_WIRE_BYTES


@pytest.mark.parametrize("path", OURS, ids=name_of)
def test_a_file_is_short_enough_to_be_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", OURS, ids=name_of)
def test_no_comment_that_is_left_out_stands_in_a_template(path: Path) -> None:
    text = path.read_bytes()

    before = [text[: found.start()] for found in COMMENT.finditer(text)]

    assert all(part.count(b"`") % 2 == 0 for part in before)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_what_is_there_and_is_imported(path: Path) -> None:
    imported = re.findall(r'(?:from |import\()"([^"]+)"', path.read_text())

    places = [
        PurePosixPath((path.parent / each).resolve().relative_to(FOLDER)) for each in imported
    ]
    assert all((place.parent.name, place.name) in page().files for place in places)
    others = "".join(each.read_text() for each in MODULES if each != path)
    assert path.name in ENTRIES or f'/{path.name}"' in others


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_data_is_never_read_as_markup(path: Path) -> None:
    text = path.read_text()

    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text)


def test_the_wheel_has_every_file() -> None:
    root = FOLDER.parents[2]

    packed = {file.distribution_path for file in WheelBuilder(str(root)).recurse_included_files()}

    there = {path.relative_to(root).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
    assert there <= packed


def test_the_pictures_in_the_readme_are_there_and_small() -> None:
    root = FOLDER.parents[2]

    pictures = re.findall(r"!\[[^]]+\]\((docs/[^)]+\.png)\)", (root / "README.md").read_text())

    assert len(pictures) == 2
    assert all((root / each).stat().st_size < MAX_WIRE_BYTES for each in pictures)
