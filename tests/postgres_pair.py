"""A PostgreSQL server with a synchronous standby, which takes its place when it dies.

    address ─▶ a   primary   ──WAL──▶   b   standby

Clients reach the primary at one address, a link to the folder with its socket. A commit is answered
when the standby has it on its disk, so nothing that was answered is lost with the primary.
"""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from tests.postgres_programs import hand_over, make_cluster, run_program
from tests.postgres_server import OPTIONS, STARTED_WITHIN_S, PostgresServer

PORT = 5432
POLL_S = 0.02

# A standby and its primary find each other again at once, not after 5 s.
_SOON = "-c wal_retrieve_retry_interval=100ms -c wal_receiver_timeout=5s"
_IS_STREAMING = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"


class Cluster:
    """The files of a server, which runs or does not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"

    @property
    def url(self) -> str:
        """Of its maintenance database, whoever is the primary."""
        return _url(self.folder)

    def prepare(self) -> None:
        """Make the folder, without what was there."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        hand_over(self.folder)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-k {self.folder} -p {PORT} {OPTIONS} {_SOON}"
        self._control("-w", "-l", self.folder / "log", "-o", options, "start")

    def stop(self, mode: str) -> None:
        """Stop it: `fast` after a checkpoint, `immediate` as if it had crashed."""
        self._control("-m", mode, "stop")

    def promote(self) -> None:
        """Make a standby a primary."""
        self._control("-w", "promote")

    def copy_to(self, standby: "Cluster") -> None:
        """Make the files of a standby of this one."""
        standby.prepare()
        source = f"host={self.folder} port={PORT} user=postgres application_name=standby"
        run_program("pg_basebackup", "-D", standby.data, "-d", source, "-R", "-c", "fast",
                    "--no-sync")  # fmt: skip

    def ask(self, sql: str) -> str:
        """Return what a statement answers."""
        host = ("-h", self.folder, "-p", PORT, "-U", "postgres", "-d", "postgres")
        return run_program("psql", *host, "-X", "-A", "-t", "-c", sql).strip()

    def kill_backend(self) -> bool:
        """SIGKILL one of the processes that serve clients: the server begins anew."""
        pids = self.ask("SELECT pid FROM pg_stat_activity WHERE application_name = 'taskqueue'")
        for pid in pids.split()[:1]:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        return bool(pids)

    def _control(self, *arguments: object) -> None:
        run_program("pg_ctl", "-D", self.data, "-t", STARTED_WITHIN_S, *arguments)


class PostgresPair:
    """Two servers, of which one is the primary."""

    def __init__(self, folder: Path) -> None:
        """Use an empty folder; its path is short, because it has the sockets."""
        self._address = folder / "address"
        self.primary = Cluster(folder / "a")
        self._standby = Cluster(folder / "b")

    @property
    def server(self) -> PostgresServer:
        """Return it as clients know it."""
        return PostgresServer(_url(self._address))

    def start(self) -> None:
        """Make both and start them."""
        self.primary.prepare()
        make_cluster(self.primary.data)
        self.primary.start()
        self._address.symlink_to(self.primary.folder)
        self._attach_standby()

    def restart(self, mode: str) -> None:
        """Restart the primary."""
        self.primary.stop(mode)
        self.primary.start()
        self._await_standby()

    def fail_over(self) -> None:
        """Crash the primary and promote the standby: from now on it is at the address."""
        self.primary.stop("immediate")
        self.primary, self._standby = self._standby, self.primary
        there = self._address.with_name("next")
        there.symlink_to(self.primary.folder)
        there.rename(self._address)  # clients meet a standby, which is read-only, for a moment
        self.primary.promote()

    def replace_standby(self) -> None:
        """Make a new standby from the primary, after a failover."""
        self._attach_standby()

    def crash_backend(self) -> bool:
        """Kill a process that serves a client, and wait until the server answers again."""
        if is_killed := self.primary.kill_backend():
            self._await_standby()
        return is_killed

    def restart_standby(self, away_s: float) -> None:
        """Stop the standby for so long: every commit waits for it."""
        self._standby.stop("fast")
        time.sleep(away_s)
        self._standby.start()
        self._await_standby()

    def stop(self) -> None:
        """Stop what runs."""
        for each in (self._standby, self.primary):
            with suppress(RuntimeError):
                each.stop("immediate")

    def _attach_standby(self) -> None:
        self.primary.copy_to(self._standby)
        self._standby.start()
        self._await_standby()
        self.primary.ask("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        self.primary.ask("SELECT pg_reload_conf()")

    def _await_standby(self) -> None:
        deadline = time.monotonic() + STARTED_WITHIN_S
        while not self._is_followed():
            if time.monotonic() > deadline:
                raise RuntimeError("the standby does not follow its primary")
            time.sleep(POLL_S)

    def _is_followed(self) -> bool:
        with suppress(RuntimeError):  # it recovers
            return self.primary.ask(_IS_STREAMING) == "1"
        return False


@contextmanager
def postgres_pair() -> Iterator[PostgresPair]:
    """Run a primary and its standby.

    Raises:
        NoPostgres: there are no programs of PostgreSQL.
    """
    folder = Path(tempfile.mkdtemp(prefix="taskqueue-pg-"))
    folder.chmod(0o755)  # who runs the servers passes through
    pair = PostgresPair(folder)
    try:
        pair.start()
        yield pair
    finally:
        pair.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _url(folder: Path) -> str:
    return f"postgresql:///postgres?host={quote(str(folder))}&user=postgres"
