"""Numbers of a node in the text formats of Prometheus and OpenMetrics: the one place that knows."""

from collections.abc import Iterator, Sequence
from math import isinf

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from node.metering import Family, Spread

SUFFIXES = {"counter": "_total", "info": "_info", "gauge": ""}
UNITS = ("seconds", "bytes", "ratio")


class Exposition:
    """Renders families, with what the process and its interpreter tell of themselves."""

    def __init__(self) -> None:
        self._numbers = _Numbers()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self._numbers)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def render(self, families: Sequence[Family], accept: str) -> tuple[bytes, str]:
        """Return the text and its content type.

        Args:
            families: What the node tells.
            accept: The `Accept` header, which chooses the format; empty for the older one.
        """
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # a version that is no number
            encode, content_type = choose_encoder("")
        self._numbers.families = families
        return encode(self._registry), content_type


class _Numbers(Collector):
    """Hands the registry what it was given last."""

    def __init__(self) -> None:
        self.families: Sequence[Family] = ()

    def collect(self) -> Iterator[Metric]:
        """Yield one metric for each family."""
        return map(_metric, self.families)


def _metric(family: Family) -> Metric:
    unit = next((unit for unit in UNITS if family.name.endswith(f"_{unit}")), "")
    if family.kind == "histogram":
        return _histogram(family, unit)
    metric = Metric(family.name, family.help, family.kind, unit)
    for sample in family.samples:
        assert not isinstance(sample, Spread), "only histograms have spreads"
        name = family.name + SUFFIXES[family.kind]
        metric.add_sample(name, dict(sample.labels), float(sample.value))
    return metric


def _histogram(family: Family, unit: str) -> Metric:
    labels = list(family.samples[0].labels) if family.samples else []
    metric = HistogramMetricFamily(family.name, family.help, labels=labels, unit=unit)
    for spread in family.samples:
        assert isinstance(spread, Spread), "histograms have spreads"
        ends = ["+Inf" if isinf(end) else str(float(end)) for end, _ in spread.buckets]
        buckets = list(zip(ends, (float(count) for _, count in spread.buckets), strict=True))
        metric.add_metric(list(spread.labels.values()), buckets, spread.total)
    return metric
