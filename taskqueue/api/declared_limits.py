"""The limits that an app declares, by their names, each with one meaning."""

from collections.abc import Iterable, Iterator, Mapping

from taskqueue.api.limit_rules import LimitRule, rules_of_queue
from taskqueue.api.limits import AnyLimits
from taskqueue.errors import ConfigError, Fault
from taskqueue.rules.limits import LimitValues


class DeclaredLimits:
    """What the limits of an app allow, and which its queues have."""

    def __init__(self) -> None:
        """Begin with none."""
        self.values: dict[str, LimitValues] = {}
        self.by_queue: dict[str, tuple[LimitRule, ...]] = {}

    def conflicts(self, rules: Iterable[LimitRule]) -> Iterator[Fault]:
        """Yield a fault for each rule whose name stands for a limit with other values."""
        for rule in rules:
            declared = self.values.get(rule.name, rule.values)
            if declared != rule.values:
                there = f"{rule.name!r} is declared with {_shown(declared)}"
                yield Fault("limit", f"{there}; use the same values, or give it another name")

    def declare(self, rules: Iterable[LimitRule]) -> None:
        """Add limits that have no conflicts."""
        self.values.update((rule.name, rule.values) for rule in rules)

    def declare_queue(self, queue: str, limit: AnyLimits) -> None:
        """Add the limits of a queue.

        Raises:
            ConfigError: with every fault, or because the queue has limits already.
        """
        if queue in self.by_queue:
            raise ConfigError((Fault("limit", "is declared already; give all of them at once"),))
        rules = rules_of_queue(limit, queue)
        if faults := tuple(self.conflicts(rules)):
            raise ConfigError(faults)
        self.declare(rules)
        self.by_queue[queue] = rules


def _shown(values: LimitValues) -> str:
    shown: Mapping[str, float | None] = {
        "running": values.running,
        "starts": values.starts,
        "per_s": None if values.starts is None else values.per_s,
        "burst": None if values.starts is None else values.burst,
    }
    return ", ".join(f"{name}={value:g}" for name, value in shown.items() if value is not None)
