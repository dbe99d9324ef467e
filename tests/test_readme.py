"""The README is true: its curl lines are run as they stand, and give what it says they give."""

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from taskqueue.testing.process import ServiceProcess

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)

# Never skipped where it counts: under CI a missing curl fails these tests.
pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None and "CI" not in os.environ, reason="curl is not installed"
)


def lines_with(word: str) -> list[str]:
    """The shell lines of the README that hold `word`, continued lines joined, comments cut."""
    shell = "\n".join(text for kind, text in BLOCKS if kind == "sh").replace("\\\n", " ")
    return [re.sub(r"\s+#.*", "", line) for line in shell.splitlines() if word in line]


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    async with ServiceProcess(tmp_path, "--demo-work-s", "0.01") as service:
        yield service


async def run(line: str, service: ServiceProcess) -> str:
    """Run a line of the README against the service on its own port; return what it prints."""
    line = line.replace("curl ", "curl --silent ").replace(
        "localhost:8080", service.url.removeprefix("http://")
    )
    process = await asyncio.create_subprocess_shell(line, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


async def ask(line: str, service: ServiceProcess) -> Any:
    return json.loads(await run(line, service))


async def test_the_first_example_runs_as_written(tmp_path: Path) -> None:
    [code] = [text for kind, text in BLOCKS if kind == "python" and text.startswith("# jobs.py\n")]
    (tmp_path / "jobs.py").write_text(code)
    [post] = [line for line in lines_with("resize") if line.startswith("curl")]
    [start] = lines_with(" jobs:app")

    async with ServiceProcess(tmp_path, *start.split()[1:]) as service:
        accepted = await ask(post, service)
        await service.wait_for("task_completed", task_id=accepted["id"])
        shown = await run(lines_with("localhost:8080/tasks")[1], service)

    [said] = re.findall(r"# … (.*) …$", README, flags=re.MULTILINE)
    assert said in shown


async def test_the_tutorial_goes_as_written(service: ServiceProcess) -> None:
    [post] = [line for line in lines_with("hello world") if "curl" in line]
    [everything] = lines_with("localhost:8080/tasks")[1:2]
    [completed] = lines_with("status=completed")

    accepted = await ask(post, service)
    await service.wait_for("task_completed", task_id=accepted["id"])
    shown = await ask(everything, service)
    listed = await ask(completed, service)

    assert set(accepted) == {"id", "status"}
    assert accepted["status"] == "queued"
    assert shown == listed
    assert listed["count"] == 1
    [task] = listed["tasks"]
    assert task["id"] == accepted["id"]
    assert task["payload"] == {"action": "uppercase", "data": {"text": "hello world"}}
    assert task["result"] == {"output": "HELLO WORLD"}
    assert task["status"] == "completed"
    assert task["created_at"] <= task["processed_at"]


async def test_the_sample_answers_have_the_fields_of_the_real_ones(service: ServiceProcess) -> None:
    samples = [text.replace(",…", "") for kind, text in BLOCKS if kind == "json"]
    [post] = [line for line in lines_with("hello world") if "curl" in line]
    accepted = await ask(post, service)
    await service.wait_for("task_completed", task_id=accepted["id"])

    listed = await ask(lines_with("status=completed")[0], service)

    in_sample_post, in_sample_list = (json.loads(sample) for sample in samples)
    assert in_sample_post.keys() == accepted.keys()
    assert in_sample_list.keys() == listed.keys()
    [sample_task], [task] = in_sample_list["tasks"], listed["tasks"]
    assert sample_task.keys() <= task.keys()
    assert sample_task["payload"] == task["payload"]
    assert sample_task["result"] == task["result"]


async def test_what_cannot_be_accepted_is_answered_as_written(service: ServiceProcess) -> None:
    wrong = re.findall(r"^(curl .*?)\s+# (\d+) (\{.*),…\}$", README, flags=re.MULTILINE)

    answers = [await ask(line, service) for line, _, _ in wrong]

    assert len(wrong) == 2
    for (_, status, start), answer in zip(wrong, answers, strict=True):
        assert answer["status"] == int(status)
        assert json.loads(start + "}").items() <= answer.items()


async def test_the_tree_heals_and_is_drawn_as_shown(service: ServiceProcess) -> None:
    [kill] = [line for line in lines_with("supervision/kill") if line.startswith("curl")]
    [draw] = lines_with("format=text")
    [drawn] = re.findall(r"```\n(root .*?)```", README, flags=re.DOTALL)

    await run(kill, service)
    await service.wait_for("child_restarted", child_id="database")

    assert (await run(draw, service)).strip() == drawn.strip()


def test_every_file_that_is_linked_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
