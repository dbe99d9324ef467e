"""`--reload`: the service in a child that is restarted when a Python file changes.

watcher ──▶ service       SIGINT with `drain_s` 0: attempts are handed back
   ▲  a .py file changed  a service that cannot start waits for the next change
"""

import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from taskqueue.children.launch import PATH
from taskqueue.errors import ConfigError, Fault
from taskqueue.events import events
from taskqueue.logs import pipeline as logs
from taskqueue.release import DISTRIBUTION
from taskqueue.settings import Settings

# How long the service may take to end before it is killed.
STOP_S = 10

_SERVICE = """\
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
sys.path[:] = {path!r}
from taskqueue.children.kernel import signal_with_parent
signal_with_parent(signal.SIGTERM)
from taskqueue.cli.command import main
main()
"""


def run_reloading(settings: Settings, flags: Sequence[str], folder: Path) -> int:
    """Run the service with `flags`, restart it after changes in `folder`; return the exit code.

    Raises:
        ConfigError: watchfiles is not installed.
    """
    try:
        from watchfiles import PythonFilter, run_process  # noqa: PLC0415 - only for this
    except ImportError as error:
        fault = Fault("--reload", f"needs watchfiles: pip install '{DISTRIBUTION}[reload]'")
        raise ConfigError((fault,)) from error
    logs.configure(settings.log_format, settings.log_level)
    with suppress(KeyboardInterrupt):  # a signal that came while the service was being replaced
        run_process(
            folder,
            target=_command(flags),
            target_type="command",
            watch_filter=PythonFilter(),
            callback=lambda changes: _announce({path for _, path in changes}, folder),
            sigint_timeout=STOP_S,
        )
    return 0


def _command(flags: Sequence[str]) -> str:
    program = _SERVICE.format(path=PATH)
    wanted = [flag for flag in flags if flag != "--reload"]
    return shlex.join([sys.executable, "-P", "-c", program, *wanted, "--drain-s", "0"])


def _announce(paths: set[str], folder: Path) -> None:
    names = sorted(str(Path(path).relative_to(folder)) for path in paths)
    events.info("files_changed", files=names, means="hand back what runs, and start again")
