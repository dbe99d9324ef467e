"""Servers as processes of their own: the service, or a floor that announces itself as it does."""

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

READY_WITHIN_S = 30.0
LOOK_S = 0.005

_READY = re.compile(r'"service_ready".*?"port": ?(\d+).*\n')


class NotReady(Exception):
    """A server ended, or took too long, before it was ready; the text is what it wrote."""


@contextmanager
def server(module: str, *arguments: str) -> Iterator[int]:
    """Run `python -m module` in a folder of its own until the block ends; yield its port.

    What it writes goes into a file: a reader of its log would take part of the processors.

    Raises:
        NotReady: it has not said `service_ready` within 30 s.
    """
    paths = os.pathsep.join(filter(None, [str(Path.cwd()), *sys.path]))
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": paths},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield _port(process, log)
        finally:
            process.kill()
            process.wait()


@contextmanager
def service(app: str = "app", *arguments: str, paused: bool = False) -> Iterator[int]:
    """Run the service with an app of `benchmarks.apps`; yield its port.

    Its settings are the defaults, but for `arguments`.

    Paused, it takes tasks in and hands none out.
    """
    flags = ("--port", "0", "--app", f"benchmarks.apps:{app}", *arguments)
    with server("taskqueue.supervisor", *flags) as port:
        if paused:
            pause(port)
        yield port


def pause(port: int) -> None:
    """Have a service hand out nothing more."""
    post(port, "/queues/default/pause")


def post(port: int, path: str, value: object = None) -> None:
    """Post JSON to a server of this machine, which has to do as it is told."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    body, headers = json.dumps(value), {"Content-Type": "application/json"}
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    assert answer.status in {200, 202}, answer.read()
    connection.close()


def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    ends_at = time.monotonic() + READY_WITHIN_S
    while process.poll() is None and time.monotonic() < ends_at:
        if ready := _READY.search(log.read_text()):
            return int(ready[1])
        time.sleep(LOOK_S)
    raise NotReady(log.read_text())
