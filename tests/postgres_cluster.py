"""A PostgreSQL server that a test may stop, crash and start again."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from tests.postgres_programs import hand_over, make_cluster, run_program
from tests.postgres_server import OPTIONS, STARTED_WITHIN_S

PORT = 5432

# A standby and its primary find each other again at once, not after 5 s.
_SOON = "-c wal_retrieve_retry_interval=100ms -c wal_receiver_timeout=5s"


class Cluster:
    """The files of a server, which runs or does not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"

    @property
    def url(self) -> str:
        """That of its maintenance database."""
        return url_at(self.folder)

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return (self.data / "postmaster.pid").exists()

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


@contextmanager
def folder_of_servers() -> Iterator[Path]:
    """Give a folder whose path is short, because it has the sockets."""
    folder = Path(tempfile.mkdtemp(prefix="taskqueue-pg-"))
    folder.chmod(0o755)  # who runs the servers passes through
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgres_cluster() -> Iterator[Cluster]:
    """Run a server.

    Raises:
        NoPostgres: there are no programs of PostgreSQL.
    """
    with folder_of_servers() as folder:
        cluster = Cluster(folder / "a")
        cluster.prepare()
        make_cluster(cluster.data)
        cluster.start()
        try:
            yield cluster
        finally:
            with suppress(RuntimeError):  # a test has stopped it
                cluster.stop("immediate")


def url_at(folder: Path) -> str:
    """Return the URL of the maintenance database of the server whose socket is there."""
    return f"postgresql:///postgres?host={quote(str(folder))}&user=postgres"
