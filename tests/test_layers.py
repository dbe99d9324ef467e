"""The direction of imports: a module imports from its own floor and from those below, in no cycle.

Imports for type checkers count as well: what a module has to name, its reader has to know.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "taskqueue"

# From the ground up. A name stands for a module, or for a folder and all that is in it.
FLOORS = (
    (
        "ground",
        (
            *(
                "errors",
                "attempt_log",
                "clock",
                "ids",
                "structs",
                "logger",
                "events",
                "task_ends",
                "traces",
                "foreign",
            ),
            *("throttle", "process", "children", "release"),
        ),
    ),
    ("the actor runtime", ("runtime",)),
    ("supervision", ("supervision",)),
    ("rules", ("rules",)),
    ("what the service can be asked", ("commands",)),
    ("storage", ("storage", "sqlite", "postgres")),
    ("the client", ("client",)),
    ("what users write", ("api", "opentelemetry")),
    ("settings", ("settings",)),
    ("machines", ("logs", "executors", "dashboard", "http")),
    ("roles", ("actors",)),
    ("the tree", ("supervisor",)),
    ("its assembly", ("assembly", "draining", "service")),
    (
        "what runs it",
        (
            "bench",
            "doctor",
            "verification",
            "starter",
            "testing",
            "cli",
            "embedding",
            "__main__",
            "__init__",
        ),
    ),
)

# What a part must not know although it lies below, and libraries that belong to others.
STRANGERS = {
    "runtime": ("aiohttp", "aiosqlite", "sqlite3"),
    "supervision": ("aiohttp", "aiosqlite", "sqlite3"),
    "rules": ("taskqueue.runtime", "taskqueue.supervision", "time", "random", "asyncio"),
    "api": ("taskqueue.runtime", "taskqueue.supervision", "aiohttp", "aiosqlite"),
    "settings": ("taskqueue.runtime", "taskqueue.supervision", "taskqueue.api", "asyncio"),
    "storage": (
        "taskqueue.runtime",
        "taskqueue.supervision",
        "taskqueue.api",
        "taskqueue.http",
        "taskqueue.executors",
        "taskqueue.settings",
    ),
    "executors": (
        "taskqueue.runtime",
        "taskqueue.supervision",
        "taskqueue.http",
        "taskqueue.storage",
    ),
    "http": ("sqlite3", "aiosqlite", "taskqueue.storage", "taskqueue.executors"),
    "logs": ("taskqueue.runtime", "taskqueue.api", "taskqueue.storage"),
    "rules.policy": ("datetime",),
    "supervision.decisions": ("time", "random", "asyncio", "datetime"),
}


# Whose drivers are behind the storage, and the words of one engine alone.
DRIVERS = ("sqlite3", "aiosqlite", "asyncpg", "psycopg", "taskqueue.storage.sqlite")
WORDS_OF_ENGINES = re.compile(r"(?i)sqlite|postgres|\bsynchronous\b|writer_?lost|\bwriter\b|fsync")

# Above the storage these alone know an engine.
KNOW_AN_ENGINE = {
    "client.file": "writes through the file, without the service",
    "client.file_groups": "likewise, about groups",
    "client.shared_file": "opens that file",
    "bench.command": "reports SQLite's own errors",
    "bench.disk": "measures what SQLite makes of the disk",
    "bench.place": "needs a file, beside which it works",
    "verification.books": "reads the file past the service",
    "verification.stopped_gates": "reads the file between two lives",
    "verification.calm": "makes tables of the handlers' own",
    "testing.fixtures": "gives users' tests a file of their own",
}


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path


def imports_of(path: Path) -> set[str]:
    """Every module that `path` names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return found


ALL = dict(modules())


def own_imports_of(module: str) -> set[str]:
    """The modules of the package that a module names; a package is meant by what is in it."""
    named = imports_of(ALL[module])
    found = {name.removeprefix("taskqueue.") for name in named if name.startswith("taskqueue.")}
    real = found & ALL.keys()
    within = {name for name in real if any(other.startswith(f"{name}.") for other in real)}
    return real - within - {module}


def floor_of(module: str) -> int:
    """The floor of a module below `taskqueue`, by the longest prefix that names it."""
    matches = [
        (len(part), height)
        for height, (_, parts) in enumerate(FLOORS)
        for part in parts
        if module == part or module.startswith(part + ".")
    ]
    assert matches, f"{module} is on no floor: say in FLOORS where it belongs"
    return max(matches)[1]


@pytest.mark.parametrize("module", ALL)
def test_a_module_imports_from_its_own_floor_and_below(module: str) -> None:
    above = {name for name in own_imports_of(module) if floor_of(name) > floor_of(module)}

    # The face of the package names what it hands on.
    assert module == "__init__" or above == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    left = {name: own_imports_of(name) for name in ALL}

    while free := {name for name, imported in left.items() if not imported & left.keys()}:
        for name in free:
            del left[name]

    assert left == {}


@pytest.mark.parametrize("part", STRANGERS)
def test_a_part_does_not_know_its_strangers(part: str) -> None:
    within = [name for name in ALL if name == part or name.startswith(part + ".")]

    met = {
        (name, stranger)
        for name in within
        for imported in imports_of(ALL[name])
        for stranger in STRANGERS[part]
        if imported == stranger or imported.startswith(stranger + ".")
    }

    assert within
    assert met == set()


def test_only_the_storage_knows_an_engine() -> None:
    """A new engine is a folder of its own: what is above the storage is not touched for it."""
    above = [name for name in ALL if floor_of(name) > floor_of("storage")]

    knowing = {
        name
        for name in above
        for imported in imports_of(ALL[name])
        for driver in DRIVERS
        if imported == driver or imported.startswith(driver + ".")
    }

    assert knowing == KNOW_AN_ENGINE.keys()


@pytest.mark.parametrize("part", ["actors", "service", "supervisor", "http", "commands", "rules"])
def test_the_service_has_no_words_of_one_engine(part: str) -> None:
    within = [name for name in ALL if name == part or name.startswith(part + ".")]

    said = {
        (name, word) for name in within for word in WORDS_OF_ENGINES.findall(ALL[name].read_text())
    }

    assert within
    assert said == set()


def test_every_event_goes_through_the_logger_of_the_service() -> None:
    """An app may configure structlog, which is global, in any way, for its own events."""
    # For a handler, the logger of its context has structlog's type.
    assert importers_of("structlog") == {
        "logger",
        "logs.loggers",
        "logs.pipeline",
        "logs.rendering",
        "logs.terminal",
        "api.attempt_logger",
        "api.context",
        "testing.events",
    }


def test_nobody_but_the_runtime_touches_pykka() -> None:
    assert {name for name in importers_of("pykka") if not name.startswith("runtime.")} == set()


def importers_of(library: str) -> set[str]:
    return {
        name
        for name, path in ALL.items()
        if any(i == library or i.startswith(f"{library}.") for i in imports_of(path))
    }


LINES = 300


def test_every_long_module_is_named_in_the_design_with_its_reason() -> None:
    design = (PACKAGE.parent / "docs/design.md").read_text()
    long = [
        path.relative_to(PACKAGE).as_posix()
        for _, path in modules()
        if len(path.read_text().splitlines()) > LINES
    ]

    assert [path for path in long if f"`{path}` (" not in design] == []
