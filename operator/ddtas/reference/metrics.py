"""The page of metrics."""

from ddtas.metrics import DESCRIPTIONS
from ddtas.reference.markdown import code, page, table

_ABOUT = """
At `/metrics` on port 8080, with `process_*` beside them. Labels have kinds, reasons and other words of closed lists,
never names of objects.

Alerts worth having:

- `ddtas_objects{reason=~"RolloutFailed|DataSourceUnreachable"} > 0`
- `ddtas_queue_length` that stays above 0
- `sum(ddtas_leader) != 1`
- any `ddtas_internal_errors_total`
- a rising rate of `ddtas_reconciles_total{outcome="error"}`
"""


def text() -> str:
    """The page."""
    rows = [
        (code(d.name), d.type, ", ".join(code(label) for label in d.labels), d.meaning)
        for d in sorted(DESCRIPTIONS, key=lambda d: d.name)
    ]
    return "\n".join([*page("Metrics", _ABOUT), *table(("metric", "type", "labels", "meaning"), rows)]) + "\n"
