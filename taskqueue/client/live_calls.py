"""The requests about what runs now, and what was done lately."""

from collections.abc import Sequence

import msgspec

from taskqueue.client.attempt_views import RunningTask
from taskqueue.client.call import Call
from taskqueue.client.calls import query_of
from taskqueue.rules.service_activity import RecentActivity


def running() -> Call[Sequence[RunningTask]]:
    """Ask what runs now."""
    return Call(method="GET", path="/running", read=lambda body: _running(body).running)


def activity(minutes: int) -> Call[RecentActivity]:
    """Ask what the service did in the last minutes."""
    return Call(method="GET", path=f"/activity{query_of(minutes=minutes)}", read=_activity)


class _Running(msgspec.Struct):
    running: list[RunningTask]


_running = msgspec.json.Decoder(_Running).decode
_activity = msgspec.json.Decoder(RecentActivity).decode
