"""Gates that are out of order are found in the file that a killed service has left."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from taskqueue.rules.limits import LimitUse, LimitValues, encoded
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.contract.steps import add, claim
from taskqueue.verification.stopped_gates import StoppedGates, disorder_found, disordered

NARROW = "narrow/0"


def gates(
    held: int = 0, parked: int = 0, open_: int = 0, *opening: str, of: str = NARROW
) -> StoppedGates:
    def counted(number: int) -> Mapping[str, int]:
        return {of: number} if number else {}

    return StoppedGates(
        held=counted(held), parked=counted(parked), open=counted(open_), opening={*opening}
    )


@pytest.mark.parametrize(
    "sound",
    [
        gates(),
        gates(2, 5),
        gates(1, 5, 1),
        gates(0, 5, 1, of="rated"),
        gates(0, 5, 0, "rated", of="rated"),
    ],
)
def test_gates_in_order(sound: StoppedGates) -> None:
    assert [*disordered(sound)] == []


@pytest.mark.parametrize(
    "broken", [gates(3), gates(2, of="single"), gates(1, 5), gates(0, 5, of="rated")]
)
def test_gates_out_of_order(broken: StoppedGates) -> None:
    assert len([*disordered(broken)]) == 1


def test_a_limit_that_was_lowered_keeps_its_tasks_waiting() -> None:
    lowered = replace(gates(1, 5), running={"narrow": 1})

    assert [*disordered(lowered)] == []


async def test_the_file_is_read_beside_its_log(tmp_path: Path) -> None:
    database = tmp_path / "data" / "tasks.db"
    database.parent.mkdir()
    assert disorder_found(database) == []

    storage = SQLiteStorage(database)
    await storage.migrate()
    await storage.open()
    await storage.declare_limits({"single": LimitValues(running=2)}, now=0.0)
    await add(storage, "a", "b", "c", limits=encoded((LimitUse("single"),)))
    await claim(storage, limit=3)

    assert disorder_found(database) == [
        "in the file: 2 tasks have slots of single, which has 1",
    ]
    await storage.close()
