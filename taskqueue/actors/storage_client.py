"""How the other actors call the storage: by messages to the database actor."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec, TypeVar, cast

from taskqueue.actors.messages import UseStorage
from taskqueue.errors import ActorError, AskTimeout, StorageUnavailable
from taskqueue.runtime import Address, Reply, request
from taskqueue.storage.protocol import Storage

P = ParamSpec("P")
R = TypeVar("R")

STORAGE_TIMEOUT_S = 30.0
RETRY_S = 0.5

UNREACHABLE = (StorageUnavailable, ActorError)
"""What a call of the storage raises when it may work later; the outcome may be unknown."""


class StorageClient:
    """Calls the verbs of the storage through the database actor.

    client = StorageClient(actor.address(DATABASE))
    tasks = await client.use(Storage.find, limit=10, now=now)
    """

    def __init__(self, database: Address, timeout_s: float = STORAGE_TIMEOUT_S) -> None:
        """Make a client of the actor at this address; a call takes at most `timeout_s` seconds."""
        self._database = database
        self._timeout_s = timeout_s

    async def use(
        self,
        verb: Callable[Concatenate[Storage, P], Awaitable[R]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Call a verb and wait for its answer.

        Raises:
            StorageUnavailable: the storage is degraded.
            ActorError: no database actor runs, or it did not answer: the outcome is unknown.
        """
        return await self.answered(self.send(verb, *args, **kwargs))

    def send(
        self,
        verb: Callable[Concatenate[Storage, P], Awaitable[R]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Reply[R]:
        """Send a call, which is in the actor's mailbox when this returns. Await it `answered`.

        Raises:
            ActorError: no database actor runs.
        """
        message = UseStorage(verb=verb.__name__, args=args, kwargs=kwargs)
        return cast("Reply[R]", request(self._database, message))

    async def answered(self, reply: Reply[R]) -> R:
        """Wait for the answer to a call that was sent; raises what `use` does."""
        limit_s = self._timeout_s
        return await reply.within(limit_s, lambda: AskTimeout(str(self._database), limit_s))


class RetryingClient(StorageClient):
    """A client for callers that repeat a call until the storage is back."""

    def __init__(self, database: Address) -> None:
        super().__init__(database)
        self._back = asyncio.Event()

    def is_back(self) -> None:
        """Wake all calls that wait in `again`."""
        self._back.set()
        self._back.clear()

    async def again(self) -> None:
        """Wait before the next try: until `is_back` is called, but at most `RETRY_S`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RETRY_S):
                await self._back.wait()
