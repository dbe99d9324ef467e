"""The event streams of one gateway, each as the response to a request."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from taskqueue.events import events
from taskqueue.http import problems
from taskqueue.http.access import CLIENT
from taskqueue.http.answers import EVENT_STREAM, HEADERS
from taskqueue.http.event_stream.broadcaster import Broadcaster
from taskqueue.http.event_stream.feed import Feed
from taskqueue.http.event_stream.filters import EventFilter
from taskqueue.http.permissions import Permissions
from taskqueue.http.server.large import Client
from taskqueue.rules.access import Role
from taskqueue.structs import Struct

LOOK_S = 0.5  # between two looks whether the client may still read
LAST_S = 0.1  # for the last events when the gateway stops
RETRY_MS = 1_000  # after which a browser comes back

_HEADERS = {
    **HEADERS,
    hdrs.CONTENT_TYPE: EVENT_STREAM,
    "X-Accel-Buffering": "no",  # nginx would gather events until it has enough of them
}
_ROLES = (Role.ADMIN, Role.READ)


class StreamLimits(Struct):
    """What streams may cost."""

    most: int = 200
    """Streams open at once, so that other requests find a connection."""

    beat_s: float = 15.0
    """The longest silence of a stream, in seconds: proxies close what is silent for a minute."""


class EventStreams:
    """The open streams."""

    def __init__(
        self,
        broadcaster: Broadcaster,
        permissions: Permissions,
        limits: StreamLimits,
    ) -> None:
        """Begin with none.

        Args:
            broadcaster: has the events.
            permissions: tells who may read them.
            limits: what streams may cost.
        """
        self._broadcaster = broadcaster
        self._permissions = permissions
        self._limits = limits
        self._open: set[Stream] = set()
        self._is_released = False

    def response(
        self, wanted: EventFilter, after: str | None, client: Client
    ) -> web.StreamResponse:
        """Return the response that sends the wanted events after the id `after`.

        Raises:
            Problem: 503, too many streams are open.
        """
        if len(self._open) >= self._limits.most:
            detail = f"At most {self._limits.most} event streams can be open."
            raise problems.unavailable("too many event streams", detail)
        return EventStreamResponse(self, wanted, after, client)

    def release(self) -> None:
        """End every stream, after what has happened so far: the gateway stops."""
        self._is_released = True
        self._broadcaster.take_in()
        for stream in self._open:
            stream.end()

    async def run(self, response: "EventStreamResponse", request: web.Request) -> None:
        """Send events until the client leaves, may not read them any more, or the gateway stops."""
        stream = Stream(response.client, beat_s=self._limits.beat_s)
        self._open.add(stream)
        try:
            with self._broadcaster.followed(
                response.wanted, response.after, stream.on_more
            ) as feed:
                if not self._is_released:
                    await stream.send(
                        feed,
                        response.wanted,
                        response.write,
                        role=lambda: self._permissions.highest(request, _ROLES),
                    )
        finally:
            self._open.discard(stream)
            stream.close()
            if stream.was_dropped:
                events.info("event_stream_dropped", remote=request.get(CLIENT, request.remote))


class Stream:
    """One stream at work."""

    def __init__(self, client: Client, *, beat_s: float) -> None:
        self._client = client
        self._beat_s = beat_s
        self._loop = asyncio.get_running_loop()
        self._feed: Feed | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._is_writing = False
        self._has_left = False
        self._is_last = False
        self._limit: asyncio.TimerHandle | None = None
        self.was_dropped = False
        """Whether it was cut, because its client read more slowly than events came."""
        client.on_leave(self._leave)

    async def send(
        self,
        feed: Feed,
        wanted: EventFilter,
        write: Callable[[bytes], Awaitable[None]],
        *,
        role: Callable[[], Awaitable[Role | None]],
    ) -> None:
        """Write what is wanted until the stream ends; `role` is asked again and again."""
        self._feed = feed
        await self._write(write, b"retry: %d\n%b" % (RETRY_MS, feed.mark()))
        looked_at, sent_at = 0.0, self._loop.time()
        may: Role | None = None
        while not self._has_left:
            now = self._loop.time()
            if may is None or now - looked_at >= LOOK_S:
                looked_at, may = now, await role()
                if may is None:
                    return
            if feed.is_behind:  # for no fault of its client, which has read all that was sent
                feed.skip()
            block = feed.take(wanted, may)
            if not block and self._is_last:
                return
            if not block and now - sent_at >= self._beat_s:
                block = b":\n" + feed.mark()
            if block:
                sent_at = now
                await self._write(write, block)
            else:
                await self._more(min(LOOK_S, self._beat_s))

    def on_more(self) -> None:
        """Go on if it waits; drop it if it still writes what is older than the history."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
        elif self._is_writing and self._feed is not None and self._feed.is_behind:
            self._drop()

    def end(self) -> None:
        """End it as soon as its client has been sent what there is; at once if it does not read."""
        self._is_last = True
        if self._is_writing:
            self._client.cut()
        else:
            self._limit = self._loop.call_later(LAST_S, self._client.cut)
            self.on_more()

    def close(self) -> None:
        """Release what it holds."""
        if self._limit is not None:
            self._limit.cancel()

    def _leave(self) -> None:
        self._has_left = True
        if self._is_writing:
            self._client.cut()
        else:
            self.on_more()

    async def _write(self, write: Callable[[bytes], Awaitable[None]], block: bytes) -> None:
        self._is_writing = True
        try:
            await write(block)
        finally:
            self._is_writing = False

    async def _more(self, within_s: float) -> None:
        self._waiting = self._loop.create_future()
        timer = self._loop.call_later(within_s, self.on_more)
        try:
            await self._waiting
        finally:
            timer.cancel()
            self._waiting = None

    def _drop(self) -> None:
        self.was_dropped = True
        self._client.cut()


class EventStreamResponse(web.StreamResponse):
    """Sends events in the place of a body."""

    def __init__(
        self, streams: EventStreams, wanted: EventFilter, after: str | None, client: Client
    ) -> None:
        """Make the response to a request of `client`."""
        super().__init__(headers=_HEADERS)
        self._streams = streams
        self._request: web.Request | None = None
        self.wanted = wanted
        self.after = after
        self.client = client

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Begin to send it, as aiohttp does."""
        if isinstance(request, web.Request):
            self._request = request
        return await super().prepare(request)

    async def write_eof(self, data: bytes = b"") -> None:
        """Send events for as long as the stream lasts, then finish."""
        request, self._request = self._request, None
        if request is not None and not self._must_be_empty_body:
            await self._streams.run(self, request)
        await super().write_eof(data)
