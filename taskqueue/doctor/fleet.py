"""Whether a database, and the nodes on it, are of a release that is required. Pure: facts in."""

from collections.abc import Iterator

from taskqueue.doctor.findings import Finding, ok, problem
from taskqueue.rules.versions import Fleet, behind, parsed


def findings_of_fleet(
    found: Fleet | None, *, required: str, release: str, now: float
) -> Iterator[Finding]:
    """Judge a fleet.

    Args:
        found: the facts; None if nothing is kept that could have a version.
        required: the release that all have to have at least.
        release: that of this program, which knows the schema of no later one.
        now: the clock of the database.
    """
    least = parsed(required)
    mine = parsed(release)
    if least is None or mine is None or mine < least:
        yield problem(
            "release",
            f"this is taskqueue {release}, which cannot tell what {required} needs",
            f"run the doctor of {required} or later",
        )
        return
    yield ok("release", f"this is taskqueue {release}")
    if found is None:
        return
    if found.schema < found.wanted:
        yield problem(
            "schema",
            f"the database has version {found.schema}, and {required} works with {found.wanted}",
            "start one service of that release, or run `taskqueue migrate` from it",
        )
    else:
        yield ok("schema", f"the database has version {found.schema}")
    late = behind(found.nodes, least, now=now)
    for node in late:
        yield problem(
            "nodes",
            f"{node.name} runs {node.said.version}",
            f"drain it (taskqueue nodes drain {node.name}), and start it again with {required}",
        )
    if not late:
        yield ok("nodes", f"no node runs a release before {required}")
