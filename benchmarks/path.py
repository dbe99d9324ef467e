"""The path of one task: which messages and which modules it passes from POST to completed.

    python -m benchmarks.path

Counts what runs in the service while one task is posted and completed, on every thread. The commit
is made on a thread here, so that its modules count as well; in a service they run in the process
that writes, and what carries the request there and back comes on top.
"""

import asyncio
import json
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

from benchmarks.harness import silence_logs
from taskqueue import App, Context, Service, Settings
from taskqueue.assembly import Parts
from taskqueue.runtime.mailbox import Mail, Mailbox
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.backend import Given

PACKAGE = str(Path(__file__).parent.parent / "taskqueue") + "/"

app = App()


@app.task("double")
async def double(ctx: Context, number: int) -> int:
    """Return twice the number."""
    return 2 * number


class Recorder:
    """Records messages and functions, on all threads that are started after `install`."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.functions: set[tuple[str, str]] = set()
        self._is_on = False

    @property
    def modules(self) -> list[str]:
        """The modules whose functions have run, sorted."""
        return sorted({module for module, _ in self.functions})

    def install(self) -> None:
        """Look at every call from now on."""
        threading.setprofile(self._see)
        sys.setprofile(self._see)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record what happens in this block."""
        put = Mailbox.put

        def recorded(mailbox: Mailbox, mail: Mail) -> None:
            self.messages.append(type(mail.message).__name__)
            put(mailbox, mail)

        with patch.object(Mailbox, "put", recorded):
            self._is_on = True
            yield
            self._is_on = False

    def _see(self, frame: FrameType, event: str, _: Any) -> None:
        if self._is_on and event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            module = frame.f_code.co_filename.removeprefix(PACKAGE)
            self.functions.add((module, frame.f_code.co_qualname))


async def path_of_one_task() -> Recorder:
    """Run a service, let one task pass unrecorded, and record the next."""
    recorder = Recorder()
    recorder.install()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tasks.db"
        parts = Parts(backend=Given(partial(SQLiteStorage, file, writes_in="thread")))
        async with Service(app, Settings(port=0), parts=parts) as service:
            await _posted(service)
            with recorder.recording():
                await _posted(service)
    return recorder


async def _posted(service: Service) -> None:
    """Post a task, and wait until it has completed and been settled."""
    reader, writer = await asyncio.open_connection(*service.address)
    body = json.dumps({"action": "double", "data": {"number": 21}}).encode()
    writer.write(
        b"POST /tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body)
    )
    answer = await reader.read()
    writer.close()
    task_id = json.loads(answer.split(b"\r\n\r\n", 1)[1])["id"]
    await service.wait(task_id)


def main() -> None:
    """Print what one task passes."""
    silence_logs()
    recorder = asyncio.run(path_of_one_task())
    print(f"messages ({len(recorder.messages)}): {', '.join(recorder.messages)}")
    print(f"functions: {len(recorder.functions)}")
    print(f"modules ({len(recorder.modules)}):")
    print("\n".join(f"  {module}" for module in recorder.modules))


if __name__ == "__main__":
    main()
