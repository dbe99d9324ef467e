"""Every command that the page shows runs as written."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from taskqueue.cli import exits
from tests.forked.process import write_command
from tests.forked.service import ForkedService

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/cli.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL)
TIMEOUT_S = 400.0  # it starts some 30 processes, perhaps on a busy machine


def test_every_exit_code_is_explained() -> None:
    codes = (exits.OK, exits.FAILED, exits.MISUSED, exits.UNREACHABLE, exits.REFUSED)

    assert re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE) == [str(code) for code in codes]


@pytest.mark.timeout(450)
@pytest.mark.long
async def test_the_commands_of_the_page_run_as_written(tmp_path: Path) -> None:
    start, *others = BLOCKS
    flags = re.sub(r"\s+#.*", "", start).split()[1:]
    (tmp_path / "jobs.py").write_text((ROOT / "tests/cli/jobs.py").read_text())
    descriptor = write_command(tmp_path / "taskqueue")

    async with ForkedService(tmp_path, *flags) as service:
        shell = await asyncio.create_subprocess_exec(
            *("bash", "-euxc", "".join(others)),
            cwd=tmp_path,
            pass_fds=[descriptor],
            env={
                **os.environ,
                "PATH": f"{tmp_path}:{os.environ['PATH']}",
                "PYTHONPATH": os.pathsep.join(sys.path),
                "TASKQUEUE_URL": service.url,
                "TASKQUEUE_PORT": service.url.rpartition(":")[2],
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(TIMEOUT_S):
            out, err = await shell.communicate()

    assert shell.returncode == 0, err.decode()
    assert '{"thumbnail":"d.png?width=800"}' in out.decode()
    assert (tmp_path / "openapi.json").read_text().startswith('{"openapi":')
    assert "Traceback" not in err.decode()
