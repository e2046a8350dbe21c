"""Prometheus metrics. Labels are kinds and reasons, never names: their number is bounded."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)


@dataclass(frozen=True)
class Description:
    """A metric as docs/reference/metrics.md has it."""

    name: str
    type: str
    labels: tuple[str, ...]
    meaning: str


DESCRIPTIONS: list[Description] = []


def _described(type_: str, name: str, meaning: str, labels: tuple[str, ...]) -> Description:
    description = Description(name, type_, labels, meaning)
    DESCRIPTIONS.append(description)
    return description


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    _described("counter", name, meaning, labels)
    return Counter(name, meaning, labels, registry=REGISTRY)


def _gauge(name: str, meaning: str, *labels: str) -> Gauge:
    _described("gauge", name, meaning, labels)
    return Gauge(name, meaning, labels, registry=REGISTRY)


def _histogram(name: str, meaning: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
    _described("histogram", name, meaning, labels)
    return Histogram(name, meaning, labels, buckets=buckets, registry=REGISTRY)


RECONCILES = _counter("ddtas_reconciles_total", "Reconciles; the outcome is ok or error.", "kind", "outcome")
RECONCILE_SECONDS = _histogram(
    "ddtas_reconcile_duration_seconds",
    "Duration of one reconcile.",
    "kind",
    buckets=(0.005, 0.02, 0.1, 0.5, 2, 10, 60),
)
INTERNAL_ERRORS = _counter(
    "ddtas_internal_errors_total", "Reconciles that a fault of the operator ended (OperatorError).", "kind"
)
QUEUE_LENGTH = _gauge("ddtas_queue_length", "Objects that wait for a worker.")
API_REQUESTS = _counter(
    "ddtas_api_requests_total",
    "Requests to API servers, watches and those of cities included, by HTTP status; 0 without an answer.",
    "verb",
    "kind",
    "status",
)
INTERRUPTIONS = _counter(
    "ddtas_watch_interruptions_total",
    "Lists and watches that did not end as they should, by HTTP status; 0 without an answer, or with an invalid one.",
    "kind",
    "status",
)
UNREADABLE = _counter("ddtas_unreadable_objects_total", "Objects that could not be read, or not as a whole.", "kind")
WATCH_UP = _gauge("ddtas_watch_up", "1 while the objects of a kind at home are kept up to date, else 0.", "kind")
PROBES = _counter("ddtas_probes_total", "Probes of data sources, by their outcome.", "kind", "reason")
PROBE_BYTES = _counter("ddtas_probe_bytes_total", "Bytes that probes read from data sources.", "kind")
PROBE_REQUESTS = _counter("ddtas_probe_requests_total", "Requests of probes to data sources.", "kind")
PROBE_SECONDS = _histogram(
    "ddtas_probe_duration_seconds", "Duration of one probe.", "kind", buckets=(0.1, 0.5, 2, 10, 30)
)
RECALIBRATIONS = _counter("ddtas_recalibrations_total", "Recalibrations that began, by what triggered them.", "trigger")
LEADER = _gauge("ddtas_leader", "1 while this replica holds the Lease, else 0.")

_OBJECTS = _described(
    "gauge",
    "ddtas_objects",
    "Objects by the reason of Ready; New where an object has no status yet.",
    ("kind", "reason"),
)
_INSTALLATIONS = _described(
    "gauge",
    "ddtas_installations",
    "Installations by the stage that they are at: the first one that does not hold, Serving where all do.",
    ("stage",),
)


class _Counted(Collector):
    """Counted at each scrape, so that no object that went away is left over."""

    def __init__(self, description: Description, count: Callable[[], Mapping[tuple[str, ...], int]]) -> None:
        self._description = description
        self._count = count

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One sample for each combination of labels."""
        about = self._description
        family = GaugeMetricFamily(about.name, about.meaning, labels=about.labels)
        for labels, number in self._count().items():
            family.add_metric(labels, number)
        yield family


def count_objects_by(count: Callable[[], Mapping[tuple[str, ...], int]]) -> None:
    """Publish how many objects there are, by kind and reason of Ready, as `count` says."""
    REGISTRY.register(_Counted(_OBJECTS, count))


def count_installations_by(count: Callable[[], Mapping[tuple[str, ...], int]]) -> None:
    """Publish how many Installations there are, by the stage that they are at, as `count` says."""
    REGISTRY.register(_Counted(_INSTALLATIONS, count))


def exposition() -> bytes:
    """All metrics in the text format."""
    return generate_latest(REGISTRY)
