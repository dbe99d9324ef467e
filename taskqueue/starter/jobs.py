"""The handlers of this service: each function is an action, and its signature checks the data.

taskqueue run
taskqueue enqueue greet name=Ann --wait 10
"""

from taskqueue import App, Context

app = App()


@app.task(max_attempts=3, timeout_s=30)
async def greet(name: str) -> str:
    """Return a greeting; an `async` handler shares the event loop of its consumer."""
    return f"Hello, {name}!"


@app.task
def count_words(ctx: Context, text: str) -> dict[str, int]:
    """Count words; a plain function runs in a thread."""
    words = text.split()
    ctx.progress({"words": len(words)})
    return {"words": len(words), "different": len(set(words))}
