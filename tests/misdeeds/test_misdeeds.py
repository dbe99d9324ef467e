"""Whatever handlers do costs their own attempt and nothing else, and the ledger finds more.

`TEST_MISDEEDS_S` sets how many seconds the run takes, `TEST_MISDEEDS_SEED` repeats one.
"""

import asyncio
import os
import random
import sys
from collections import Counter
from dataclasses import replace

import pytest

import tests.misdeeds.deadline
from tests.misdeeds.deadline import MOST, Deadline
from tests.misdeeds.kinds import Form
from tests.misdeeds.ledger import CHECKS, violations
from tests.misdeeds.life import Notes, Posted, WaveNotes
from tests.misdeeds.plan import KINDS, Misdeed, Plan, chosen, drawn, misdeeds_of
from tests.misdeeds.processes import Resources
from tests.misdeeds.shrink import shrunk

SECONDS = float(os.environ.get("TEST_MISDEEDS_S", "20"))
SEED = int(os.environ.get("TEST_MISDEEDS_SEED", random.randrange(2**32)))


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 300)
async def test_whatever_handlers_do_costs_their_own_attempt_and_nothing_else() -> None:
    # In its own process, because it becomes the parent of all orphans below it.
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.misdeeds"),
        *("--seconds", str(SECONDS), "--seed", str(SEED), "--shrink-s", "60"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )

    said, _ = await run.communicate()

    print(said.decode())  # noqa: T201
    assert run.returncode == 0


# --- the handlers that are generated --------------------------------------------------------------


def test_every_kind_is_a_handler_in_each_of_its_forms() -> None:
    sources = [
        Misdeed(form=form, kinds=(name,)).source
        for name, kind in KINDS.items()
        for form in kind.forms
    ]

    assert len(sources) > 3000
    for source in sources:
        compile(source, source, "exec")


def test_a_seed_repeats_what_is_generated() -> None:
    kinds = chosen(())

    once, again = (drawn(random.Random("7/3"), kinds) for _ in range(2))

    assert once == again
    assert once != drawn(random.Random("7/4"), kinds)


def test_kinds_are_chosen_by_family_by_name_and_by_the_beginning_of_a_name() -> None:
    chosen_names = [kind.name for kind in chosen(["exits", "loops/stop"])]

    assert {name.partition("/")[0] for name in chosen_names} == {"exits", "loops"}
    assert "loops/stop_and_wait" in chosen_names
    with pytest.raises(ValueError, match="no kind 'nonsense'; there are exceptions, exits"):
        chosen(["nonsense"])


async def test_a_plan_that_fails_is_shrunk_to_the_kinds_that_are_enough() -> None:
    plan = drawn(random.Random(SEED), chosen(["exceptions", "values", "loops"]))
    guilty = misdeeds_of(plan)[0].kinds[0]

    async def fails(candidate: Plan) -> bool:
        return any(guilty in misdeed.kinds for misdeed in misdeeds_of(candidate))

    least = await shrunk(plan, fails, within_s=20)

    print(f"seed {SEED}")  # noqa: T201
    assert [misdeed.kinds for misdeed in misdeeds_of(least)] == [(guilty,)]


# --- the ledger -----------------------------------------------------------------------------------

BAD = Misdeed(form=Form.LOOP, kinds=("exceptions/plain",))
HARMLESS = Misdeed(form=Form.LOOP, kinds=("logged/format",))
FEW = Resources(descriptors=20, threads=9, memory_mib=50)


def healthy(**shown: object) -> Posted:
    return Posted(
        id="h",
        misdeed=None,
        key="k",
        shown={
            "status": "completed",
            "result": "k",
            "attempt": 1,
            "attempts": [{"outcome": "completed"}],
        }
        | shown,
    )


def bad(misdeed: Misdeed = BAD, **shown: object) -> Posted:
    failed = {"outcome": "failed", "error": "E: plain"}
    return Posted(
        id="b",
        misdeed=misdeed,
        shown={"status": "dead", "reason": "E", "attempt": 2, "attempts": [failed, failed]} | shown,
    )


def life(*posted: Posted, **noted: object) -> Notes:
    """Return the notes of a life in which nothing else was wrong."""
    events = [
        {"event": "task_completed", "task_id": "h"},
        {"event": "task_dead_lettered", "task_id": "b"},
    ]
    wave = WaveNotes(wave=(BAD,), posted=list(posted), took_s=1.0, slots_s=0.1, events=range(9))
    notes = Notes(
        plan=((BAD,),),
        waves=[replace(wave, resources=FEW)],
        at_first=FEW,
        exit_code=0,
        events=events,
        effects=Counter(h=1),
    )
    return replace(notes, **noted)  # type: ignore[arg-type] - any of its fields


