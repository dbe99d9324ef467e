"""The browser files of others: as they were published, and none without its licence."""

import gzip
import hashlib
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PACKAGE = Path(__file__).parent.parent / "taskqueue"
LISTS = sorted(PACKAGE.rglob("vendored.toml"))
OURS = {"index.html", "start.js", "vendored.toml"}


class Vendored(NamedTuple):
    """A file of a package."""

    folder: Path
    package: dict[str, Any]
    name: str
    sha256: str


FILES = [
    Vendored(path.parent, package, file["name"], file["sha256"])
    for path in LISTS
    for package in tomllib.loads(path.read_text())["package"]
    for file in package["file"]
]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_file_of_others_is_as_it_was_published(file: Vendored) -> None:
    content = gzip.decompress((file.folder / f"{file.name}.gz").read_bytes())

    assert hashlib.sha256(content).hexdigest() == file.sha256


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.parent.name)
def test_every_file_is_ours_or_is_listed(path: Path) -> None:
    there = {each.name for each in path.parent.iterdir()}

    listed = {f"{file.name}.gz" for file in FILES if file.folder == path.parent}
    assert there - OURS == listed


def test_every_package_has_its_licence_beside_it() -> None:
    packages = {(file.package["name"], file.package["licence"]) for file in FILES}

    with_text = {
        (file.package["name"], file.package["licence"])
        for file in FILES
        if file.name.startswith("LICENSE")
    }
    assert with_text == packages
