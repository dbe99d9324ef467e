"""The ledger finds every broken promise, and no other."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from taskqueue.rules.expiry import EXPIRED
from taskqueue.verification.app import CHILDREN
from taskqueue.verification.books import Books
from taskqueue.verification.evidence import HandlerRun
from taskqueue.verification.ledger import CHECKS, violations
from taskqueue.verification.load import Note
from taskqueue.verification.slot_checks import iso

Books_ = Callable[[Books], Books]


def row(seq: int, action: str, status: str, **columns: Any) -> dict[str, Any]:
    """A task as it should be when all is over."""
    key = columns.get("key", f"key-{seq}")
    return {
        "seq": seq,
        "id": f"id-{seq}",
        "action": action,
        "key": key,
        "status": status,
        "token": None,
        "attempt": 1,
        "max_attempts": 3,
        "crashes": 0,
        "created_at": 1.0,
        "processed_at": 9.0,
        "result": f'"{key}"' if status == "completed" else None,
        "reason": None,
        "group_name": None,
        **columns,
    }


def line(attempt: int, outcome: str) -> dict[str, Any]:
    return {"attempt": attempt, "outcome": outcome, "started_at": None}


def slot(schedule: str, at: int, outcome: str = "fired") -> dict[str, Any]:
    return {"schedule": schedule, "at": float(at), "outcome": outcome}


def run(began_at: float, ended_at: float | None, process: str = "a", *beside: str) -> HandlerRun:
    """A run of a handler under a limit of one at once."""
    return HandlerRun(
        task="id-1",
        keys=("single",),
        process=process,
        began_at=began_at,
        ended_at=ended_at,
        beside=beside,
    )


def group(completed: int, dead: int, then_at: float | None = 9.0) -> dict[str, Any]:
    live = dict.fromkeys(("queued", "scheduled", "running", "retrying", "cancelled"), 0)
    counts = {**live, "completed": completed, "dead": dead}
    return {"name": "group-1", "closed_at": 5.0, "then_at": then_at, **counts}


def with_groups(*groups: dict[str, Any]) -> Books_:
    """Change what is stored of groups; their tasks stay."""
    return lambda books: replace(books, groups=groups)


HELD = {"task": 1, "gate": "single"}
TICKED = "beside 1970-01-01T00:00:02Z"
SLOTS = [slot("beside", at) for at in (2, 4)] + [slot("one-by-one", 3), slot("latest", 5)]


def sound() -> Books:
    """Books in which every promise is kept, with one task of each fate."""
    children = [
        row(10 + n, "child", "completed", key=f"key-4/{n}", parent="id-4") for n in range(CHILDREN)
    ]
    tasks = [
        row(1, "quick", "completed"),
        row(2, "crash_once", "completed", attempt=2, crashes=1, group_name="group-1"),
        row(3, "hapless", "dead", attempt=3, group_name="group-1"),
        row(4, "parent", "completed"),
        row(5, "call_off", "cancelled"),
        *children,
        *(
            row(20 + n, "tick", "completed", key=f"{each['schedule']} {iso(each['at'])}")
            for n, each in enumerate(SLOTS)
        ),
    ]
    lines = {
        1: [line(1, "snoozed"), line(1, "interrupted")],
        2: [line(1, "crashed")],
        3: [line(n, "failed") for n in (1, 2, 3)],
        5: [line(1, "cancelled")],
    }
    notes = [
        Note(key=task["key"], action=task["action"], patient=True, ids=[task["id"]])
        for task in tasks
        if task["action"] not in ("child", "tick")
    ]
    return Books(
        notes=[*notes, Note(key="key-6", action="quick", patient=False, unanswered=1)],
        tasks=tasks,
        lines=lines,
        effects=Counter(task["id"] for task in tasks if task["status"] == "completed"),
        counters=Counter(task["status"] for task in tasks),
        integrity="ok",
        runs=[run(1.0, 2.0), run(2.0, None), run(3.0, 4.0, "b", "c")],
        claims=[100.0, 100.0, 100.0, 100.125, 100.25],
        held_slots=[],
        schedules=[{"name": name, "created_at": 1.5} for name in ("beside", "one-by-one")],
        slots=SLOTS,
        groups=[group(1, 1)],
        calm_at=5.5,
    )


def with_task(seq: int, **columns: Any) -> Books_:
    """Change one task."""

    def change(books: Books) -> Books:
        return replace(
            books,
            tasks=[{**task, **columns} if task["seq"] == seq else task for task in books.tasks],
        )

    return change


def with_more(*tasks: dict[str, Any]) -> Books_:
    """Add tasks that are sound in themselves."""

    def change(books: Books) -> Books:
        return replace(
            books,
            tasks=[*books.tasks, *tasks],
            effects=books.effects + Counter(task["id"] for task in tasks),
            counters=Counter(books.counters) + Counter(task["status"] for task in tasks),
        )

    return change


def with_note(**fields: Any) -> Books_:
    """Change what the first client noted."""

    def change(books: Books) -> Books:
        first, *others = books.notes
        return replace(books, notes=[replace(first, **fields), *others])

    return change


def with_last_note(**fields: Any) -> Books_:
    """Change what the last client noted: it was never told that its task is there."""

    def change(books: Books) -> Books:
        *others, last = books.notes
        return replace(books, notes=[*others, replace(last, **fields)])

    return change


def with_lines(seq: int, *lines: dict[str, Any]) -> Books_:
    """Change the history of one task."""
    return lambda books: replace(books, lines={**books.lines, seq: lines})


def expired(begun_at: float | None) -> Books_:
    """Have the first task end by its expiry, after its handler began or before."""

    def change(books: Books) -> Books:
        cancelled = with_task(1, status="cancelled", result=None, reason=EXPIRED)
        told = with_lines(1, {**line(1, "cancelled"), "started_at": begun_at})
        return with_note(expires_s=1.0)(told(cancelled(books)))

    return change


def with_effects(**times: int) -> Books_:
    """Change how many effects tasks have had."""
    renamed = {name.replace("_", "-"): number for name, number in times.items()}
    return lambda books: replace(books, effects=Counter({**books.effects, **renamed}))


def with_runs(*runs: HandlerRun) -> Books_:
    """Have handlers tell of more runs."""
    return lambda books: replace(books, runs=[*books.runs, *runs])


def with_claims(*claims: float) -> Books_:
    """Have more starts claimed."""
    return lambda books: replace(books, claims=[*books.claims, *claims])


def with_slots(*slots: dict[str, Any]) -> Books_:
    """Change what was decided of slots; their tasks stay."""
    return lambda books: replace(books, slots=slots)


BROKEN: list[tuple[str, Books_]] = [
    ("accepted and lost", with_note(ids=["id-1", "id-7"])),
    ("accepted and lost", with_note(ids=["id-1", "id-2"])),
    ("deleted and there", with_note(delete_asked=True, deleted=True)),
    ("accepted twice", with_more(row(7, "quick", "completed", key="key-1"))),
    ("told differently", with_note(ids=["id-1", "id-7"])),
    ("told differently", with_note(refusals=["422 no"])),
    ("from nowhere", with_more(row(7, "quick", "completed"))),
    ("stuck", with_task(1, status="running", processed_at=None)),
    ("stuck", with_task(20, status="queued", processed_at=None, token=None, created_at=5.0)),
    ("stuck", with_task(1, token="1-abc")),
    ("ended wrongly", with_task(1, status="dead")),
    ("ended wrongly", with_task(1, status="cancelled", result=None)),
    ("ended wrongly", with_note(cancel_asked=True, cancelled=True)),
    ("wrong results", with_task(1, result=None)),
    ("wrong results", with_task(1, result='"key-2"')),
    ("wrong results", with_task(3, result='"key-3"')),
    ("lost effects", with_effects(id_1=0)),
    ("duplicated effects", with_effects(id_1=2)),
    ("duplicated effects", with_effects(id_3=1)),
    ("duplicated effects", with_effects(id_99=1)),
    ("wrong follow-ups", with_task(4, status="dead")),
    ("wrong follow-ups", with_more(row(7, "child", "completed", key="key-4/0", parent="id-4"))),
    ("wrong follow-ups", with_task(10, parent="id-1")),
    ("too many attempts", with_task(3, max_attempts=2)),
    ("gaps in the history", with_lines(3, line(1, "failed"), line(3, "failed"))),
    ("gaps in the history", with_lines(3, *[line(n, "failed") for n in (1, 2, 2, 3)])),
    ("gaps in the history", with_lines(2)),
    ("gaps in the history", with_task(2, crashes=2)),
    ("gaps in the history", with_lines(1, line(2, "snoozed"))),
    ("wrong counters", lambda books: replace(books, counters={**books.counters, "dead": 2})),
    ("more at once than a limit", with_runs(run(1.5, 1.6))),
    ("more at once than a limit", with_runs(run(2.5, 2.6))),
    ("more at once than a limit", with_runs(run(2.5, 2.6, "b", "a"))),
    ("more at once than a limit", with_runs(run(2.5, 2.6, "b"), run(2.5, 2.6, "c"))),
    ("more starts than a rate", with_claims(100.3)),
    ("more starts than a rate", with_claims(200.0, 200.0, 200.1, 200.1)),
    ("slots of limits not freed", lambda books: replace(books, held_slots=[HELD])),
    ("slots of schedules left out", with_slots(*SLOTS[1:])),
    ("slots of schedules left out", with_slots(slot("beside", 2, "missed"), *SLOTS[1:])),
    ("slots of schedules left out", lambda books: replace(books, calm_at=6.0)),
    ("slots of schedules left out", lambda books: replace(books, schedules=[])),
    ("slots without exactly one task", with_slots(*SLOTS, slot("latest", 10))),
    ("slots without exactly one task", with_slots(*SLOTS[:-1])),
    ("slots without exactly one task", with_more(row(30, "tick", "completed", key=TICKED))),
    ("slots of which nothing was decided", with_slots(*SLOTS, slot("latest", 15))),
    ("slots of which nothing was decided", lambda books: replace(books, calm_at=12.0)),
    ("begun though expired", with_task(5, reason=EXPIRED)),
    ("begun though expired", expired(begun_at=3.0)),
    ("wrong counts of groups", with_groups(group(2, 1))),
    ("wrong counts of groups", with_groups()),
    ("wrong counts of groups", with_task(1, group_name="group-1")),
    ("ends of groups that nothing follows", with_groups(group(1, 1, None))),
    ("ends of groups that nothing follows", with_last_note(closed=True)),
    ("damage to the file", lambda books: replace(books, integrity="row 3 missing from index")),
]


def test_a_task_that_has_expired_before_it_began_is_sound() -> None:
    books = expired(begun_at=None)(sound())
    counters = {**books.counters, "completed": books.counters["completed"] - 1, "cancelled": 2}

    found = violations(replace(books, counters=counters, effects=books.effects - Counter(["id-1"])))

    assert found == dict.fromkeys(CHECKS, ())


def test_a_line_of_missed_slots_stands_for_all_of_them() -> None:
    missed = {**slot("latest", 20, "missed"), "slots": 3}

    found = violations(with_slots(*SLOTS, missed)(sound()))

    assert found == dict.fromkeys(CHECKS, ())


def test_books_without_a_fault_show_none() -> None:
    found = violations(sound())

    assert found == dict.fromkeys(CHECKS, ())


@pytest.mark.parametrize(("promise", "breaking"), BROKEN)
def test_a_broken_promise_is_found(promise: str, breaking: Books_) -> None:
    books = breaking(sound())

    found = violations(books)

    assert len(found[promise]) >= 1


def test_every_check_has_been_seen_to_find_something() -> None:
    assert {promise for promise, _ in BROKEN} == set(CHECKS)


@pytest.mark.parametrize("ids", [[], ["id-6"]])
def test_an_unanswered_task_may_be_there_or_not(ids: list[str]) -> None:
    tasks = [row(6, "quick", "completed", id=task_id) for task_id in ids]

    found = violations(with_more(*tasks)(sound()))

    assert found == dict.fromkeys(CHECKS, ())


@pytest.mark.parametrize("asked", [{"delete_asked": True}, {"delete_asked": True, "deleted": True}])
def test_a_task_that_was_deleted_takes_nothing_with_it_but_its_row(asked: dict[str, bool]) -> None:
    books = with_note(**asked)(sound())
    [_, *tasks] = books.tasks
    counters = {**books.counters, "completed": books.counters["completed"] - 1}

    found = violations(replace(books, tasks=tasks, counters=counters))

    assert found == dict.fromkeys(CHECKS, ())


def test_a_task_that_was_asked_to_end_may_have_completed_before() -> None:
    found = violations(with_note(cancel_asked=True)(sound()))

    assert found == dict.fromkeys(CHECKS, ())


def test_a_task_that_is_cancelled_while_it_waits_does_not_make_its_returned_attempt() -> None:
    cancelled = with_task(1, status="cancelled", attempt=0, result=None)
    snoozed = with_lines(1, line(1, "snoozed"))

    found = violations(snoozed(cancelled(sound())))

    assert found["gaps in the history"] == ()


def test_a_slot_that_came_after_the_calm_may_be_queued_when_the_service_stops() -> None:
    late = with_task(20, status="queued", processed_at=None, token=None, created_at=6.0)

    assert [*CHECKS["stuck"](late(sound()))] == []


def test_a_schedule_may_be_ahead_of_the_calm() -> None:
    ahead = row(30, "tick", "completed", key="beside 1970-01-01T00:00:06Z")

    found = violations(with_more(ahead)(with_slots(*SLOTS, slot("beside", 6))(sound())))

    assert found == dict.fromkeys(CHECKS, ())
