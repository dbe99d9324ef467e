"""What handlers tell of themselves arrives, and says whether they ran at the same instant."""

import asyncio
import os
import sys
from pathlib import Path

from taskqueue.verification.collector import Collector

HANDLER = """
from taskqueue.verification.witness import witnessed
with witnessed("a-task", "a-key"):
    print("begun", flush=True)
    input()
"""


async def begun(collector: Collector, folder: Path) -> asyncio.subprocess.Process:
    """Return a process whose handler has begun, and ends with a line on its input."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HANDLER),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **collector.variables},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"begun\n"
    return process


async def test_a_run_lasts_until_its_end_or_that_of_its_process(tmp_path: Path) -> None:
    collector = Collector()
    async with collector.open():
        killed = await begun(collector, tmp_path)
        beside = await begun(collector, tmp_path)
        killed.kill()
        await killed.wait()
        after = await begun(collector, tmp_path)
        await beside.communicate(b"\n")
        await after.communicate(b"\n")
        first, second, third = await collector.runs()

    assert (first.ended_at, first.overlaps(second), first.overlaps(third)) == (None, True, False)
    assert (second.overlaps(third), second.beside) == (True, (first.process,))
    assert second.ended_at is not None
    assert second.keys == ("a-key",)
