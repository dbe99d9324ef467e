"""An app that takes any task, so that every request which fits the document is accepted."""

from collections.abc import Mapping
from typing import Any

from taskqueue import App, Context

app = App()


@app.default
async def anything(ctx: Context, data: Mapping[str, Any]) -> None:
    """End at once."""


@app.task("report", schedulable=True)
async def report(ctx: Context, /, **data: Any) -> None:
    """End at once."""
