"""What the conformance tests ask and do again and again."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from taskqueue.runtime import ActorRef
from taskqueue.supervision import (
    InvalidSpec,
    SupervisionError,
    count_children,
    start_instance,
    which_children,
)
from taskqueue.testing.actors import Dummy

FOR_EVER = 1_000_000  # so many failed starts, or restarts within the limit


async def play(dummy: Dummy) -> ActorRef:
    """Be the start function of a template whose instances are dummies."""
    return await dummy.start()


async def counts(supervisor: ActorRef) -> list[int]:
    """Return specs, active, supervisors and workers, in OTP's order."""
    count = await count_children(supervisor)
    return [count.specs, count.active, count.supervisors, count.workers]


async def instances(supervisor: ActorRef) -> set[ActorRef | None]:
    """Return who is listed by a supervisor of instances."""
    return {state.ref for state in await which_children(supervisor)}


async def start_all(supervisor: ActorRef, *dummies: Dummy) -> None:
    """Start an instance for each dummy."""
    for each in dummies:
        await start_instance(supervisor, each)


async def refusal(call: Coroutine[Any, Any, object]) -> str:
    """Return OTP's word for the error that a call answers."""
    with pytest.raises((SupervisionError, InvalidSpec)) as refused:
        await call
    return refused.value.tag


def fault(make: Callable[[], object]) -> str:
    """Return OTP's word for what is wrong with what is made."""
    with pytest.raises(InvalidSpec) as refused:
        make()
    return refused.value.tag
