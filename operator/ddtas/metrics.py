"""Prometheus metrics. Labels are kinds and reasons, never names: their number is bounded."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

RECONCILES = Counter(
    "ddtas_reconciles_total", "Reconciles, by kind and outcome.", ["kind", "outcome"], registry=REGISTRY
)
RECONCILE_SECONDS = Histogram(
    "ddtas_reconcile_duration_seconds",
    "Time that one reconcile took.",
    ["kind"],
    buckets=(0.005, 0.02, 0.1, 0.5, 2, 10, 60),
    registry=REGISTRY,
)
INTERNAL_ERRORS = Counter(
    "ddtas_internal_errors_total",
    "Reconciles that a fault of the operator ended, by kind.",
    ["kind"],
    registry=REGISTRY,
)
QUEUE_LENGTH = Gauge("ddtas_queue_length", "Objects that wait for a worker.", registry=REGISTRY)
API_REQUESTS = Counter(
    "ddtas_api_requests_total",
    "Requests to the API server, by verb, kind and HTTP status (0: no answer).",
    ["verb", "kind", "status"],
    registry=REGISTRY,
)
INTERRUPTIONS = Counter(
    "ddtas_watch_interruptions_total",
    "Lists and watches that did not end as they should, by kind and HTTP status (0: no answer, or none of Kubernetes).",
    ["kind", "status"],
    registry=REGISTRY,
)
UNREADABLE = Counter(
    "ddtas_unreadable_objects_total", "Objects that could not be taken in, by kind.", ["kind"], registry=REGISTRY
)
WATCH_UP = Gauge(
    "ddtas_watch_up", "1 while what is known of a kind is kept up to date, by kind.", ["kind"], registry=REGISTRY
)
PROBES = Counter(
    "ddtas_probes_total", "Looks at data sources, by kind and outcome.", ["kind", "reason"], registry=REGISTRY
)
PROBE_BYTES = Counter("ddtas_probe_bytes_total", "Bytes read from data sources.", ["kind"], registry=REGISTRY)
PROBE_REQUESTS = Counter("ddtas_probe_requests_total", "Requests to data sources.", ["kind"], registry=REGISTRY)
PROBE_SECONDS = Histogram(
    "ddtas_probe_duration_seconds",
    "Time that one look took.",
    ["kind"],
    buckets=(0.1, 0.5, 2, 10, 30),
    registry=REGISTRY,
)
RECALIBRATIONS = Counter(
    "ddtas_recalibrations_total", "Recalibrations that began, by trigger.", ["trigger"], registry=REGISTRY
)
LEADER = Gauge("ddtas_leader", "1 while this replica holds the Lease.", registry=REGISTRY)


class _Objects(Collector):
    """Counted when it is asked for, so that no object that went away is left over."""

    def __init__(self, count: Callable[[], Mapping[tuple[str, str], int]]) -> None:
        self._count = count

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One sample for each kind and reason."""
        family = GaugeMetricFamily("ddtas_objects", "Objects by kind and reason of Ready.", labels=["kind", "reason"])
        for (kind, reason), number in self._count().items():
            family.add_metric([kind, reason], number)
        yield family


def count_objects_by(count: Callable[[], Mapping[tuple[str, str], int]]) -> None:
    """Publish how many objects there are, by kind and reason of Ready, as `count` says."""
    REGISTRY.register(_Objects(count))


def exposition() -> bytes:
    """All metrics in the text format."""
    return generate_latest(REGISTRY)
