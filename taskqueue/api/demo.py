"""The built-in app, with the actions of the tutorial.

{"action": "uppercase", "data": {"text": "hi"}}        {"output": "HI"}
{"action": "sum", "data": {"numbers": [1, 2, 3]}}      {"output": 6}
{"action": "anything else", "data": {…}}               {"output": "processed"}
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from taskqueue.api.app import App
from taskqueue.api.context import Context


def demo_app(work_s: float = 0.1) -> App:
    """Return the demo; each of its handlers pretends to work for `work_s` seconds."""
    app = App()

    @app.task("uppercase")
    async def uppercase(ctx: Context, text: str = "") -> dict[str, str]:
        await asyncio.sleep(work_s)
        return {"output": text.upper()}

    @app.task("sum")
    async def total(ctx: Context, numbers: Sequence[int | float] = ()) -> dict[str, float]:
        await asyncio.sleep(work_s)
        return {"output": sum(numbers)}

    @app.default
    async def process(ctx: Context, data: dict[str, Any]) -> dict[str, str]:
        await asyncio.sleep(work_s)
        return {"output": "processed"}

    return app
