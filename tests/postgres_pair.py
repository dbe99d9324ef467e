"""A PostgreSQL server with a synchronous standby, which takes its place when it dies.

    address ─▶ a   primary   ──WAL──▶   b   standby

Clients reach the primary at one address, a link to the folder with its socket. A commit is answered
when the standby has it on its disk, so nothing that was answered is lost with the primary.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.postgres_cluster import Cluster, folder_of_servers, url_at
from tests.postgres_programs import make_cluster
from tests.postgres_server import STARTED_WITHIN_S, PostgresServer

POLL_S = 0.02
_IS_STREAMING = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"


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
        return PostgresServer(url_at(self._address))

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
    with folder_of_servers() as folder:
        pair = PostgresPair(folder)
        try:
            pair.start()
            yield pair
        finally:
            pair.stop()
