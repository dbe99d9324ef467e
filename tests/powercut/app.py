"""The app under power cuts: plain tasks, tasks with a limit and turns, and a schedule."""

from taskqueue import App, Limit, every

app = App()


@app.schedule(every(seconds=1), name="tick", data={"text": "{slot}"}, missed="all", overlap="allow")
@app.task("uppercase")
async def uppercase(text: str) -> str:
    return text.upper()


@app.task("limited", queue="limited", limit=Limit(running=2, key="narrow:{lane}"), fair_by="lane")
async def limited(text: str, lane: str) -> str:
    return text.upper()
