"""Torture the service, for sceptics: everything is done to it, and nothing may be lost.

    python -m tests.torture --seconds 60 --seed 1

A real service runs under load over HTTP while it is killed, stopped, frozen, cut from its disk and
locked out of its database, also while it makes it; so is the process that commits for it, and the
disk hesitates and fails. Then everybody may rest, and the ledger compares what clients were told
with what the database says and with what handlers did. Ends with 0 if every promise was kept; else
with 1, and the database and the logs stay where the last line says.

    python -m tests.torture --nodes 4 --seconds 300 --seed 1

Several nodes share a PostgreSQL database: they are killed and frozen, their connections are cut,
the server is restarted and crashes, and its standby takes its place. `--database` names another
server, where only connections are cut; nothing may be in that database yet.
"""

import argparse
import asyncio
import contextlib
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from taskqueue.verification.kept import NeverReady
from tests.postgres_pair import postgres_pair
from tests.postgres_programs import NoPostgres
from tests.torture.attack import Attack
from tests.torture.file_attack import FileAttack
from tests.torture.nodes.attack import nodes_of, nodes_of_pair
from tests.torture.report import report
from tests.torture.run import torture

INTERRUPTED = 130  # as a shell tells SIGINT


def main() -> int:
    """Run with the flags given; return the exit code."""
    options = _parser().parse_args()
    # A shell lets what it starts in the background ignore SIGINT; here that is how a run is ended.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    seed = random.randrange(2**32) if options.seed is None else options.seed
    command = (
        f"python -m tests.torture {_where(options)}--seconds {options.seconds:g} --seed {seed}"
    )
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    print(f"{command}\nin {folder}", flush=True)
    try:
        with _attack(options, folder) as attack:
            run = asyncio.run(torture(attack, seconds=options.seconds, seed=seed, on=_say))
    except KeyboardInterrupt:
        print(f"interrupted; see {folder}")
        return INTERRUPTED
    except (NeverReady, NoPostgres) as error:
        print(error)
        return 1
    print(f"\n{report(run)}\n\nrepeat: {command}")
    if not run.passed:
        print(f"broken promises; see {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def _where(options: argparse.Namespace) -> str:
    database = f"--database {options.database} " if options.database else ""
    return f"--nodes {options.nodes} {database}" if options.nodes else ""


@contextlib.contextmanager
def _attack(options: argparse.Namespace, folder: Path) -> Iterator[Attack]:
    """Say what is attacked, with a server of our own if one is needed."""
    if not options.nodes:
        yield FileAttack(folder)
    elif options.database:
        yield nodes_of(folder, options.database, nodes=options.nodes)
    else:
        with postgres_pair() as pair:
            yield nodes_of_pair(folder, pair, nodes=options.nodes)


def _say(what: str) -> None:
    print(f"  {what}", flush=True)


def _parser() -> argparse.ArgumentParser:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--nodes", type=int, default=0, help="how many, on PostgreSQL")
    parser.add_argument("--database", help="the URL of one for the nodes, which is empty")
    parser.add_argument("--seconds", type=float, default=60.0, help="of load and faults")
    parser.add_argument("--seed", type=int, help="repeats what a run did; drawn if not given")
    return parser


if __name__ == "__main__":
    sys.exit(main())
