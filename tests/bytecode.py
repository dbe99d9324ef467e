"""Bytecode that services share; without it each start would compile all libraries."""

import os
import subprocess
import sys

KEPT = {"PYTHONDONTWRITEBYTECODE": ""}
"""The variables of a process that keeps what it compiles, whatever ours says."""


def fill() -> None:
    """Compile what a service imports, before any has to be ready within its time."""
    path = os.pathsep.join(filter(None, sys.path))
    subprocess.run(
        [sys.executable, "-c", "import taskqueue.supervisor, taskqueue.cli.serving"],
        env=os.environ | {"PYTHONPATH": path} | KEPT,
        check=True,
    )
