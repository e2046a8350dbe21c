"""Monitoring runs of a revision that serves: one Job a period, named after it, judged as the other runs are. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ddtas.api.installation import Evidence
from ddtas.api.listing import Monitoring
from ddtas.plan import evidence, schedule
from ddtas.plan.evidence import MONITOR
from ddtas.plan.schedule import Schedule
from ddtas.plan.snapshot import Child


@dataclass(frozen=True, slots=True)
class Watch:
    """What monitoring comes to.

    Attributes:
        evidence: of the newest run; None where there is none yet.
        start: what the name of the Job ends in that should run now; None where none should be started.
        keep: the newest Job; those of earlier periods have said what they had to.
        next: when the next run is due.
    """

    evidence: Evidence | None
    start: str | None = None
    keep: Child | None = None
    next: datetime | None = None


def part(period: datetime) -> str:
    """What the name of a period's Job ends in; by name, they are in the order of time."""
    return f"{MONITOR}-{period.astimezone(UTC):%Y%m%d%H%M}"


def plan_of(monitoring: Monitoring, uid: str) -> Schedule:
    """When the runs are due for one Installation."""
    return Schedule(monitoring.schedule, monitoring.time_zone, schedule.offset(uid, monitoring.jitter))


def newest(jobs: Sequence[Child]) -> Child | None:
    """The Job of the latest period."""
    return max((job for job in jobs if job.phase == MONITOR), key=lambda job: job.name, default=None)


def watch(
    plan: Schedule, prefix: str, known: Evidence | None, job: Child | None, since: datetime, now: datetime
) -> Watch:
    """Decide which run is due. One that is under way is waited for, also past the next period.

    Args:
        plan: when runs are due.
        prefix: what the names of the revision's children begin with.
        known: evidence of the newest run.
        job: the newest Job.
        since: when the revision was validated: there is nothing to monitor before.
        now: the moment of the decision.
    """
    if job is not None and not (known is not None and known.job == job.name and evidence.is_final(known)):
        return Watch(known, keep=job)
    period = plan.at_or_before(now)
    last = known.job if known is not None else ""
    if period is not None and period > since and f"{prefix}-{part(period)}" > last:
        return Watch(known, start=part(period), keep=job)
    return Watch(known, keep=job, next=plan.after(now))
