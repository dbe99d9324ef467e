"""The call that streams events."""

from typing import Annotated

from aiohttp import hdrs
from msgspec import Meta

from taskqueue.http.answers import Answer
from taskqueue.http.event_stream.filters import EventFilter
from taskqueue.http.event_stream.streams import EventStreams
from taskqueue.http.queries import Parameter
from taskqueue.http.route import Call

LAST_EVENT_ID = {
    "Last-Event-ID": Parameter(
        str, "the id of the last event that was received", Annotated[str, Meta(max_length=1_000)]
    )
}


class EventRoutes:
    """The call that streams events."""

    def __init__(self, streams: EventStreams) -> None:
        self._streams = streams

    async def stream_events(self, call: Call[None, EventFilter]) -> Answer:
        """Send what happens from now on, as server-sent events, until the client leaves.

        With `Last-Event-ID` from that event on. If events after it are not kept any more, the first
        event is a `gap`. A client that reads too slowly is disconnected.
        """
        after = call.headers.get(hdrs.LAST_EVENT_ID)
        return Answer(self._streams.response(call.query, after, call.client))
