"""An app that does something every second, under twenty schedules."""

from taskqueue import App, every

app = App()


@app.task("tick")
async def tick(slot: str) -> str:
    return slot


for number in range(20):
    app.schedule(
        every(seconds=1),
        name=f"every-second-{number:02}",
        data={"slot": f"{number:02} {{slot}}"},
        missed="all",
        overlap="allow",
    )(tick)
