"""Decides about requests by what is known now: a token may be revoked while a request is open."""

from collections.abc import Sequence

from aiohttp import web

from taskqueue.http.access import CLIENT
from taskqueue.http.callers import Callers, host_of
from taskqueue.http.credentials import Credentials
from taskqueue.rules.access import Caller, Refusal, Role, decide


class Permissions:
    """Asks who sends a request, and what its sender may do."""

    def __init__(self, callers: Callers, credentials: Credentials) -> None:
        self._callers = callers
        self._credentials = credentials

    async def decide(
        self, request: web.Request, host: str, role: Role, *, changes: bool
    ) -> Caller | Refusal:
        """Decide about a request to `host` that needs `role`; note that its token was used.

        Raises:
            StorageUnavailable, ActorUnavailable, AskTimeout: the tokens could not be read even
                once.
        """
        tokens = await self._credentials.current()
        requester = self._callers.requester(request, host, tokens)
        request[CLIENT] = requester.address
        answer = decide(requester, role, changes=changes, has_tokens=bool(tokens))
        if requester.token is not None:
            self._credentials.used(requester.token)
        return answer

    async def highest(self, request: web.Request, roles: Sequence[Role]) -> Role | None:
        """Return the first of these roles that the sender of a request has now, to read."""
        host, _ = host_of(request)
        for role in roles:
            if isinstance(await self.decide(request, host, role, changes=False), Caller):
                return role
        return None
