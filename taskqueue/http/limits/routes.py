"""The calls about limits: list, show, change and reset them, and take starts."""

import math
from http import HTTPStatus
from typing import Any

from taskqueue.clock import Clock
from taskqueue.commands import Ask, ChangeLimit, GetLimitKeys, GetLimits, TakeStarts
from taskqueue.errors import Fault
from taskqueue.http import problems
from taskqueue.http.answers import Answer
from taskqueue.http.limits.answers import LimitDetail, LimitList, LimitView, TakenAnswer
from taskqueue.http.limits.requests import KeysRequest, TakeRequest
from taskqueue.http.pages import NamesRequest
from taskqueue.http.problems import Problem
from taskqueue.http.route import Call
from taskqueue.rules.limit_checks import LIMIT_NAME_RULE, is_limit_name
from taskqueue.rules.limits import LimitUsage, LimitUse, LimitValues


class LimitRoutes:
    """List, show, change and reset limits, and take starts; `clock` tells how long to wait."""

    def __init__(self, ask: Ask, clock: Clock) -> None:
        self._ask = ask
        self._clock = clock

    async def list_limits(self, call: Call[Any, NamesRequest]) -> Answer:
        """List the limits by name, with what is used of them."""
        return Answer(LimitList.of(await self._ask(GetLimits()), call.query))

    async def show_limit(self, call: Call[Any, KeysRequest]) -> Answer:
        """Show a limit with its keys that are in use."""
        name, most = call.path["name"], call.query.limit
        usage = await self._usage(name)
        found = await self._ask(GetLimitKeys(name=name, after=call.query.cursor, limit=most + 1))
        keys = found[:most]
        following = keys[-1].key or "" if len(found) > most else None
        return Answer(LimitDetail(limit=LimitView.of(usage), keys=keys, next=following))

    async def change_limit(self, call: Call[LimitValues, Any]) -> Answer:
        """Change what a limit allows, across restarts, until it is changed again or reset.

        What is not given is any number. A limit that is not there is made. Tasks that run continue,
        even if they are more than it allows now.
        """
        name = call.path["name"]
        if not is_limit_name(name):
            raise Problem.invalid("invalid request", (Fault("name", LIMIT_NAME_RULE),))
        await self._ask(ChangeLimit(name=name, values=call.body))
        return Answer(LimitView.of(await self._usage(name)))

    async def reset_limit(self, call: Call[Any, Any]) -> Answer:
        """Take a change of a limit back, so that what the app declares holds again.

        One that the app does not declare is gone then.
        """
        if not await self._ask(ChangeLimit(name=call.path["name"], values=None)):
            raise await self._no_limit(call.path["name"])
        return Answer(None, HTTPStatus.NO_CONTENT)

    async def take_starts(self, call: Call[TakeRequest, Any]) -> Answer:
        """Take starts of a limit for work that is no task; only its rate counts.

        Nothing is taken if the rate does not allow it now: `retry_after_s` says when it may.
        """
        name, asked = call.path["name"], call.body
        taken = await self._ask(TakeStarts(use=LimitUse(name, asked.key, asked.cost)))
        if taken is None:
            raise await self._no_limit(name)
        if not taken.granted:
            raise _too_early(taken.retry_at - self._clock.now())
        return Answer(TakenAnswer())

    async def _usage(self, name: str) -> LimitUsage:
        for usage in await self._ask(GetLimits()):
            if usage.name == name:
                return usage
        raise await self._no_limit(name)

    async def _no_limit(self, name: str) -> Problem:
        names = [usage.name for usage in await self._ask(GetLimits())]
        return problems.not_found("limit", name, names)


def _too_early(wait_s: float) -> Problem:
    wait_s = max(0.001, round(wait_s, 3))
    return Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        "rate spent",
        f"The rate of this limit allows it in {wait_s:g} s.",
        headers={"Retry-After": str(math.ceil(wait_s))},
        retry_after_s=wait_s,
    )
