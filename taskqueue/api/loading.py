"""Finds a user's app: `--app package.module:app`."""

import importlib
import sys
import sysconfig
import traceback
from pathlib import Path
from types import ModuleType

from taskqueue.api.app import App
from taskqueue.errors import ConfigError, Fault
from taskqueue.foreign import rendering

_NOT_THE_USERS = (
    str(Path(__file__).parent),
    "<frozen ",
    *{sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")},
)


def load_app(spec: str, folder: str | None = None) -> App:
    """Return the app that `spec` names; `folder` is searched first, as by `python -m`.

    It is the current folder if None.

    Raises:
        ConfigError: one fault of the field `app`, one line that says what stands in the way.
    """
    module_name, _, attribute = spec.partition(":")
    if not _is_dotted_name(module_name) or not attribute.isidentifier():
        raise _fault(f"must look like package.module:app, not {spec!r}")
    folder = folder or str(Path.cwd())
    module = _imported(module_name, folder)
    if not hasattr(module, attribute):
        apps = [name for name, value in vars(module).items() if isinstance(value, App)]
        hint = f"; its apps: {', '.join(apps)}" if apps else ""
        raise _fault(f"module {module_name} has no {attribute!r}{hint}")
    app = getattr(module, attribute)
    if not isinstance(app, App):
        raise _fault(f"{spec} is no App but of type {type(app).__qualname__}")
    app.reference, app.folder = spec, folder  # other processes find it by that
    return app


def _imported(name: str, folder: str) -> ModuleType:
    if folder not in sys.path:
        sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # a module runs any code while it is imported
        raise _fault(_why_not(name, folder, error)) from error


def _why_not(name: str, folder: str, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and _is_in(name, error.name):
        return f"there is no module {error.name} in {folder} or on sys.path"
    what = " ".join(f"{rendering.type_name(error)}: {rendering.text(error)}".split())
    return f"importing {name} failed{_where(error)}: {what}"


def _is_in(name: str, package: str | None) -> bool:
    """Tell whether `package` is the module `name` itself or a package around it."""
    return package is not None and f"{name}.".startswith(f"{package}.")


def _where(error: BaseException) -> str:
    """Return the last place in the user's own code, as ` at file:line`."""
    if isinstance(error, SyntaxError):
        return f" at {error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    users = [frame for frame in frames if not frame.filename.startswith(_NOT_THE_USERS)]
    return "".join(f" at {frame.filename}:{frame.lineno}" for frame in users[-1:])


def _is_dotted_name(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _fault(message: str) -> ConfigError:
    return ConfigError((Fault("app", message),))
