"""The service inside a program of your own: start it, enqueue, wait, print, end.

python -m examples.embedded

Tasks are kept in tasks.db in a folder of its own, which is gone afterwards.
"""

import asyncio
import tempfile
from pathlib import Path

from taskqueue import App, Context, Service

app = App()


@app.task("count_words", max_attempts=3)
async def count_words(ctx: Context, text: str) -> dict[str, int]:
    """Count the words of a text."""
    return {"words": len(text.split())}


async def main(folder: Path) -> None:
    """Run one task."""
    async with Service(app, database=folder / "tasks.db", port=0, consumers=1) as service:
        task_id = await count_words.enqueue(text="a task that is kept until it is done")
        task = await service.wait(task_id)
        print(f"{task.action}: {task.status}, {task.result}")


if __name__ == "__main__":
    # Every start, end and crash is logged by the logger "taskqueue": here, warnings alone.
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(main(Path(temporary)))
