"""All checks, in the order in which a start would meet their problems."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from taskqueue.doctor.configuration import all_in_force, finding_of, findings_of_faults
from taskqueue.doctor.door import Door, door_of
from taskqueue.doctor.file import findings_of_file
from taskqueue.doctor.findings import Finding, Level, problem, warning
from taskqueue.doctor.fleet import findings_of_fleet
from taskqueue.doctor.handlers import findings_of_app
from taskqueue.doctor.server import findings_of_server
from taskqueue.errors import ConfigError, StorageError
from taskqueue.release import version
from taskqueue.settings import SettingInForce, Settings, load
from taskqueue.storage.databases import examined, fleet_of
from taskqueue.storage.examination import Contents, Examination, Server, ServerExamination
from taskqueue.structs import Struct


class Diagnosis(Struct):
    """What was found; `settings` are those in force, none if they do not fit."""

    findings: tuple[Finding, ...]
    settings: tuple[SettingInForce, ...] = ()

    @property
    def is_healthy(self) -> bool:
        """Whether there is no problem; there may be warnings."""
        return all(finding.level is not Level.PROBLEM for finding in self.findings)


def diagnose(
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    cwd: Path,
    *,
    min_free_bytes: int,
    required: str | None = None,
    now: float,
) -> Diagnosis:
    """Check the settings of these sources, and all that a service with them needs.

    Args:
        flags, environ, cwd: as for `settings.load`.
        min_free_bytes: with less free space the disk counts as nearly full.
        required: the release that the database and all nodes on it have to have at least, if any.
        now: seconds since 1970.
    """
    try:
        settings = load(flags, environ, cwd)
    except ConfigError as error:
        return Diagnosis(findings=tuple(findings_of_faults(error)))
    shown = all_in_force(settings, environ)
    found = [*_findings(settings, min_free_bytes=min_free_bytes, now=now)]
    if required is not None:
        found += _of_fleet(settings, required, now=now)
    return Diagnosis(findings=(finding_of(shown), *found), settings=shown)


def _findings(settings: Settings, *, min_free_bytes: int, now: float) -> Iterator[Finding]:
    door, finding = door_of(settings)
    yield finding
    examination = examined(settings.database)
    match examination:
        case None:
            yield warning(
                "database",
                f"{settings.database} keeps tasks only as long as the service runs",
                "choose a file with --database",
            )
        case Examination():
            yield from findings_of_file(
                examination,
                min_free_bytes=min_free_bytes,
                is_served=door is Door.SERVED,
                now=now,
            )
        case ServerExamination():
            yield from findings_of_server(examination)
    yield from findings_of_app(settings.app, _waiting(examination))


def _of_fleet(settings: Settings, required: str, *, now: float) -> Iterator[Finding]:
    try:
        found = fleet_of(settings.database, now=now)
    except StorageError as error:
        yield problem("schema", str(error), "make the database reachable, and try again")
        return
    fleet, at = found or (None, now)
    yield from findings_of_fleet(fleet, required=required, release=version(), now=at)


def _waiting(examination: Examination | ServerExamination | None) -> Mapping[str, int]:
    match examination:
        case (
            Examination(contents=Contents(waiting=waiting))
            | ServerExamination(server=Server(contents=Contents(waiting=waiting)))
        ):
            return waiting
        case _:
            return {}
