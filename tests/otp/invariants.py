"""What holds of a tree in whatever order things happened to it."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from taskqueue.supervision import ChildState, ChildStatus, Overview, Restart, Strategy
from tests.otp.model import BRUTAL_KILL, SupervisorPlan, WorkerPlan
from tests.otp.planned import Forest, Line, Sight

Plans = dict[str, WorkerPlan]


def broken_at_rest(forest: Forest, sight: Sight, plans: Plans) -> Iterator[str]:
    """Return what does not hold of a tree at rest, and of its life until then."""
    yield from _two_alive(forest.journal)
    yield from _temporary_again(forest, plans)
    yield from _out_of_order(forest.journal, plans)
    for path, view in sight.overviews.items():
        yield from _too_many_restarts(forest, sight.labels[path], view)
        for child in view.children:
            yield from _out_of_place(forest, sight.labels[path], path, child, plans)


def broken_by_stop(journal: Sequence[Line], sight: Sight, plans: Plans) -> Iterator[str]:
    """Return who of the tree at rest did not end in reverse start order when it was stopped."""
    ends: dict[str, list[str]] = defaultdict(list)
    for line in journal:
        if line.event == "ended":
            ends[line.owner].append(line.path)
        else:
            yield f"{line} while the tree is stopped"
    for path, view in sight.overviews.items():
        running = [f"{path}/{each.id}" for each in reversed(view.children) if each.ref]
        together = view.strategy == Strategy.SIMPLE_ONE_FOR_ONE
        if together or plans[path].shutdown == BRUTAL_KILL:
            continue
        if ends[sight.labels[path]] != running:
            yield f"{path}: {running} ended as {ends[sight.labels[path]]}"


def _two_alive(journal: Sequence[Line]) -> Iterator[str]:
    alive: Counter[tuple[str, str]] = Counter()
    for line in journal:
        if line.event in ("started", "ended"):
            alive[line.owner, line.path] += 1 if line.event == "started" else -1
            if alive[line.owner, line.path] not in (0, 1):
                yield f"{line.path} has two lives in {line.owner}"


def _temporary_again(forest: Forest, plans: Plans) -> Iterator[str]:
    starts = Counter((each.owner, each.path) for each in forest.journal if each.event == "started")
    for (owner, path), count in starts.items():
        added = forest.calls[owner, "start_child", path.rpartition("/")[2]]
        if plans[path].restart == Restart.TEMPORARY and owner and count > 1 + added:
            yield f"{path} is temporary and was restarted in {owner}"


def _out_of_order(journal: Sequence[Line], plans: Plans) -> Iterator[str]:
    """Return the supervisors who did not start their first children in order."""
    seen: dict[str, list[str]] = defaultdict(list)
    for line in journal:
        if line.owner and line.event != "ended" and line.path not in seen[line.owner]:
            seen[line.owner].append(line.path)
    for owner, paths in seen.items():
        path = owner.rpartition("#")[0]
        plan = plans[path]
        assert isinstance(plan, SupervisorPlan)
        first = [f"{path}/{child.id}" for child in plan.children]
        begun = [each for each in paths if each in first]
        if not plan.is_simple and begun != [each for each in first if each in begun]:
            yield f"{owner} started {begun}"


def _too_many_restarts(forest: Forest, label: str, view: Overview) -> Iterator[str]:
    if view.restarts_in_period > view.max_restarts:
        yield f"{label} lives with {view.restarts_in_period} restarts of {view.max_restarts}"
    if view.strategy == Strategy.ONE_FOR_ONE:
        starts = sum(max(0, child.incarnation - 1) for child in view.children)
        by_hand = sum(
            count
            for (owner, call, _), count in forest.calls.items()
            if (owner, call) == (label, "restart_child")
        )
        if starts > view.max_restarts + by_hand:
            yield f"{label} restarted {starts} times, {by_hand} of them by hand at most"


def _out_of_place(
    forest: Forest, label: str, path: str, child: ChildState, plans: Plans
) -> Iterator[str]:
    restart = child.spec.restart
    if restart == Restart.TEMPORARY and child.status != ChildStatus.RUNNING:
        yield f"{path}: {child.id} is temporary and listed as {child.status}"
    if restart == Restart.PERMANENT and child.status != ChildStatus.RUNNING:
        # Whoever terminates a child whose restart has failed takes from its group the next attempt
        # as well: as in OTP, those who were stopped for it stay so.
        alone = plans[path].strategy == Strategy.ONE_FOR_ONE
        terminated = any(
            owner == label and call == "terminate_child" and (id_ == child.id or not alone)
            for owner, call, id_ in forest.calls
        )
        if not terminated and "ignored" not in plans[f"{path}/{child.id}"].outcomes:
            yield f"{path}: {child.id} is permanent and {child.status}"
