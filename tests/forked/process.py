"""A process that `origin` has forked, as `asyncio.subprocess` shows one."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_ORIGIN = """\
import os, sys
if os.fork() == 0:
    os.setsid()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "tests.forked.origin", sys.argv[1]])
"""


_COMMAND = """\
#!{python} -IS
import json, os, socket, sys
told, tell = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
request = {{"arguments": sys.argv[1:], "folder": os.getcwd(), "env": dict(os.environ)}}
origin = socket.socket(fileno={descriptor})
socket.send_fds(origin, [json.dumps(request).encode()], [0, 1, 2, tell.fileno()])
tell.close()
pid, code = told.recv(64), told.recv(64)
sys.exit(int(code))
"""


@cache
def _origin() -> socket.socket:
    """Start the process that others are forked from; it ends with this one.

    It is no child of this process, because some tests count those.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", _ORIGIN, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            check=True,
        )
    return ours


class ForkedProcess:
    """A `taskqueue` command that runs; its output is read as it comes."""

    def __init__(
        self, pid: int, told: socket.socket, out: asyncio.StreamReader, err: asyncio.StreamReader
    ) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout = out
        self.stderr = err
        self._ended = asyncio.create_task(self._end(told))

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    async def wait(self) -> int:
        """Wait for its end and return the exit code."""
        return await asyncio.shield(self._ended)

    async def communicate(self) -> tuple[bytes, bytes]:
        """Return all that it writes on both streams, once it has ended."""
        written = await asyncio.gather(self.stdout.read(), self.stderr.read())
        await self.wait()
        return written[0], written[1]

    async def _end(self, told: socket.socket) -> int:
        with told:
            self.returncode = int(await asyncio.get_running_loop().sock_recv(told, 64))
        return self.returncode


async def forked(
    *arguments: str, cwd: Path, env: Mapping[str, str], limit: int = 1 << 16
) -> ForkedProcess:
    """Run `taskqueue` with these arguments, in a folder and with an environment."""
    told, tell = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    out, out_end = os.pipe()
    err, err_end = os.pipe()
    request = {"arguments": arguments, "folder": str(cwd), "env": dict(env)}
    streams = (os.open(os.devnull, os.O_RDONLY), out_end, err_end)
    with tell:
        try:
            theirs = (*streams, tell.fileno())
            socket.send_fds(_origin(), [json.dumps(request).encode()], theirs)
        finally:
            for descriptor in streams:
                os.close(descriptor)
    told.setblocking(False)
    pid = int(await asyncio.get_running_loop().sock_recv(told, 64))
    return ForkedProcess(pid, told, await _reader(out, limit), await _reader(err, limit))


def write_command(path: Path) -> int:
    """Write an executable that is `taskqueue`, for scripts; its processes are forked as well.

    Returns a descriptor that must be passed on to whatever runs it.
    """
    descriptor = _origin().fileno()
    path.write_text(_COMMAND.format(python=sys.executable, descriptor=descriptor))
    path.chmod(0o700)
    return descriptor


async def _reader(descriptor: int, limit: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=limit)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
    )
    return reader
