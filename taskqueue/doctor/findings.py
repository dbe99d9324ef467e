"""What a check finds: a level, a sentence, and what to do."""

from enum import StrEnum

from taskqueue.structs import Struct


class Level(StrEnum):
    """How bad it is: a problem keeps the service from starting or from keeping a promise."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(Struct):
    """What one check has found; `advice` says what to do about it, None if nothing has to be."""

    check: str
    level: Level
    says: str
    advice: str | None = None


def ok(check: str, says: str) -> Finding:
    """Return that all is well."""
    return Finding(check=check, level=Level.OK, says=says)


def warning(check: str, says: str, advice: str) -> Finding:
    """Return what an operator should know."""
    return Finding(check=check, level=Level.WARNING, says=says, advice=advice)


def problem(check: str, says: str, advice: str) -> Finding:
    """Return what has to be repaired."""
    return Finding(check=check, level=Level.PROBLEM, says=says, advice=advice)
