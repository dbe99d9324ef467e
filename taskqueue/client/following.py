"""Where a client is in a stream of events, over all its connections. No I/O happens here."""

from collections.abc import Mapping

from taskqueue.client.call import RETRIED, Answer, NoAnswer
from taskqueue.client.event_stream import Block
from taskqueue.client.failures import error_of
from taskqueue.client.retries import Retries


class Following:
    """Knows the id to come back with, and when a lost connection is made again."""

    def __init__(self, path: str, url: str, retry_s: float) -> None:
        """Begin with a stream at `path` of the service at `url`.

        Each time that a connection is lost, it is tried for up to `retry_s` seconds to get another.
        """
        self.path = path
        self._url = url
        self._retry_s = retry_s
        self._retries = Retries(url, retry_s)
        self._last_id = ""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the next request beside those of every request."""
        accept = {"Accept": "text/event-stream"}
        return {**accept, "Last-Event-ID": self._last_id} if self._last_id else accept

    def took(self, block: Block) -> None:
        """Note what was received: the next connection goes on after it."""
        self._last_id = block.id or self._last_id
        self._retries = Retries(self._url, self._retry_s)

    def pause_s(self, ended: Answer | NoAnswer) -> float:
        """Return how long to wait before the next connection, in seconds.

        Raises:
            ServiceUnavailable: there was none for too long.
            TaskQueueError: the service refuses the stream; see `failures.error_of`.
        """
        if isinstance(ended, Answer) and ended.status not in RETRIED:
            raise error_of(ended.status, ended.body)
        return self._retries.wait_s(ended, is_repeatable=True)


ENDED = NoAnswer("the stream of events has ended", was_sent=True)
"""How a connection ends that the service, or a proxy, has closed in an orderly way."""
