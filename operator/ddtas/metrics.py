"""Prometheus metrics. Labels are kinds and reasons, never names: their number is bounded."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

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
QUEUE_LENGTH = Gauge("ddtas_queue_length", "Objects that wait for a worker.", registry=REGISTRY)
API_REQUESTS = Counter(
    "ddtas_api_requests_total",
    "Requests to the API server, by verb, kind and HTTP status (0: no answer).",
    ["verb", "kind", "status"],
    registry=REGISTRY,
)
PROBES = Counter(
    "ddtas_probes_total", "Looks at data sources, by kind and outcome.", ["kind", "reason"], registry=REGISTRY
)
PROBE_BYTES = Counter("ddtas_probe_bytes_total", "Bytes read from data sources.", ["kind"], registry=REGISTRY)
PROBE_SECONDS = Histogram(
    "ddtas_probe_duration_seconds",
    "Time that one look took.",
    ["kind"],
    buckets=(0.1, 0.5, 2, 10, 30),
    registry=REGISTRY,
)
OBJECTS = Gauge("ddtas_objects", "Objects by kind and the reason of Ready.", ["kind", "reason"], registry=REGISTRY)
LEADER = Gauge("ddtas_leader", "1 while this replica holds the Lease.", registry=REGISTRY)


def exposition() -> bytes:
    """All metrics in the text format."""
    return generate_latest(REGISTRY)
