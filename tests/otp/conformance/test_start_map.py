"""Cases 13 to 15: specifications as plain mappings, what they leave out, and what is wrong."""

import math

import pytest

from taskqueue.errors import StartFailed
from taskqueue.runtime import Actor
from taskqueue.supervision import (
    ChildSpec,
    ChildType,
    InvalidSpec,
    Restart,
    Supervisor,
    get_childspec,
    start_instance,
)
from tests.otp.conformance.support import play, refusal


@pytest.mark.parametrize(
    ("kind", "limit"), [(ChildType.WORKER, 5.0), (ChildType.SUPERVISOR, math.inf)]
)
async def test_sup_start_map(supervised, dummy, kind: ChildType, limit: float) -> None:
    a = dummy("a")
    root = await supervised.by({"id": "a", "start": a.start, "type": str(kind)})

    spec = await get_childspec(root, "a")

    assert spec == ChildSpec(
        id="a",
        start=a.start,
        restart=Restart.PERMANENT,
        shutdown=limit,
        type=kind,
        significant=False,
    )
    assert await refusal(get_childspec(root, "b")) == "not_found"


async def test_sup_start_map_simple(instances_of, abc, system) -> None:
    a, b, _ = abc
    root = await instances_of()
    stranger = await system.spawn(Actor)
    ref = await start_instance(root, a)
    other = await start_instance(root, b)

    spec = await get_childspec(root, ref)

    assert spec == await get_childspec(root, other) == await get_childspec(root, "dummy")
    assert (spec.id, spec.start, spec.restart) == ("dummy", play, Restart.PERMANENT)
    assert (spec.shutdown, spec.type, spec.significant) == (5.0, ChildType.WORKER, False)
    assert await refusal(get_childspec(root, stranger)) == "not_found"


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"start": play}, "missing_id"),
        ({"id": "a"}, "missing_start"),
        ({"id": "a", "start": play, "restrat": "permanent"}, "unknown_key: 'restrat'"),
        ("nonsense", "invalid_child_spec: 'nonsense'"),
    ],
)
async def test_sup_start_map_faulty_specs(system, given: object, fault: str) -> None:
    """Adapted: the fault is an `InvalidSpec` with OTP's tag; an unknown key is one, too."""
    with pytest.raises(StartFailed) as failed:
        await system.spawn(Supervisor, "root", [given])

    assert isinstance(failed.value.__cause__, InvalidSpec)
    assert str(failed.value.__cause__) == f"start_spec: {fault}"
