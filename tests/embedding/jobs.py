"""The app of an application, and once more as another of its processes has it."""

import os
import time
from pathlib import Path

from taskqueue import App, Context

app = App()
other = App()


async def _pid(ctx: Context) -> int:
    return os.getpid()


pid = app.task("pid")(_pid)
other_pid = other.task("pid")(_pid)


@app.task("hold")
def hold(ctx: Context, folder: str) -> str:
    """Say that it runs, and wait for the file that ends it."""
    (Path(folder) / "began").touch()
    while not (Path(folder) / "gate").exists():
        time.sleep(0.01)
    return "held"
