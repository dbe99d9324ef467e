"""`taskqueue init`: write a starter project into a folder."""

import getpass
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

import click

from taskqueue.cli import exits, output

_STARTER = "taskqueue.starter"
_NAMES = ("jobs.py", "taskqueue.toml", "taskqueue.service")


def command() -> click.Command:
    """Return the command."""
    return click.Command(
        "init",
        callback=_init,
        params=[
            click.Argument(["folder"], type=click.Path(path_type=Path), default=Path()),
            click.Option(["--json"], is_flag=True, help="Print JSON, for programs."),
        ],
        help="Write a starter project into FOLDER, by default the current one: jobs.py with two "
        "handlers, taskqueue.toml with settings, and taskqueue.service, a unit for systemd. It "
        "never replaces a file.",
    )


def _init(*, folder: Path, json: bool) -> None:
    taken = [str(folder / name) for name in _NAMES if (folder / name).exists()]
    if taken:
        exits.end(exits.FAILED, f"nothing was written; already there: {', '.join(taken)}")
    try:
        written = _write(folder, _texts(folder.absolute()))
    except OSError as error:
        exits.end(exits.FAILED, f"cannot write {error.filename}: {error.strerror}")
    if json:
        output.print_json({"files": written})
        return
    for path in written:
        click.echo(f"wrote {path}")
    click.echo("Start it in that folder with `taskqueue run`, and in another terminal try")
    click.echo("`taskqueue enqueue greet name=Ann --wait 10`.")


def _texts(folder: Path) -> Mapping[str, str]:
    starter = files(_STARTER)
    texts = {name: (starter / name).read_text("utf-8") for name in _NAMES}
    unit = Template(texts["taskqueue.service"])
    texts["taskqueue.service"] = unit.substitute(
        user=getpass.getuser(), folder=_escaped(str(folder)), python=_escaped(sys.executable)
    )
    return texts


def _escaped(path: str) -> str:
    """Return a path as a unit of systemd has it, where % begins a specifier."""
    return path.replace("%", "%%")


def _write(folder: Path, texts: Mapping[str, str]) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        with (folder / name).open("x", encoding="utf-8") as file:
            file.write(text)
    return [str(folder / name) for name in texts]
