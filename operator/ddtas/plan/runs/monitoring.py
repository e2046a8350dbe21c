"""Monitoring runs of a revision that serves: one Job a period, named after it, judged as the other runs are. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ddtas.api.evidence import Evidence
from ddtas.api.workload import Monitoring
from ddtas.plan import clock
from ddtas.plan.runs import evidence, schedule
from ddtas.plan.runs.evidence import MONITOR
from ddtas.plan.runs.schedule import Schedule
from ddtas.plan.snapshot import Child

_PERIOD = "%Y%m%d%H%M"


@dataclass(frozen=True, slots=True)
class Watch:
    """What monitoring comes to.

    Attributes:
        start: what the name of the Job ends in that should run now; None where none should be started.
        next: when the next run is due.
    """

    start: str | None = None
    next: datetime | None = None


def part(period: datetime) -> str:
    """What the name of a period's Job ends in; by name, they are in the order of time."""
    return f"{MONITOR}-{period.astimezone(UTC):{_PERIOD}}"


def plan_of(monitoring: Monitoring, uid: str) -> Schedule:
    """When the runs are due for one Installation."""
    return Schedule(monitoring.schedule, monitoring.time_zone, schedule.offset(uid, monitoring.jitter))


def newest(jobs: Sequence[Child], now: datetime) -> Child | None:
    """The Job of the latest period; one of a period that is to come was made by a clock that was ahead."""
    runs = (job for job in jobs if job.phase == MONITOR and not _to_come(job.name, now))
    return max(runs, key=lambda job: job.name, default=None)


def _to_come(job: str, now: datetime) -> bool:
    """Whether a Job is named after a period of the future."""
    try:
        period = datetime.strptime(job.rpartition("-")[2], _PERIOD).replace(tzinfo=UTC)
    except ValueError:
        return False
    return clock.ahead(period, now)


def watch(
    plan: Schedule, prefix: str, recorded: Evidence | None, job: Child | None, since: datetime, now: datetime
) -> Watch:
    """Decide which run is due. One that is under way is waited for, also past the next period.

    Args:
        plan: when runs are due.
        prefix: what the names of the revision's children begin with.
        recorded: evidence of the newest run.
        job: the newest Job.
        since: when the revision was validated: there is nothing to monitor before. A time that is to come says nothing.
        now: the moment of the decision.
    """
    if job is not None and not (recorded is not None and recorded.job == job.name and evidence.is_final(recorded)):
        return Watch()
    period = plan.at_or_before(now)
    last = recorded.job if recorded is not None and not _to_come(recorded.job, now) else ""
    begun = since if not clock.ahead(since, now) else None
    if period is not None and (begun is None or period > begun) and f"{prefix}-{part(period)}" > last:
        return Watch(start=part(period))
    return Watch(next=plan.after(now))
