"""Finds the name under which another process can import an app."""

import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from taskqueue.api.app import App
from taskqueue.errors import ConfigError, Fault

_MAIN = ("__main__", "__mp_main__")


class Reference(NamedTuple):
    """`package.module:app`, and the folder in which the package is."""

    name: str
    folder: str


def reference_of(app: App) -> Reference:
    """Return where `app` is a global variable.

    The first module counts that began to be imported, because it has imported those of the
    handlers. The program itself comes last: its code may start a server when it is imported.

    Raises:
        ConfigError: it is no global variable of a module that can be imported.
    """
    if app.reference is not None:
        return Reference(app.reference, app.folder)
    for module, variable in sorted(_globals(app), key=lambda found: found[0].__name__ in _MAIN):
        if (found := _importable(module)) is not None:
            return Reference(f"{found.name}:{variable}", found.folder)
    raise ConfigError(
        (
            Fault(
                "app",
                "is no global variable of a module, so the service's process cannot import it; "
                "make it one, give its name ('package.module:app'), or set in_process=True",
            ),
        )
    )


def _globals(app: App) -> list[tuple[ModuleType, str]]:
    loaded: list[object] = [*sys.modules.values()]  # some put other things there
    return [
        (module, name)
        for module in loaded
        if isinstance(module, ModuleType)
        for name, value in [*vars(module).items()]
        if value is app
    ]


def _importable(module: ModuleType) -> Reference | None:
    """Return the name of a module for another process; None if it has no file."""
    file = getattr(module, "__file__", None)
    if file is None:
        return None
    path, name = Path(file).resolve(), module.__name__
    if name in _MAIN:
        spec = getattr(module, "__spec__", None)
        name = path.stem if spec is None else spec.name
    depth = name.count(".") + (path.name == "__init__.py")
    return Reference(name, str(path.parents[depth]))
