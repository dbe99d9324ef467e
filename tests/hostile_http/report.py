"""What a run did and found, as text."""

from collections import Counter

from tests.hostile_http.run import Run


def report(run: Run) -> str:
    """Return the ledger of a run."""
    lines = [
        f"seed {run.seed}; the well-behaved client made {run.requests} requests",
        f"alone its p99 was {run.idle_p99_s * 1e3:.1f} ms",
        "",
    ]
    for kind, p99_s in sorted(run.p99_s.items()):
        statuses: Counter[str] = Counter()
        for phase in run.phases:
            if phase.kind == kind:
                statuses += phase.statuses
        told = " ".join(f"{status}:{count}" for status, count in sorted(statuses.items()))
        lines.append(f"{kind:<16} p99 {p99_s * 1e3:8.1f} ms   {told}")
    memory = ", ".join(f"{when} {size / 2**20:.0f} MiB" for when, size in run.memory.items())
    lines += ["", f"memory: {memory}", ""]
    lines += [f"BROKEN: {violation}" for violation in run.violations] or ["every promise was kept"]
    return "\n".join(lines)
