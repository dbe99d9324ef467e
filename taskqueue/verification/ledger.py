"""The ledger: compares what clients were told, what the database holds and what handlers did."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from taskqueue.rules.expiry import EXPIRED
from taskqueue.verification import gate_checks, group_checks, slot_checks
from taskqueue.verification.app import CHILD, CHILDREN, TICK
from taskqueue.verification.behaviours import BEHAVIOURS, CANCELLED, WITHOUT_EFFECT
from taskqueue.verification.books import Books

ENDED = {"completed", "dead", "cancelled"}
RETURNED = {"snoozed", "interrupted", "conflicted"}  # outcomes that give the attempt back

# --- checks: each yields the violations of one promise ------------------------------------------


def lost(books: Books) -> Iterator[str]:
    """A task that was answered with 202 is there, under the id in the answer."""
    there = {task["id"]: task for task in books.tasks}
    for note in books.notes:
        for task_id in note.ids if not note.delete_asked else ():
            if task_id not in there or there[task_id]["key"] != note.key:
                yield f"{note.key} was accepted as {task_id} and is not there"


def deleted_and_there(books: Books) -> Iterator[str]:
    """A task whose deletion was answered with 204 is gone."""
    there = {task["id"] for task in books.tasks}
    for note in books.notes:
        if note.deleted and there.intersection(note.ids):
            yield f"{note.key} was deleted, and {note.ids} is there"


def accepted_twice(books: Books) -> Iterator[str]:
    """However often a task was posted, it is there once at most."""
    for key, tasks in books.by_key().items():
        if len(tasks) > 1:
            yield f"{key} is there {len(tasks)} times: {[task['id'] for task in tasks]}"


def told_differently(books: Books) -> Iterator[str]:
    """A repeated request gets the first answer again, and a correct one is never refused."""
    for note in books.notes:
        if len(set(note.ids)) > 1:
            yield f"{note.key} was accepted as each of {note.ids}"
        for refusal in note.refusals:
            yield f"{note.key} was refused: {refusal}"


def from_nowhere(books: Books) -> Iterator[str]:
    """Only tasks that were posted are there."""
    posted = {note.key: note.action for note in books.notes}
    for key, tasks in books.by_key().items():
        for task in tasks:
            if posted.get(key) != task["action"]:
                yield f"{task['id']} ({task['action']}, {key}) was never posted"


def stuck(books: Books) -> Iterator[str]:
    """Every task has ended, and no consumer holds it.

    Those of schedules that came after the faults may have come just before the service was stopped.
    """
    for task in books.tasks:
        if task["action"] == TICK and task["created_at"] > books.calm_at:
            continue
        if task["status"] not in ENDED or task["processed_at"] is None or task["token"] is not None:
            yield f"{task['id']} ({task['action']}) is {task['status']}, held by {task['token']}"


def wrong_end(books: Books) -> Iterator[str]:
    """Each task has ended as its handler decides, whatever the faults."""
    notes = {note.key: note for note in books.notes}
    for task in books.tasks:
        behaviour = BEHAVIOURS.get(task["action"])
        ends = behaviour.ends if behaviour is not None else frozenset({"completed"})
        note = notes.get(task["key"])
        if note is not None and (note.cancel_asked or note.expires_s is not None):
            ends = CANCELLED if note.cancelled else ends | CANCELLED
        if task["status"] in ENDED - ends:
            yield f"{task['id']} ({task['action']}) is {task['status']}: {task['reason']}"


def wrong_result(books: Books) -> Iterator[str]:
    """A completed task has the result of its handler, any other has none."""
    for task in books.tasks:
        completed = task["status"] == "completed"
        wanted = True if task["action"] == "decline_once" else task["key"]
        result = None if task["result"] is None else json.loads(task["result"])
        if completed != (task["result"] is not None) or (completed and result != wanted):
            yield f"{task['id']} ({task['action']}) is {task['status']} with result {result!r}"


def lost_effects(books: Books) -> Iterator[str]:
    """The effect of a completed task is there."""
    for task in books.tasks:
        has_effect = task["action"] not in WITHOUT_EFFECT
        if has_effect and task["status"] == "completed" and not books.effects[task["id"]]:
            yield f"{task['id']} ({task['action']}) is completed and without effect"


def duplicated_effects(books: Books) -> Iterator[str]:
    """No effect is there twice, and a task that did not complete has none."""
    status = {task["id"]: task["status"] for task in books.tasks}
    deleted = {task_id for note in books.notes if note.delete_asked for task_id in note.ids}
    for task_id, times in books.effects.items():
        if task_id in deleted and task_id not in status:
            if times > 1:
                yield f"{task_id} was deleted and has {times} effects"
        elif times > (status.get(task_id) == "completed"):
            yield f"{task_id} is {status.get(task_id, 'not there')} and has {times} effects"


def wrong_follow_ups(books: Books) -> Iterator[str]:
    """The follow-ups of a completed parent are there once, and no others are."""
    children = Counter(
        (task["parent"], task["key"]) for task in books.tasks if task["action"] == CHILD
    )
    wanted = Counter(
        (task["id"], f"{task['key']}/{number}")
        for task in books.tasks
        if task["action"] == "parent" and task["status"] == "completed"
        for number in range(CHILDREN)
    )
    for parent, key in (children - wanted) + (wanted - children):
        times = f"{children[parent, key]} times instead of {wanted[parent, key]}"
        yield f"follow-up {key} of {parent} is there {times}"


def too_many_attempts(books: Books) -> Iterator[str]:
    """No task has more attempts than it may have."""
    for task in books.tasks:
        if task["attempt"] > task["max_attempts"]:
            yield f"{task['id']} has had {task['attempt']} of {task['max_attempts']} attempts"


def gaps_in_history(books: Books) -> Iterator[str]:
    """Each used attempt has one entry in the history, in order, and so has each crash."""
    for task in books.tasks:
        lines = books.lines.get(task["seq"], ())
        used = [line["attempt"] for line in lines if line["outcome"] not in RETURNED]
        used += [task["attempt"]] if task["status"] == "completed" else []
        returned = {line["attempt"] for line in lines if line["outcome"] in RETURNED}
        crashes = sum(line["outcome"] == "crashed" for line in lines)
        # A task that is cancelled while it waits never repeats the attempt that was returned.
        unmade = {task["attempt"] + 1} if task["status"] == "cancelled" else set()
        if (
            used != list(range(1, task["attempt"] + 1))
            or not returned <= {*used, *unmade}
            or crashes != task["crashes"]
        ):
            told = [(line["attempt"], line["outcome"]) for line in lines]
            yield f"{task['id']} ({task['status']}, attempt {task['attempt']}) tells {told}"


def begun_though_expired(books: Books) -> Iterator[str]:
    """The handler of a task that has expired never began, and only a task with an expiry has."""
    notes = {note.key: note for note in books.notes}
    for task in books.tasks:
        if task["reason"] != EXPIRED:
            continue
        note = notes.get(task["key"])
        if note is None or note.expires_s is None:
            yield f"{task['id']} ({task['action']}) has expired without an expiry"
        lines = books.lines.get(task["seq"], ())
        if any(line["started_at"] is not None for line in lines):
            yield f"{task['id']} ({task['action']}) had begun, and has expired"


def wrong_counters(books: Books) -> Iterator[str]:
    """The counters are the numbers of tasks by status."""
    counted = Counter(task["status"] for task in books.tasks)
    for status, number in books.counters.items():
        if counted[status] != number:
            yield f"{number} {status} by the counters, {counted[status]} by the rows"


def broken_file(books: Books) -> Iterator[str]:
    """SQLite finds nothing wrong with the file."""
    if books.integrity != "ok":
        yield books.integrity


Check: TypeAlias = Callable[[Books], Iterable[str]]

CHECKS: Mapping[str, Check] = {
    "accepted and lost": lost,
    "deleted and there": deleted_and_there,
    "accepted twice": accepted_twice,
    "told differently": told_differently,
    "from nowhere": from_nowhere,
    "stuck": stuck,
    "ended wrongly": wrong_end,
    "wrong results": wrong_result,
    "lost effects": lost_effects,
    "duplicated effects": duplicated_effects,
    "wrong follow-ups": wrong_follow_ups,
    "too many attempts": too_many_attempts,
    "gaps in the history": gaps_in_history,
    "begun though expired": begun_though_expired,
    "wrong counters": wrong_counters,
    "damage to the file": broken_file,
    "more at once than a limit": gate_checks.too_many_at_once,
    "more starts than a rate": gate_checks.too_many_starts,
    "slots of limits not freed": gate_checks.slots_not_freed,
    "slots of schedules left out": slot_checks.left_out,
    "slots without exactly one task": slot_checks.not_one_task,
    "slots of which nothing was decided": slot_checks.undecided,
    "wrong counts of groups": group_checks.wrong_counts,
    "ends of groups that nothing follows": group_checks.not_followed,
}


def violations(books: Books) -> Mapping[str, Sequence[str]]:
    """Return what each check has found; if every promise was kept, nothing."""
    return {name: tuple(check(books)) for name, check in CHECKS.items()}
