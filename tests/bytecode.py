"""A folder for bytecode that services share; without one each start would compile all libraries."""

import os
import subprocess
import sys
from pathlib import Path


def cached_in(folder: Path) -> dict[str, str]:
    """Return the variables of a process that keeps its bytecode in `folder`."""
    return {"PYTHONPYCACHEPREFIX": str(folder), "PYTHONDONTWRITEBYTECODE": ""}


def fill(folder: Path) -> None:
    """Compile what a service imports, before any has to be ready within its time."""
    path = os.pathsep.join(filter(None, sys.path))
    subprocess.run(
        [sys.executable, "-c", "import taskqueue.supervisor, taskqueue.cli.serving"],
        env=os.environ | {"PYTHONPATH": path} | cached_in(folder),
        check=True,
    )
