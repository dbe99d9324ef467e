"""Cases 82 to 84: a specification is changed.

OTP does that to a running supervisor by a code change. Here a child is replaced by hand:
terminated, deleted and started with another specification. What is checked is the same, and so is
what is left alone.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from taskqueue.runtime import ActorRef
from taskqueue.supervision import (
    ChildSpec,
    ChildStartFailed,
    ChildType,
    InvalidSpec,
    SimpleOneForOne,
    check_childspecs,
    delete_child,
    get_childspec,
    start_child,
    terminate_child,
)
from tests.otp.conformance.support import fault, play, refusal


async def replace(supervisor: ActorRef, child_id: str, spec: object) -> ActorRef:
    await terminate_child(supervisor, child_id)
    await delete_child(supervisor, child_id)
    return await start_child(supervisor, spec)


async def test_code_change_map(supervised, abc) -> None:
    """Adapted: a child is replaced by hand; a faulty specification is refused before that."""
    a, b, _ = abc
    root = await supervised.by({"id": "a", "start": a.start}, {"id": "b", "start": b.start})
    before, neighbour = await get_childspec(root, "a"), b.life
    changed = {"id": "a", "start": a.start, "shutdown": 1.0}

    assert fault(lambda: check_childspecs([changed | {"restart": "always"}])) == (
        "invalid_restart_type"
    )
    assert await refusal(start_child(root, changed | {"restart": "always"})) == (
        "invalid_restart_type"
    )
    assert await get_childspec(root, "a") == before
    check_childspecs([changed])
    await replace(root, "a", changed)

    assert (before.shutdown, (await get_childspec(root, "a")).shutdown) == (5.0, 1.0)
    assert await supervised.statuses(root) == {"b": "running", "a": "running"}
    assert b.life is neighbour


async def replace_template(supervised, template: Callable[..., Any]) -> None:
    def sessions(*templates: object) -> ChildSpec:
        start = partial(SimpleOneForOne.start_link, "sessions", templates)
        return ChildSpec(id="sessions", start=start, type=ChildType.SUPERVISOR)

    root = await supervised.by(sessions(template(id="one")))
    await terminate_child(root, "sessions")
    await delete_child(root, "sessions")
    for wrong in ((), (template(id="one"), template(id="two"))):
        with pytest.raises(ChildStartFailed) as failed:
            await start_child(root, sessions(*wrong))
        fault = failed.value.reason.cause
        assert isinstance(fault, InvalidSpec)
        assert fault.tag == "bad_start_spec"

    ref = await start_child(root, sessions(template(id="one", shutdown=1.0)))

    assert (await get_childspec(ref, "one")).shutdown == 1.0


async def test_code_change_simple(supervised) -> None:
    """Adapted: the supervisor is replaced by hand; its new template cannot be two or none."""
    await replace_template(supervised, partial(ChildSpec, start=play))


async def test_code_change_simple_map(supervised) -> None:
    """Adapted: as `test_code_change_simple`, with mappings."""
    await replace_template(supervised, partial(dict, start=play))
