"""Dummies and supervisors as in `tests/supervision`, and supervisors of instances."""

from collections.abc import Awaitable, Callable

import pytest

from taskqueue.runtime import ActorRef
from taskqueue.supervision import AutoShutdown, ChildSpec, SimpleOneForOne, Strategy
from tests.otp.conformance.support import play
from tests.supervision import conftest as shared

abc = shared.abc
clock = shared.clock
dummy = shared.dummy
journal = shared.journal
supervised = shared.supervised
system = shared.system


@pytest.fixture
def instances_of(system, supervised, clock) -> Callable[..., Awaitable[ActorRef]]:
    """Start a supervisor called `root` whose instances are dummies; options are the template's."""

    async def start(
        *,
        max_restarts: int = 10,
        auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
        **options: object,
    ) -> ActorRef:
        template = ChildSpec(**{"id": "dummy", "start": play} | options)
        flags = supervised.flags(
            Strategy.SIMPLE_ONE_FOR_ONE, max_restarts=max_restarts, auto_shutdown=auto_shutdown
        )
        return await system.spawn(SimpleOneForOne, "root", [template], flags, clock)

    return start
