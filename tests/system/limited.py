"""An app whose handlers outlast the usual time limit, on each executor."""

import asyncio
import time

from taskqueue import App

app = App()

WORK_S = 1.0


@app.task(max_attempts=1)
async def on_loop() -> None:
    await asyncio.get_running_loop().create_future()


@app.task(max_attempts=1, executor="process")
def in_process() -> None:
    time.sleep(3600)


@app.task(max_attempts=1, timeout_s=0)
async def unlimited() -> None:
    await asyncio.sleep(WORK_S)


@app.task(max_attempts=1, timeout_s=0, executor="process")
def unlimited_process() -> None:
    time.sleep(WORK_S)


@app.task(max_attempts=1, timeout_s=0.1)
async def own() -> None:
    await asyncio.get_running_loop().create_future()


@app.task(max_attempts=1)
def in_thread() -> None:
    time.sleep(WORK_S)
