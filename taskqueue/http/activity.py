"""The call that shows what the service did in the last hour."""

from typing import Any

from taskqueue.commands import Ask, GetActivity
from taskqueue.http.answers import Answer
from taskqueue.http.queries import Query, whole_number
from taskqueue.http.route import Call
from taskqueue.rules.service_activity import MINUTES
from taskqueue.structs import Struct


class ActivityRequest(Struct):
    """How far back to look."""

    minutes: int = MINUTES


ACTIVITY = Query(ActivityRequest, {"minutes": whole_number(1, MINUTES)})


class ActivityRoutes:
    """Show what was done."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def show_activity(self, call: Call[Any, ActivityRequest]) -> Answer:
        """Show what was done in the last minutes, 10 s by 10 s, and which parts were restarted.

        Counted by this service since its start. Buckets in which nothing was done are left out.
        """
        return Answer(await self._ask(GetActivity(minutes=call.query.minutes)))
