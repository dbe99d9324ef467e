"""The floors of `POST /tasks`: aiohttp without us. `python -m benchmarks.bare_servers accepting`.

`accepting` parses the JSON and answers 202 with a new id. `committing` commits a row before, and
calls the handler at once.
"""

import asyncio
import json
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeAlias
from uuid import uuid4

import msgspec
from aiohttp import web

from benchmarks.arrivals import tell_now

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]


class Asked(msgspec.Struct):
    """The body of a request."""

    action: str
    data: dict[str, Any]


_asked = msgspec.json.Decoder(Asked)
_encoder = msgspec.json.Encoder()


def _accepted(task_id: str) -> web.Response:
    body = _encoder.encode({"id": task_id, "status": "queued"})
    return web.Response(body=body, status=202, content_type="application/json")


async def accept(request: web.Request) -> web.Response:
    """Parse and answer; store nothing."""
    _asked.decode(await request.read())
    return _accepted(str(uuid4()))


def committing() -> Handler:
    """Return a handler that commits a row on a thread, then tells, then answers."""
    thread = ThreadPoolExecutor(1)
    insert = thread.submit(_prepared).result()

    async def commit(request: web.Request) -> web.Response:
        body = await request.read()
        asked, task_id = _asked.decode(body), str(uuid4())
        await asyncio.get_running_loop().run_in_executor(thread, insert, (task_id, body))
        tell_now(asked.data["port"])
        return _accepted(task_id)

    return commit


def _prepared() -> Callable[[tuple[str, bytes]], object]:
    db = sqlite3.connect("tasks.db", isolation_level=None)  # each statement commits
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE tasks (id TEXT PRIMARY KEY, payload BLOB)")
    return partial(db.execute, "INSERT INTO tasks VALUES (?, ?)")


async def serve(handler: Handler) -> None:
    """Serve on a free port for ever, and say which."""
    app = web.Application()
    app.add_routes([web.post("/tasks", handler)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    [(_, port)] = runner.addresses
    print(json.dumps({"event": "service_ready", "port": port}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve({"accepting": accept, "committing": committing()}[sys.argv[1]]))
