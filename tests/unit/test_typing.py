"""The type checker knows what each action takes."""

import subprocess
import sys
from pathlib import Path

import pytest

# Kept: to check the package and its dependencies takes a hundred times as long as a snippet.
CACHE = Path(__file__).parents[2] / ".mypy_cache/snippets"

APP = """
from taskqueue import App, Context

app = App()

@app.task("resize")
async def resize(ctx: Context, url: str, width: int = 800) -> dict[str, int]:
    return {"width": width}

@app.task("echo")
def echo(ctx: Context, text: str) -> str:
    return text

@app.task
async def greet(name: str) -> str:
    return name

@app.task(max_attempts=3)
def shout(name: str) -> str:
    return name

@app.task(queue="mail")
async def send(ctx: Context, to: str) -> None: ...
"""

RESOURCES = """
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from taskqueue import App, Context

class Pool:
    def query(self, sql: str) -> int:
        return len(sql)

app = App()

@app.resources
@asynccontextmanager
async def resources() -> AsyncIterator[Pool]:
    yield Pool()

def log(ctx: Context) -> None: ...

@app.task
async def count(ctx: Context[Pool], table: str) -> int:
    log(ctx)
    ctx.resources.qurey("")  # attr-defined
    return ctx.resources.query(table)

async def calls(ctx: Context[Pool], other: Context) -> None:
    number: int = await count(ctx, "users")
    text: str = ctx.resources.query("a")  # assignment
    other.resources.query("a")  # attr-defined
    await count.enqueue(tabel="users")  # call-arg
"""

RIGHT = """
async def calls(ctx: Context) -> None:
    task_id: str = await resize.enqueue("a", width=1)
    task_id = await resize.with_options(delay_s=5, priority=1).enqueue(url="a")
    task_id = ctx.enqueue(resize, url="a")
    task_id = ctx.enqueue(resize.with_options(run_at=5), "a", 3)
    size: dict[str, int] = await resize(ctx, "a")
    text: str = echo(ctx, "a")
    text = await greet("Ada")
    text = shout(name="Ada")
    await send(ctx, to="a")
    task_id = await greet.with_options(delay_s=5).enqueue(name="Ada")
    task_id = ctx.enqueue(shout, "Ada")
    task_id = await send.enqueue(to="a")
"""

WRONG = """
async def calls(ctx: Context) -> None:
    await resize.enqueue(url="a", widht=1)  # call-arg
    await resize.enqueue(url=1)  # arg-type
    await resize.with_options(delay_s=5).enqueue()  # call-arg
    await resize.with_options(delay=5).enqueue("a")  # call-arg
    ctx.enqueue(echo, txt="a")  # call-arg
    ctx.enqueue(echo, text=b"a")  # arg-type
    echo(ctx, 1)  # arg-type
    shout(1)  # arg-type
    await greet("Ada", 2)  # call-arg
    await greet.enqueue(nam="Ada")  # call-arg
    await send.enqueue(1)  # arg-type
"""


ASKS = """
from taskqueue.runtime import ActorRef, Request, ask

class GetNames(Request[list[str]]):
    prefix: str

async def calls(ref: ActorRef) -> None:
    names: list[str] = await ask(ref, GetNames(prefix="a"))
    count: int = len(await ask(ref, GetNames(prefix="a")))
    first: str = min(await ask(ref, GetNames(prefix="a")))
    wrong: int = await ask(ref, GetNames(prefix="a"))  # arg-type
"""


def errors_of(code: str, folder: Path) -> list[tuple[int, str]]:
    """Return the line and the code of each error that mypy finds."""
    file = folder / "snippet.py"
    file.write_text(code)
    options = ["--strict", "--no-error-summary", "--hide-error-context", "--no-pretty"]
    # Not with `mypy.api`, which sets a recursion limit that the stack of this process may not bear.
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "--cache-dir", CACHE, file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if ": error: " in line]
    return [(int(line.split(":")[1]), line.rpartition("[")[2][:-1]) for line in lines]


@pytest.mark.timeout(300)  # the first run type-checks the package and its dependencies
def test_calls_that_fit_are_accepted_and_no_others(tmp_path: Path) -> None:
    right, wrong = APP + RIGHT, APP + RIGHT.replace("calls", "right_calls") + WRONG
    marked = [
        (number, line.rpartition("# ")[2])
        for number, line in enumerate(wrong.splitlines(), 1)
        if "  # " in line
    ]

    assert errors_of(right, tmp_path) == []
    assert errors_of(wrong, tmp_path) == marked


@pytest.mark.timeout(300)
def test_a_handler_knows_the_type_of_its_resources(tmp_path: Path) -> None:
    marked = [
        (number, line.rpartition("# ")[2])
        for number, line in enumerate(RESOURCES.splitlines(), 1)
        if "  # " in line
    ]

    assert errors_of(RESOURCES, tmp_path) == marked


@pytest.mark.timeout(300)
def test_an_ask_has_the_type_of_its_answer_also_inside_a_call(tmp_path: Path) -> None:
    [wrong] = [n for n, line in enumerate(ASKS.splitlines(), 1) if "# arg-type" in line]

    assert errors_of(ASKS, tmp_path) == [(wrong, "arg-type")]
