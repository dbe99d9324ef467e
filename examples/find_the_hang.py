"""Look into a service while its handlers run: the stack of one that hangs, its log, its origin.

    python -m examples.find_the_hang

A nightly import enqueues a download, and the download waits for a server that does not answer.
"""

import asyncio
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from taskqueue import App, AsyncClient, Context, Service

app = App()
# They stand for the server.
connected, answered = threading.Event(), threading.Event()


def read_answer(url: str) -> str:
    connected.set()
    answered.wait()
    return f"contents of {url}"


@app.task
def download(ctx: Context, url: str) -> str:
    ctx.log.info("connects", url=url)
    return read_answer(url)


@app.task
async def nightly(ctx: Context) -> str:
    return ctx.enqueue(download, url="https://example.org/prices.csv")


async def main() -> None:
    """Run a service whose download hangs, and print what an operator can see of it."""
    with TemporaryDirectory() as folder:
        async with (
            Service(app, database=Path(folder) / "tasks.db", port=0) as service,
            AsyncClient(service.url) as queue,
        ):
            parent = await queue.enqueue("nightly")
            child = queue.task(await parent.result(timeout_s=30))
            await asyncio.to_thread(connected.wait)
            try:
                await look_at(child.id, queue)
            finally:
                answered.set()
            print(await child.result(timeout_s=30))
            activity = await queue.activity(minutes=1)
            print("enqueued lately:", sum(bucket.enqueued for bucket in activity.buckets))


async def look_at(task_id: str, queue: AsyncClient) -> None:
    """Print where a handler hangs, what it has logged, and what has enqueued its task."""
    task = queue.task(task_id)
    for call in (await task.stack()).stack:
        print(f"{Path(call.file).name}, in {call.function}")
    async for log in task.logs():
        print("logged so far:", *(line.message for line in log.lines))
    info = await task.info()
    if info.parent is not None:
        print("enqueued by:", (await queue.task(info.parent).info()).action)


if __name__ == "__main__":
    asyncio.run(main())
