"""The call of Prometheus."""

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

from taskqueue.http.answers import METRICS, Answer, Content
from taskqueue.http.event_stream.broadcaster import Broadcaster
from taskqueue.http.metrics.readings import Readings
from taskqueue.http.metrics.samples import samples
from taskqueue.http.route import Call
from taskqueue.rules.health import Availability

if TYPE_CHECKING:
    from taskqueue.http.metrics.exposition import Exposition


class MetricsRoutes:
    """Show what was counted."""

    def __init__(
        self, readings: Readings, availability: Availability, broadcaster: Broadcaster
    ) -> None:
        self._readings = readings
        self._availability = availability
        self._broadcaster = broadcaster
        self._exposition: Exposition | None = None

    async def show_metrics(self, _: Call[Any, Any]) -> Answer:
        """Show the metrics of the service in the text format of Prometheus.

        Answered while the storage is down, too. What a part of the service does not answer within a
        tenth of a second is shown as it was at the scrape before.
        """
        exposition = await self._loaded()
        found = samples(
            await self._readings.read(),
            has_storage=self._availability.unavailable is None,
            streams=self._broadcaster.count,
        )
        return Answer(Content(exposition.text(found), METRICS))

    async def _loaded(self) -> "Exposition":
        """Import the library in a thread, at the first scrape: most services have none."""
        if self._exposition is None:
            module = await asyncio.to_thread(import_module, "taskqueue.http.metrics.exposition")
            self._exposition = module.Exposition()
        return self._exposition
