"""A report each night, a check every few seconds, and a schedule that a client creates.

python -m taskqueue.supervisor --app examples.schedules:app

taskqueue schedules list
taskqueue schedules show nightly-report
taskqueue schedules pause check --reason "maintenance"

Or, with a service of its own: python -m examples.schedules
"""

import asyncio
import tempfile
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from taskqueue import App, AsyncClient, Service, every

app = App()


@app.schedule("0 3 * * *", timezone="Europe/Berlin", name="nightly-report", data={"day": "{slot}"})
@app.task("report", schedulable=True)
def report(day: str) -> str:
    """Report on the day before a slot, however late this runs."""
    return f"the report of {datetime.fromisoformat(day):%d %B %Y}"


@app.schedule(every(seconds=2), missed="skip", overlap="skip")
@app.task("check", schedulable=True)
async def check(url: str = "https://example.org/") -> str:
    """Pretend to look whether a site answers. What was missed is not made up for."""
    return f"{urlsplit(url).hostname} answers"


async def main(folder: Path) -> None:
    """Show what the schedules do."""
    async with (
        Service(app, database=folder / "tasks.db", port=0) as service,
        AsyncClient(service.url) as client,
    ):
        nightly = await client.schedules.get("nightly-report")
        print(f"{nightly.name}: {nightly.when}, next at {nightly.upcoming[0].local[11:16]}")

        task = await client.schedules.run("nightly-report")
        print("run now:", (await task.result(timeout_s=20))[:13])

        shop = {"url": "https://shop.example/"}
        await client.schedules.create("check", name="check-shop", every=1, data=shop)
        print("check-shop:", await first_result(client, "check-shop"))

        paused = await client.schedules.pause("check-shop", reason="the shop is closed")
        print("paused:", paused.paused_because)


async def first_result(client: AsyncClient, name: str) -> object:
    """Wait for the first slot of a schedule to fire, and for its task."""
    while True:
        for slot in (await client.schedules.get(name)).slots:
            if slot.task_id is not None:
                return await client.task(slot.task_id).result(timeout_s=20)
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(main(Path(temporary)))
