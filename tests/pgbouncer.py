"""A real PgBouncer in front of a PostgreSQL server for tests, reached over a Unix socket."""

import getpass
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from taskqueue.storage.postgres.database import PostgresDatabase

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
STARTED_WITHIN_S = 10.0
_PORT = 6432  # part of the name of its socket

_CONFIGURATION = """
[databases]
* = host={server} user=postgres
[pgbouncer]
unix_socket_dir = {folder}
listen_port = {port}
auth_type = any
pool_mode = {mode}
default_pool_size = {sessions}
max_client_conn = 500
server_idle_timeout = 5
logfile = {folder}/log
"""


@contextmanager
def pgbouncer(database: PostgresDatabase, mode: str, *, sessions: int = 5) -> Iterator[str]:
    """Run a pooler before the server of `database`; give the URL of the database through it.

    Args:
        database: reached over a Unix socket, as user `postgres`.
        mode: `session`, `transaction` or `statement`.
        sessions: how many it has with the server, at most.
    """
    assert PGBOUNCER is not None
    parts = urlsplit(database.url)
    [server] = parse_qs(parts.query)["host"]
    folder = Path(tempfile.mkdtemp(prefix="taskqueue-pgb-"))  # short: it has the socket
    configuration = folder / "ini"
    configuration.write_text(
        _CONFIGURATION.format(
            server=server, folder=folder, port=_PORT, mode=mode, sessions=sessions
        )
    )
    process = subprocess.Popen(
        [PGBOUNCER, "--quiet", configuration], stderr=subprocess.DEVNULL, **_unprivileged(folder)
    )
    try:
        _await_socket(folder / f".s.PGSQL.{_PORT}", process)
        yield f"postgresql://{parts.path}?host={quote(str(folder))}&port={_PORT}&user=postgres"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(folder: Path) -> dict[str, object]:
    """Return who runs it, for `Popen`: it refuses to run as root."""
    if os.geteuid() != 0:
        return {"user": getpass.getuser()}
    account = pwd.getpwnam("nobody")
    os.chown(folder, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _await_socket(path: Path, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + STARTED_WITHIN_S
    while not _answers(path):
        assert process.poll() is None, "pgbouncer has ended"
        assert time.monotonic() < deadline, "pgbouncer does not answer"
        time.sleep(0.01)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0
