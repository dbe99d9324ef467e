"""The files of the page, as they are sent.

Each file has an address that changes with the content of any of them, so a browser may keep it for
good, and a page never mixes files of two releases. Comments stay behind: they would be a tenth of
what is sent.
"""

import gzip
import posixpath
import re
from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "static"

_INDEX = "index.html"
_ENTRY = ("app", "main.js")
_IMPORT = re.compile(r'\bfrom "(\.[^"]+)"')  # not import(…), which is for later
COMMENT = re.compile(rb"^[ \t]*(?:/\*.*?\*/[ \t]*\n+|//[^\n]*\n)", re.MULTILINE | re.DOTALL)
_HTML = "text/html; charset=utf-8"
_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
}
_VERSION_DIGITS = 16


class File(NamedTuple):
    """A file: its content, the same compressed with gzip, and its media type."""

    body: bytes
    packed: bytes
    type: str


class Page(NamedTuple):
    """The page and its files, by folder and name. `version` stands for the content of them all."""

    version: str
    document: File
    files: Mapping[tuple[str, str], File]


@cache
def page() -> Page:
    """Return the page, read once."""
    files = dict(_read())
    template = (FOLDER / _INDEX).read_bytes()
    digest = sha256(template)
    for (folder, name), file in files.items():
        digest.update(f"\0{folder}/{name}\0".encode() + file.body)
    version = digest.hexdigest()[:_VERSION_DIGITS]
    preloads = "\n    ".join(_preloads(version, files))
    filled = template.replace(b"{version}", version.encode()).replace(
        b"{modules}", preloads.encode()
    )
    return Page(version, File(filled, _pack(filled), _HTML), files)


def _read() -> Iterator[tuple[tuple[str, str], File]]:
    for path in sorted(FOLDER.glob("*/*")):
        plain = path.with_suffix("") if path.suffix == ".gz" else path
        if plain.suffix not in _TYPES:
            continue
        yield (path.parent.name, plain.name), _file(path.read_bytes(), path, _TYPES[plain.suffix])


def _file(content: bytes, path: Path, kind: str) -> File:
    """Return a file. One that is packed already is others', and is sent as it is."""
    if path.suffix == ".gz":
        return File(gzip.decompress(content), content, kind)
    body = without_comments(content)
    return File(body, _pack(body), kind)


def without_comments(text: bytes) -> bytes:
    r"""Return a module or a style sheet without the comments that begin a line.

    >>> without_comments(b"/** Why.\n\nAnd how. */\n\nlet a; // b\n  // c\nlet d;\n")
    b'let a; // b\nlet d;\n'
    """
    return COMMENT.sub(b"", text)


def _preloads(version: str, files: Mapping[tuple[str, str], File]) -> Iterator[str]:
    """Yield the links that let a browser fetch at once what the first screen needs.

    Without them it would go import by import. Other screens are loaded when they are opened.
    """
    for folder, name in _modules(files):
        yield f'<link rel="modulepreload" href="assets/{version}/{folder}/{name}">'


def _modules(files: Mapping[tuple[str, str], File]) -> list[tuple[str, str]]:
    """Return the first module and all that it imports, directly or not, each once."""
    found = [_ENTRY]
    for folder, name in found:
        for target in _IMPORT.findall(files[folder, name].body.decode()):
            place = posixpath.split(posixpath.normpath(posixpath.join(folder, target)))
            if place not in found:
                found.append(place)
    return found


def _pack(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)
