"""What a service in a program logs: through `logging`, unless the program configures structlog."""

import asyncio
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import asyncio, logging, sys
from taskqueue import App, Context, Service
{configured}
app = App()

@app.task("fail", max_attempts=1)
def fail(ctx: Context) -> None:
    ctx.log.info("greeted", name="ann b")
    raise ValueError("mine")

async def main() -> None:
    async with Service(app, http=False, database="tasks.db", consumers=1) as service:
        await service.wait(await fail.enqueue())

asyncio.run(main())
"""


def run(folder: Path, configured: str) -> tuple[str, str]:
    """Run the program with a line that configures its log; return what it wrote on both streams."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(configured=configured)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout, done.stderr


async def test_a_program_that_configures_nothing_sees_warnings_alone(tmp_path: Path) -> None:
    said, complained = await asyncio.to_thread(run, tmp_path, "")

    assert said == ""
    assert "task_dead_lettered task_id='" in complained
    assert "task_started" not in complained
    assert "greeted" not in complained


async def test_events_go_to_the_logger_that_the_program_has_set_up(tmp_path: Path) -> None:
    configured = (
        "logging.basicConfig(stream=sys.stdout, format='%(levelname)s %(name)s %(message)s')\n"
        "logging.getLogger('taskqueue').setLevel('INFO')"
    )

    said, complained = await asyncio.to_thread(run, tmp_path, configured)

    lines = said.splitlines()
    assert complained == ""
    assert "INFO taskqueue service_stopped reason='told to stop'" in lines
    assert any("INFO taskqueue greeted " in line and "name='ann b'" in line for line in lines)


async def test_records_carry_the_event_and_its_fields(tmp_path: Path) -> None:
    configured = (
        "logging.basicConfig(stream=sys.stdout, format='%(event)s %(fields)s')\n"
        "logging.getLogger('asyncio').setLevel('ERROR')\n"
        "logging.getLogger('taskqueue').setLevel('INFO')"
    )

    said, _ = await asyncio.to_thread(run, tmp_path, configured)

    assert "service_stopped {'reason': 'told to stop'}" in said.splitlines()


async def test_a_program_that_configures_structlog_gets_events_there(tmp_path: Path) -> None:
    configured = (
        "import structlog\n"
        "structlog.configure(processors=[structlog.processors.KeyValueRenderer(['event'])])"
    )

    said, complained = await asyncio.to_thread(run, tmp_path, configured)

    assert complained == ""
    assert "event='service_stopped' reason='told to stop'" in said.splitlines()
