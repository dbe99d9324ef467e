"""The direction of imports: words → rules → machines → roles → tree. Nobody looks to the right."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "taskqueue"

# From left to right; a module may import from its own layer and from those before it.
LAYERS = (
    (
        "words",
        (
            "words",
            "errors",
            "clock",
            "ids",
            "tasks",
            "health",
            "rendering",
            "foreign",
            "plain",
            "encoding",
            "outcomes",
            "options",
            "logger",
            "forks",
            "origin",
            "hidden",
        ),
    ),
    (
        "rules",
        (
            "policy",
            "retention",
            "recycling",
            "settings",
            "signature",
            "handler",
            "channel",
            "transaction",
            "keys",
            "context",
            "action",
            "app",
            "demo",
            "loading",
        ),
    ),
    (
        "machines",
        (
            "storage",
            "sqlite",
            "actors.runtime",
            "supervision",
            "executors",
            "lines",
            "logs",
            "output",
            "http",
        ),
    ),
    ("roles", ("actors",)),
    (
        "tree",
        (
            "supervisor",
            "service",
            "init",
            "leaving",
            "bench",
            "cli",
            "__main__",
            "__init__",
            "testing",
        ),
    ),
)

# What a part may not know, wherever it stands.
STRANGERS = {
    "supervision": ("taskqueue.tasks", "taskqueue.storage", "taskqueue.http", "taskqueue.policy"),
    "storage": ("taskqueue.actors", "taskqueue.supervision", "taskqueue.http", "taskqueue.policy"),
    "http": ("sqlite3", "aiosqlite", "taskqueue.storage", "pykka"),
    "actors.runtime": ("taskqueue.tasks", "taskqueue.storage", "taskqueue.http", "aiohttp"),
    "policy": ("time", "random", "asyncio", "datetime"),
    "supervision.decisions": ("time", "random", "asyncio", "datetime"),
}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path


def imports_of(path: Path) -> set[str]:
    """Every module that `path` names when it runs, those for type checkers alone left out."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


def layer_of(module: str) -> int:
    """The layer of a module below `taskqueue`, by the longest prefix that names it."""
    matches = [
        (len(part), rank)
        for rank, (_, parts) in enumerate(LAYERS)
        for part in parts
        if module == part or module.startswith(part + ".")
    ]
    assert matches, f"{module} stands in no layer: say in LAYERS where it belongs"
    return max(matches)[1]


ALL = list(modules())


@pytest.mark.parametrize(("module", "path"), ALL, ids=[name for name, _ in ALL])
def test_a_module_names_only_what_stands_left_of_it(module: str, path: Path) -> None:
    own = layer_of(module)

    known = {
        name.removeprefix("taskqueue.")
        for name in imports_of(path)
        if name.startswith("taskqueue.")
    }
    real = {name for name in known if any(name == other for other, _ in ALL)}

    assert [name for name in sorted(real) if layer_of(name) > own] == []


@pytest.mark.parametrize("part", STRANGERS)
def test_a_part_does_not_know_its_strangers(part: str) -> None:
    within = [(name, path) for name, path in ALL if name == part or name.startswith(part + ".")]

    met = {
        (name, stranger)
        for name, path in within
        for imported in imports_of(path)
        for stranger in STRANGERS[part]
        if imported == stranger or imported.startswith(stranger + ".")
    }

    assert within
    assert met == set()


def test_every_event_goes_through_the_logger_of_the_service() -> None:
    """An app may configure structlog, which is global, in any way, for its own events."""
    touching = {
        name
        for name, path in ALL
        if any(i == "structlog" or i.startswith("structlog.") for i in imports_of(path))
    }

    # For a handler, the logger of its context has structlog's type.
    assert touching == {"logger", "logs", "context", "testing.events"}


def test_nobody_but_the_runtime_touches_pykka() -> None:
    touching = {
        name
        for name, path in ALL
        if any(i == "pykka" or i.startswith("pykka.") for i in imports_of(path))
    }

    assert {name for name in touching if not name.startswith("actors.runtime")} == set()
