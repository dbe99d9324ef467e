"""Index a document once it has not changed for 5 seconds, but after a minute at the latest.

python -m examples.debounce

The engine for tests has a clock of its own, so this program takes no 80 seconds.
"""

import asyncio

from taskqueue import App
from taskqueue.testing.engine import Engine

app = App()


# One task per document waits at most. A repeat replaces its data and moves it. Once it has been
# claimed it has given up its key: a change from then on gets a task of its own and is never lost.
@app.task(unique_by=("document",), on_repeat="replace", latest_s=60)
async def index(document: int, text: str) -> str:
    """Index a document; return what has been indexed."""
    return f"document {document}: {text}"


async def edit(document: int, text: str) -> None:
    """Store an edit (not shown), and have the document indexed."""
    await index.with_options(delay_s=5).enqueue(document=document, text=text)


async def main() -> None:
    """Edit a document a few times, and another one for longer than a minute."""
    async with Engine(app) as engine:
        for text in ("H", "He", "Hello"):
            await edit(1, text)
            await engine.advance(1)
        await engine.drain()
        for second in range(0, 80, 4):
            await edit(2, f"{second} s")
            await engine.advance(4)
        await engine.drain()
        for task in reversed(await engine.tasks()):
            print(f"{task.result}, after {task.run_at - task.created_at:.0f} s")


if __name__ == "__main__":
    asyncio.run(main())
