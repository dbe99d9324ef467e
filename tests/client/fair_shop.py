"""An app whose tenants take turns. The service runs it, and clients import it."""

from taskqueue import App

app = App()


@app.task("report", fair_by="tenant")
async def report(tenant: str) -> None: ...
