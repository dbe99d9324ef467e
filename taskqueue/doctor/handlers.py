"""The app of the settings: whether it can be imported, and runs what waits."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout

from taskqueue.api.app import App
from taskqueue.api.demo import demo_app
from taskqueue.api.loading import load_app
from taskqueue.doctor.findings import Finding, ok, problem
from taskqueue.errors import ConfigError, UnknownAction

_NAMED = 5


def findings_of_app(spec: str, waiting: Mapping[str, int]) -> Iterator[Finding]:
    """Import the app that `spec` names, and look for a handler of each action that waits.

    Args:
        spec: `package.module:app`, or empty: the demo app.
        waiting: how many tasks of each action have not ended.
    """
    try:
        with redirect_stdout(sys.stderr):  # a module may print, and our output may be JSON
            app = load_app(spec) if spec else demo_app(0.0)
    except ConfigError as error:
        yield problem(
            "app",
            "; ".join(fault.message for fault in error.faults),
            "start in the folder of the package, and look at what its import says",
        )
        return
    yield ok("app", _described(app, spec))
    yield _handlers(app, waiting)


def _described(app: App, spec: str) -> str:
    if not spec:
        return "none is set: the demo app runs"
    return f"{spec} has the actions {', '.join(app.actions) or 'of a default handler only'}"


def _handlers(app: App, waiting: Mapping[str, int]) -> Finding:
    missing = {action: count for action, count in waiting.items() if not _has(app, action)}
    if not missing:
        return ok("actions", "every waiting task has a handler")
    named = ", ".join(f"{action} ({count})" for action, count in list(missing.items())[:_NAMED])
    return problem(
        "actions",
        f"{sum(missing.values())} tasks wait for actions without a handler: {named}"
        + (", …" if len(missing) > _NAMED else ""),
        "add their handlers to the app, start the right --app, or cancel them "
        "(taskqueue tasks cancel --action …)",
    )


def _has(app: App, action: str) -> bool:
    try:
        app.handler(action)
    except UnknownAction:
        return False
    return True
