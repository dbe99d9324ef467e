"""An app that notes each second in a file beside the database."""

from pathlib import Path

from taskqueue import App, every

app = App()


@app.schedule(every(seconds=1), data={"slot": "{slot}"}, missed="all", overlap="allow")
@app.task("tick")
def tick(slot: str) -> str:
    with Path("ticks").open("a") as file:
        file.write(f"{slot}\n")
    return slot
