"""A fresh virtual environment without the network.

The libraries of the service are copied from the environment in which the tests run. What the lock
file does not name is not there, so a dependency that is not declared is noticed.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT_S = 300.0  # for one command, perhaps on a busy machine


class Environment:
    """A virtual environment in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=LIMIT_S)
        [self._site] = folder.glob("lib/python3*/site-packages")
        for library in locked():
            self._copy(library)

    def _copy(self, library: Distribution) -> None:
        site = Path(str(library.locate_file("")))
        for file in library.files or ():
            source = Path(str(library.locate_file(file))).resolve()
            if source.is_relative_to(site) and source.exists():
                target = self._site / source.relative_to(site)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)

    @property
    def variables(self) -> Mapping[str, str]:
        """Return the variables of a shell in which it is active and pip has no network."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "CI") if name in os.environ}
        return kept | {
            "PATH": f"{self._folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self._folder),
            "PIP_NO_INDEX": "1",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def run(self, command: str, folder: Path, **variables: str) -> str:
        """Run a shell command in `folder`; return what it prints."""
        done = subprocess.run(
            ["sh", "-euc", command],
            cwd=folder,
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT_S,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout


def locked() -> Iterator[Distribution]:
    """Yield what requirements.lock names, as far as it is meant for this platform."""
    for name in re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE):
        try:
            yield distribution(name)
        except PackageNotFoundError:
            continue
