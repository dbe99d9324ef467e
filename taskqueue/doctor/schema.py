"""The rule for the schema of a database: it has to be that of this release."""

from taskqueue.doctor.findings import Finding, ok, problem, warning
from taskqueue.storage.examination import Contents

EMPTY = ok("database", "it is empty; the service makes its tables")


def finding_of_schema(contents: Contents, *, backup: str) -> Finding:
    """Judge the version of a schema; `backup` is the command that backs such a database up."""
    found, wanted = contents.version, contents.wanted
    if found == 0:
        return EMPTY
    if found > wanted:
        return problem(
            "database",
            f"its schema has version {found}, and this release knows {wanted} at most",
            "upgrade taskqueue, or restore the backup from before the upgrade",
        )
    if found < wanted:
        return warning(
            "database",
            f"its schema has version {found}; this release works with {wanted}",
            f"make a backup ({backup}), then run `taskqueue migrate` or start the service, "
            "which does the same",
        )
    return ok("database", f"its schema has version {found}, that of this release")
