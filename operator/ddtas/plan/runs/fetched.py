"""What the runner says of the data that it fetched for a run: its termination message, read as hostile. Pure."""

import re
from collections.abc import Sequence

from pydantic import ValidationError

from ddtas.data.delivery.report import FetchedTable, FetchReport
from ddtas.errors import printable
from ddtas.plan.reasons import Reason
from ddtas.plan.runs.last_words import Hidden, last_words
from ddtas.plan.snapshot import ContainerFacts, PodFacts

_MOST_BYTES = 4096
"""The kubelet cuts a termination message here, so one that is as long may have lost its end."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def is_fetching(pods: Sequence[PodFacts]) -> bool:
    """Whether the data of a run's newest pod is still to come."""
    runner = pods[-1].runner if pods else None
    return runner is not None and runner.exit_code is None


def tables(pod: PodFacts) -> tuple[FetchedTable, ...]:
    """The tables that a pod got; none where nothing was fetched, or the report cannot be read."""
    report = _report(pod.runner) if pod.runner is not None else None
    return report.tables if report is not None else ()


def failure(pod: PodFacts, hide: Hidden) -> str | None:
    """Why the data of a pod could not be fetched; None where it could, or nobody knows yet."""
    runner = pod.runner
    if runner is None or runner.exit_code in (None, 0):
        return None
    if runner.ended_reason == "OOMKilled":
        return "fetching the data used more memory than it may (OOMKilled): give the source an order, or ask for less"
    report = _report(runner)
    if report is None or report.fault is None:
        words = last_words(runner.ended_message, hide) or "no message"
        return f"fetching the data ended with exit code {runner.exit_code}: {words}"
    fault = report.fault
    return f"{fault.requirement}: {fault.reason}: {printable(hide(fault.message))}"


def reason(pod: PodFacts) -> Reason:
    """What the fault of a pod that got no data is called: that the node cannot seal is nobody's data."""
    report = _report(pod.runner) if pod.runner is not None else None
    cannot_seal = report is not None and report.fault is not None and report.fault.reason == Reason.CANNOT_SEAL
    return Reason.CANNOT_SEAL if cannot_seal else Reason.FETCH_FAILED


def summary(found: Sequence[FetchedTable]) -> str:
    """How much was fetched, for a person; "" for no table."""
    return "; ".join(f"{t.requirement}: {t.rows} rows{_period(t)}, {_size(t.bytes)}" for t in found)[:500]


def _report(runner: ContainerFacts) -> FetchReport | None:
    if len(runner.ended_message.encode(errors="replace")) >= _MOST_BYTES:
        return None
    try:
        report = FetchReport.model_validate_json(runner.ended_message)
    except (ValidationError, RecursionError):
        return None
    once = {t.requirement for t in report.tables}
    return report if len(once) == len(report.tables) else None


def _period(table: FetchedTable) -> str:
    first, last = (_DAY.match(text or "") for text in (table.start, table.end))
    return f" of {first[0]} to {last[0]}" if first is not None and last is not None else ""


def _size(count: int) -> str:
    size, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.3g} {unit}"
