"""The settings in force, and where each comes from; with what is secret masked."""

from collections.abc import Iterator, Mapping, Sequence

from taskqueue.doctor.findings import Finding, ok, problem
from taskqueue.errors import ConfigError
from taskqueue.settings import SettingInForce, Settings, in_force

MASK = "***"
_OF_COMMANDS = {
    "TASKQUEUE_URL": ("url", "Where commands and clients find the service."),
    "TASKQUEUE_TOKEN": ("token", "The token of commands and clients."),
}


def all_in_force(settings: Settings, environ: Mapping[str, str]) -> tuple[SettingInForce, ...]:
    """Return all settings, and those of the commands that are in the environment."""
    return (*in_force(settings), *_of_commands(environ))


def _of_commands(environ: Mapping[str, str]) -> Iterator[SettingInForce]:
    for variable, (name, description) in _OF_COMMANDS.items():
        if value := environ.get(variable):
            yield SettingInForce(
                name=name,
                value=MASK if name == "token" else _without_password(value),
                default="",
                source="variable",
                given_as=variable,
                description=description,
            )


def _without_password(url: str) -> str:
    """Return a URL with its user and password masked.

    >>> _without_password("http://ann:secret@localhost:8080")
    'http://***@localhost:8080'
    """
    scheme, separator, rest = url.partition("://")
    credentials, at, host = rest.rpartition("@")
    return f"{scheme}{separator}{MASK}@{host}" if at and credentials else url


def finding_of(settings: Sequence[SettingInForce]) -> Finding:
    """Return how much of the configuration is not the default."""
    given = [each for each in settings if each.source != "default"]
    return ok("settings", f"they fit together; {len(given)} are not the default")


def findings_of_faults(error: ConfigError) -> Iterator[Finding]:
    """Return what is wrong with the settings."""
    for fault in error.faults:
        yield problem("settings", str(fault), "correct it; nothing else can be checked before")
