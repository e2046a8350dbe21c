"""When evidence expires, and what made a revision be calibrated again. Pure.

A recalibration is a revision like any other, beside the one that serves. What time, drift or the data's schema call
for is its *round*, an input of the revision: a text that names the cause, and is the same however often it is worked
out. A changed contract or parameter, and the retry annotation, are inputs already.

Two rules keep attempts apart, also those that fail: a round begins only when the attempt before it has ended, and no
sooner than `PAUSE` after the one before began.

The clock may be wrong, and be put right. So rounds are counted, and none comes twice; what a round was called for by
calls for no other one; and evidence or a round from the future, whose age nobody knows, is superseded at once.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ddtas import names
from ddtas.api.base import Recalibration
from ddtas.api.evidence import Evidence, Outcome, RevisionStatus
from ddtas.api.installation_status import RecalibrationStatus, Trigger
from ddtas.api.requirements import DataRequirement
from ddtas.data.meaning import periods
from ddtas.plan import clock
from ddtas.plan.revision import BoundSource, RevisionInputs, digest
from ddtas.plan.runs import schedule
from ddtas.plan.runs.evidence import is_final
from ddtas.plan.runs.schedule import Schedule
from ddtas.plan.runs.scored import rounded
from ddtas.plan.snapshot import SourceObservation

# Cities that one commit installed must not all begin at once either: up to a tenth of the age later, within the jitter.
_SHARE_OF_AGE = 10
# The least age at which evidence may expire; admission asks for it in words (api/base.py).
MINIMUM_AGE = timedelta(hours=1)
# From the beginning of a recalibration to the next one: what time, the data or drift call for, and what a person does.
PAUSE = timedelta(minutes=10)
RETRY_PAUSE = timedelta(minutes=1)
_AGAIN = "again"  # what a round is called that supersedes one from the future: it has no moment itself
_DIGITS = 9  # of the number of a round, at most


@dataclass(frozen=True, slots=True)
class Cause:
    """What calls for a recalibration. `round` is None where an input of the revision changed by itself."""

    trigger: Trigger
    reason: str
    round: str | None = None


def fault(policy: Recalibration) -> str | None:
    """What of a policy means nothing, beginning with the field; None where it is sound."""
    if policy.schedule is None and policy.time_zone is not None:
        return "timeZone: there is no schedule that it is for"
    wrong = schedule.fault(policy.schedule, policy.time_zone) if policy.schedule is not None else None
    if wrong is not None:
        return wrong
    age = periods.span(policy.maximum_age) if policy.maximum_age is not None else None
    if policy.maximum_age is not None and not age:
        return f"maximumAge: {policy.maximum_age} is no time: give an ISO 8601 duration such as P90D"
    if age is not None and age < MINIMUM_AGE:
        return f"maximumAge: {policy.maximum_age} is too short: give an hour or more, such as PT6H or P90D"
    if policy.jitter is not None and periods.span(policy.jitter) is None:
        return f"jitter: {policy.jitter} is no ISO 8601 duration such as PT30M"
    return None


def ended(revision: RevisionStatus | None) -> datetime | None:
    """When the attempt with a revision ended, well or badly; None while it goes on."""
    if revision is None:
        return None
    calibration, validation = revision.calibration, revision.validation
    if validation is not None and is_final(validation):
        return validation.completed_at
    if calibration is not None and is_final(calibration) and calibration.outcome is not Outcome.PASSED:
        return calibration.completed_at
    return None


@dataclass(frozen=True, slots=True)
class Due:
    """What time brings; `moment` is None where that is at once, because what is known is from the future."""

    moment: datetime | None
    cause: Cause

    def by(self, now: datetime) -> bool:
        """Whether it is due."""
        return self.moment is None or self.moment <= now


def due(policy: Recalibration | None, uid: str, since: datetime, in_force: str | None, now: datetime) -> Due | None:
    """What time brings next after an attempt that ended at `since`; None where the policy has nothing to do with time.

    Of many times that went by unheard, the first one counts, and only that. The time of the round that is in force has
    been heard, also where the clock was put back since.
    """
    if policy is None or (policy.schedule is None and policy.maximum_age is None):
        return None
    last = max(since, _moment(in_force) or since)
    if clock.ahead(last, now):
        trigger = Trigger.AGE if policy.schedule is None else Trigger.SCHEDULE
        text = f"the last attempt is of {last.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}, which is to come: its age is unknown"
        return Due(None, Cause(trigger, text, _next(trigger, _AGAIN, in_force)))
    times: list[tuple[datetime, Cause]] = []
    if policy.schedule is not None:
        plan = Schedule(policy.schedule, policy.time_zone, schedule.offset(uid, policy.jitter))
        moment = plan.after(last)
        if moment is not None:
            times.append((moment, _timed(Trigger.SCHEDULE, moment, str(plan), in_force)))
    age = periods.span(policy.maximum_age) if policy.maximum_age is not None else None
    if age is not None:
        try:
            moment = last + age + schedule.offset(uid, policy.jitter, age / _SHARE_OF_AGE)
        except OverflowError:
            moment = None  # in thousands of years
        if moment is not None:
            text = f"the last attempt ended longer ago than maximumAge, {policy.maximum_age}"
            times.append((moment, _timed(Trigger.AGE, moment, text, in_force)))
    first = min(times, key=lambda timed: timed[0], default=None)
    return Due(*first) if first is not None else None


def _timed(trigger: Trigger, moment: datetime, reason: str, in_force: str | None) -> Cause:
    return Cause(trigger, reason, _next(trigger, f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", in_force))


def _next(trigger: Trigger, what: str, in_force: str | None) -> str:
    """The round after the one that is in force, as a text: what called for it, and its number."""
    number = (in_force or "").rpartition("#")[2]
    return f"{trigger}/{what}#{int(number) + 1 if number.isdecimal() and len(number) < _DIGITS else 1}"


def _called_for_by(in_force: str | None) -> str:
    """What called for the round that is in force, without its number."""
    return (in_force or "").partition("#")[0]


def _moment(in_force: str | None) -> datetime | None:
    """The moment of a round that time called for; None of any other."""
    trigger, _, what = _called_for_by(in_force).partition("/")
    if trigger not in (Trigger.SCHEDULE, Trigger.AGE):
        return None
    try:
        return datetime.strptime(what, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:  # edited by hand
        return None


@dataclass(frozen=True, slots=True)
class Attempt:
    """The newest attempt, and what was heard since.

    Attributes:
        recorded: of the revision that the spec asks for, in the round that is in force.
        in_force: that round.
        begun: when the newest recalibration began; None where there was none.
        monitoring: the newest monitoring run of the revision that serves.
        measured: digest of the fields as they are measured now; None where that cannot be told.
    """

    recorded: RevisionStatus | None
    in_force: str | None = None
    begun: datetime | None = None
    monitoring: Evidence | None = None
    measured: str | None = None


def called_for(policy: Recalibration | None, uid: str, now: datetime, attempt: Attempt) -> Cause | None:
    """What calls for another round now; None where nothing does, an attempt goes on, or began a moment ago.

    Args:
        policy: when evidence expires by time.
        uid: the Installation's.
        now: the moment of the decision.
        attempt: the newest one.
    """
    since = ended(attempt.recorded)
    if since is None or waits_until(attempt.begun, now) is not None:
        return None
    return _of_data(attempt, since, now) or _of_time(policy, uid, now, attempt, since)


def waits_until(begun: datetime | None, now: datetime) -> datetime | None:
    """Until when no other round begins, because the one before began a moment ago; None where one may."""
    return None if begun is None or clock.elapsed(begun, now, PAUSE) else begun + PAUSE


def _of_time(policy: Recalibration | None, uid: str, now: datetime, attempt: Attempt, since: datetime) -> Cause | None:
    timed = due(policy, uid, since, attempt.in_force, now)
    return timed.cause if timed is not None and timed.by(now) else None


def _of_data(attempt: Attempt, since: datetime, now: datetime) -> Cause | None:
    """Drift, and another schema; each report of drift calls once."""
    monitoring, revision = attempt.monitoring, attempt.recorded
    if monitoring is not None and drifted(monitoring) and _newer(monitoring, attempt, since, now):
        reason = f"{monitoring.job}: {monitoring.message}"[:500]
        return Cause(Trigger.MODEL_DRIFT, reason, _next(Trigger.MODEL_DRIFT, monitoring.job, attempt.in_force))
    before = revision.measured if revision is not None else None
    if attempt.measured is not None and before is not None and attempt.measured != before:
        text = "the fields that were measured in the data are not those that it was calibrated on"
        return Cause(Trigger.SCHEMA, text, _next(Trigger.SCHEMA, attempt.measured, attempt.in_force))
    return None


def _newer(monitoring: Evidence, attempt: Attempt, since: datetime, now: datetime) -> bool:
    """Whether a monitoring run reports of what the newest attempt has not answered."""
    if _called_for_by(attempt.in_force) == f"{Trigger.MODEL_DRIFT}/{monitoring.job}":
        return False
    if attempt.recorded is not None and attempt.recorded.monitoring == monitoring:
        return True  # of that very attempt's revision
    return clock.ahead(since, now) or monitoring.completed_at is None or monitoring.completed_at > since


def drifted(monitoring: Evidence | None) -> bool:
    """Whether a monitoring run says that the model has drifted. A run that crashed says nothing about it."""
    return monitoring is not None and monitoring.outcome is Outcome.FAILED


def measured_digest(
    requirements: Iterable[DataRequirement], bound: Iterable[BoundSource], seen: Mapping[str, SourceObservation]
) -> str | None:
    """Digest of the fields that an app asks for, as they are measured in the data: name, type and unit.

    Other fields are not looked at: a source that is only sampled shows others each time. For the same reason an
    integer is a number, and what may be any text is a text.

    Returns:
        None where not all of them were measured: what is not known is no change.
    """
    sources = {b.requirement: b.data_source for b in bound}
    found = []
    for requirement in requirements:
        observation = seen.get(sources.get(requirement.name, ""))
        facts = observation.facts if observation is not None else None
        fields = {f.name: f for f in facts.fields} if facts is not None else {}
        for wanted in requirement.fields:
            field = fields.get(wanted.name)
            if field is None:
                return None
            type_ = "string" if wanted.type == "string" else "number" if field.type == "integer" else field.type
            found.append([requirement.name, field.name, type_, field.unit])
    return digest(found)[:10] if found else None


def difference(
    old: RevisionInputs,
    new: RevisionInputs,
    own: Collection[str],
) -> Cause | None:
    """What makes a revision another one than the one before, where that is a cause for recalibration.

    None for an upgrade or another edit of the spec: those are what a person asked for there.

    Args:
        old: the inputs of the revision that was asked for before.
        new: the inputs of the one that is asked for now.
        own: names of the parameters that the Installation gives itself.
    """
    if new.version.version != old.version.version:
        return None
    if new.retry is not None and new.retry != old.retry:
        return Cause(Trigger.REQUEST, f"annotation {names.ANNOTATION_RETRY}: {new.retry}")
    before = {(b.requirement, b.data_source): b for b in old.bindings}
    for b in new.bindings:
        was = before.get((b.requirement, b.data_source), b)
        if was.contract_version != b.contract_version:
            text = f"contract {was.contract_version}, now {b.contract_version}"
            return Cause(Trigger.DATA_CONTRACT, f"data source {b.data_source}: {text}")
        if was.kind not in (None, b.kind):
            return Cause(Trigger.DATA_CONTRACT, f"data source {b.data_source}: kind {was.kind}, now {b.kind}")
    # Only what was the city's can be changed by the city: of another value, a person changed where it comes from.
    city = {p.name: p.city_parameter for p in new.version.parameters if p.name in old.from_city and p.name not in own}
    for name, parameter in city.items():
        if new.parameters.get(name) != old.parameters.get(name):
            values = [_value(inputs.parameters.get(name)) for inputs in (old, new)]
            gone = "" if name in new.from_city else " (the city has none now)"
            return Cause(Trigger.CITY_PARAMETER, f"city parameter {parameter}: {values[0]}, now {values[1]}{gone}")
    return None


def _value(value: object) -> str:
    return rounded(value) if isinstance(value, float) else str(value)[:60]


def status(
    old: RecalibrationStatus | None,
    cause: Cause | None,
    in_force: str | None,
    next_due: datetime | None,
    now: datetime,
) -> RecalibrationStatus | None:
    """The newest recalibration, as it goes into the status.

    Args:
        old: as it was.
        cause: what makes the target another revision than before, if that is a cause for recalibration.
        in_force: the target's round.
        next_due: when time brings the next one.
        now: for what is new.
    """
    current = old or RecalibrationStatus()
    same_cause = (
        cause is not None and cause.round is None and (current.trigger, current.reason) == (cause.trigger, cause.reason)
    )
    if cause is not None and not same_cause:
        begun = now.replace(microsecond=0)
        current = RecalibrationStatus(trigger=cause.trigger, reason=cause.reason, since=begun)
    if next_due is not None and current.since is not None and not clock.ahead(current.since, now):
        next_due = max(next_due, current.since + PAUSE)
    current = current.model_copy(update={"round": in_force, "next": next_due})
    return current if current != RecalibrationStatus() else None