def logged(*events: dict[str, object]) -> list[dict[str, object]]:
    return [*life().events, *events]  # type: ignore[list-item] - these are dicts


def test_a_life_in_which_each_bad_task_has_its_own_end_is_in_order() -> None:
    assert violations(life(healthy(), bad())) == {}


@pytest.mark.parametrize(
    ("name", "notes"),
    [
        ("the service is gone or hangs", life(healthy(), broken="ServiceEnded: 1")),
        ("tasks that do not end", life(healthy(), bad(status="running"))),
        ("healthy tasks harmed", life(healthy(result="other"), bad())),
        ("healthy tasks harmed", life(healthy(attempt=2), bad())),
        ("neighbours interrupted", life(healthy(attempts=[{"outcome": "interrupted"}]), bad())),
        ("no outcome of its own", life(healthy(), bad(reason=None))),
        ("no outcome of its own", life(healthy(), bad(attempts=[]))),
        ("no outcome of its own", life(healthy(), bad(attempt=3))),
        ("failed for nothing", life(healthy(), bad(HARMLESS))),
        (
            "crashed without leave",
            life(healthy(), bad(attempts=[{"outcome": "crashed", "error": "consumer ended"}])),
        ),
        ("wrong effects", life(healthy(), bad(), effects=Counter(h=2))),
        ("wrong effects", life(healthy(), bad(), effects=Counter(h=1, b=1))),
        ("parts restarted", life(healthy(), bad(), events=logged({"event": "child_restarted"}))),
        (
            "the log is torn",
            life(healthy(), bad(), events=logged({"event": "printed", "text": "{"})),
        ),
        ("the log is silent", life(healthy(), bad(), events=[])),
        ("growth", life(healthy(), bad(), at_first=replace(FEW, descriptors=-99))),
        ("a bad stop", life(healthy(), bad(), exit_code=1)),
        ("a bad stop", life(healthy(), bad(), exit_code=None)),
        ("a bad stop", life(healthy(), bad(), stop_s=60.0)),
        ("a bad stop", life(healthy(), bad(), left=["77 python"])),
    ],
)
def test_what_a_handler_must_not_cost_is_found(name: str, notes: Notes) -> None:
    found = violations(notes)

    assert name in CHECKS
    assert list(found) == [name]


@pytest.mark.parametrize("text", ["odd", "Exception in threading.excepthook:"])
def test_what_handlers_and_python_print_does_not_tear_the_log(text: str) -> None:
    notes = life(healthy(), bad(), events=logged({"event": "printed", "text": text}))

    assert violations(notes) == {}


@pytest.mark.parametrize("text", ["Exception in threading.excepthook:{", 'odd","event":"x"}', "{"])
def test_parts_of_lines_are_found(text: str) -> None:
    notes = life(healthy(), bad(), events=logged({"event": "printed", "text": text}))

    assert violations(notes) == {"the log is torn": (text,)}


def test_slots_that_take_no_work_are_found() -> None:
    notes = life(healthy(), bad())
    notes.waves[0] = replace(notes.waves[0], slots_s=None, held=3)

    assert violations(notes) == {"slots lost": ("3 of 4 in 1.0 s",)}


# --- the limits -----------------------------------------------------------------------------------


class Machine:
    """A clock, and how long each thread of a service has waited for a processor until then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.waited = {1: 50.0, 2: 30.0}
        monkeypatch.setattr(tests.misdeeds.deadline, "monotonic", lambda: self.now)
        monkeypatch.setattr(tests.misdeeds.deadline, "_waits", lambda _: dict(self.waited))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_a_limit_is_reached_by_a_service_that_waits_for_anything_but_a_processor(
    machine: Machine,
) -> None:
    deadline = Deadline(7, limit_s=10.0)

    machine.now += 10.5

    assert deadline.is_over


def test_a_limit_does_not_count_the_time_in_which_a_service_waits_for_a_processor(
    machine: Machine,
) -> None:
    deadline = Deadline(7, limit_s=10.0)

    machine.now += 12.0
    machine.waited |= {1: 52.0, 3: 1.5}  # the third has begun, the second has ended
    del machine.waited[2]

    assert deadline.elapsed_s == 8.5
    assert not deadline.is_over


def test_a_limit_is_reached_in_the_end_however_long_a_service_waits_for_a_processor(
    machine: Machine,
) -> None:
    deadline = Deadline(7, limit_s=10.0)

    machine.waited[1] += 1e6
    machine.now += MOST * 10.0 + 1.0

    assert deadline.is_over


def test_the_threads_of_a_process_and_of_its_children_are_seen_waiting() -> None:
    waits = tests.misdeeds.deadline._waits(os.getpid())

    assert os.getpid() in waits
    assert all(waited_s >= 0.0 for waited_s in waits.values())
