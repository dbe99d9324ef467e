"""The scripts, what Erlang did with them, and what actors do."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

from taskqueue.runtime import ProcessInfo, Status, System, process_info
from tests.otp.canonical import Json
from tests.otp.pairs.script import Rest, Stage
from tests.otp.quiet import quiet
from tests.otp.virtual_time import VirtualTimeLoop

HERE = Path(__file__).parent
CASES = HERE / "cases.txt"
RECORDED = HERE / "otp.tsv"
ESCRIPT = HERE / "pairs.escript"

ON_PURPOSE = {
    "unlink_after_the_signal_arrived",
    "demonitor_after_the_down_arrived",
    "start_failed",
    "start_failed_untrapped",
    "start_ignored",
    "call_the_dead",
    "kill_then_call",
    "stop_the_dead",
    "unknown_cast",
    "second_name",
    "same_name_again",
    "group_joined_twice",
    "supervisor_and_a_living_childs_signal",
    "supervisor_and_garbage",
}
"""Where actors differ from processes; docs/otp.md names each of them, with the reason."""


def scripts(text: str) -> dict[str, str]:
    """Return the scripts by name."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return dict(line.split(": ", 1) for line in lines)


def results(text: str) -> dict[str, Json]:
    """Return what `pairs.escript` printed, by name."""
    lines = (line.split("\t", 1) for line in text.splitlines())
    return {name: json.loads(result) for name, result in lines}


def run_erlang(cases: Path) -> str:
    """Run all scripts of a file with Erlang's processes; return what it prints.

    Raises:
        FileNotFoundError: Erlang is not installed.
    """
    escript = shutil.which("escript")
    if escript is None:
        raise FileNotFoundError("escript: install erlang-base")
    command = [escript, str(ESCRIPT), str(cases)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def play(script: str, *, threads: bool) -> list[Json]:
    """Run a script with actors that share a loop, or that have a thread each."""
    loop_factory = None if threads else VirtualTimeLoop
    with quiet(), asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(_play(script, _rest_of_threads if threads else _rest, threads=threads))


async def _play(script: str, rest: Rest, *, threads: bool) -> list[Json]:
    async with System() as system:
        return await Stage(system, rest, threads=threads).play(script)


async def _rest(_: System) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    await loop.rest()


async def _rest_of_threads(system: System) -> None:
    """Wait until every actor waits. What one thread has posted to another arrives meanwhile."""
    calm = 0
    while calm < 3:
        await asyncio.sleep(0.001)
        infos = [process_info(ref) for ref in system.actors]
        calm = calm + 1 if all(info is None or _waits(info) for info in infos) else 0


def _waits(info: ProcessInfo) -> bool:
    suspended, waiting = info.status == Status.SUSPENDED, info.status == Status.WAITING
    return suspended or (waiting and info.mailbox == 0)


def differing(expected: dict[str, Json], cases: dict[str, str], *, threads: bool) -> list[str]:
    """Return the names of the scripts that actors run otherwise."""
    return [
        name for name, script in cases.items() if play(script, threads=threads) != expected[name]
    ]


def main() -> int:
    """Compare with what was recorded; return the exit code."""
    cases, expected = scripts(CASES.read_text()), results(RECORDED.read_text())
    unexpected = 0
    for name, script in cases.items():
        got = play(script, threads=False)
        if got != expected[name]:
            unexpected += name not in ON_PURPOSE
            _say(f"{name}: {script}", f"   OTP  {expected[name]}", f"   here {got}")
    _say(f"{len(cases)} scripts, {unexpected} differ without a reason")
    return 1 if unexpected else 0


def _say(*lines: str) -> None:
    print(*lines, sep="\n")  # noqa: T201 - it is the user interface
