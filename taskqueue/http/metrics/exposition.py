"""Samples as text for Prometheus, through a registry of this service alone.

The library is imported when this module is, which takes a tenth of a second: at the first scrape.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import (
    Metric as Family,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from taskqueue.http.metrics.names import METRICS, Metric
from taskqueue.http.metrics.samples import Sample
from taskqueue.rules.measures import Histogram


class Exposition:
    """Turns the samples of a scrape into text; those of the process are added."""

    def __init__(self) -> None:
        self._samples = _Samples()
        self.registry = CollectorRegistry()
        self.registry.register(self._samples)
        ProcessCollector(registry=self.registry)

    def text(self, samples: Mapping[Metric, Sequence[Sample]]) -> bytes:
        """Return a scrape in the text format 0.0.4."""
        self._samples.latest = samples
        return generate_latest(self.registry)


class _Samples(Collector):
    """Hands the latest samples to the registry."""

    def __init__(self) -> None:
        self.latest: Mapping[Metric, Sequence[Sample]] = dict.fromkeys(METRICS, ())

    def describe(self) -> Iterable[Family]:
        """Yield the families without their samples."""
        return [_family(metric, ()) for metric in METRICS]

    def collect(self) -> Iterator[Family]:
        """Yield the families."""
        for metric, samples in self.latest.items():
            yield _family(metric, samples)


def _family(metric: Metric, samples: Sequence[Sample]) -> Family:
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for _, labels, value in samples:
            if isinstance(value, Histogram):
                histogram.add_metric(labels, _buckets(value), value.sum)
        return histogram
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for _, labels, value in samples:
        if not isinstance(value, Histogram):
            family.add_metric(labels, value)
    return family


def _buckets(histogram: Histogram) -> Sequence[tuple[str, float]]:
    bounds = (*map(str, histogram.bounds), "+Inf")
    return list(zip(bounds, accumulate(histogram.counts), strict=True))
