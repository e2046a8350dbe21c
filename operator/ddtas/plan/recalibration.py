"""When evidence expires, and what made a revision be calibrated anew. Pure.

A recalibration is a revision like any other, beside the one that serves. What time, drift or the data's schema call
for is its *round*, an input of the revision: a text that names the cause, and is the same however often it is worked
out. A changed contract or parameter, and the retry annotation, are inputs already.

One rule keeps attempts apart, also those that fail: a round begins only when the attempt before it has ended.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ddtas import names
from ddtas.api.base import Recalibration
from ddtas.api.installation import Evidence, Outcome, RecalibrationStatus, RevisionStatus, Trigger
from ddtas.api.listing import DataRequirement, Parameter
from ddtas.plan import periods, schedule
from ddtas.plan.evidence import is_final, shown
from ddtas.plan.revision import BoundSource, RevisionInputs, digest
from ddtas.plan.schedule import Schedule
from ddtas.plan.snapshot import SourceObservation

# Cities that one commit installed must not all begin at once either: up to a tenth of the age later, within the jitter.
_SHARE_OF_AGE = 10


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
    if policy.jitter is not None and periods.span(policy.jitter) is None:
        return f"jitter: {policy.jitter} is no ISO 8601 duration such as PT30M"
    return None


def ended(known: RevisionStatus | None) -> datetime | None:
    """When the attempt with a revision ended, well or badly; None while it goes on."""
    if known is None:
        return None
    calibration, validation = known.calibration, known.validation
    if validation is not None and is_final(validation):
        return validation.completed_at
    if calibration is not None and is_final(calibration) and calibration.outcome is not Outcome.PASSED:
        return calibration.completed_at
    return None


def due(policy: Recalibration | None, uid: str, since: datetime) -> tuple[datetime, Cause] | None:
    """What time brings next after an attempt that ended at `since`; None where the policy has nothing to do with time.

    Of many times that went by unheard, the first one counts, and only that.
    """
    found: list[tuple[datetime, Cause]] = []
    if policy is not None and policy.schedule is not None:
        plan = Schedule(policy.schedule, policy.time_zone, schedule.offset(uid, policy.jitter))
        moment = plan.after(since)
        if moment is not None:
            found.append((moment, _timed(Trigger.SCHEDULE, moment, str(plan))))
    age = periods.span(policy.maximum_age) if policy is not None and policy.maximum_age is not None else None
    if policy is not None and age is not None:
        try:
            moment = since + age + schedule.offset(uid, policy.jitter, age / _SHARE_OF_AGE)
        except OverflowError:
            moment = None  # in thousands of years
        if moment is not None:
            text = f"the last attempt ended longer ago than maximumAge, {policy.maximum_age}"
            found.append((moment, _timed(Trigger.AGE, moment, text)))
    return min(found, key=lambda timed: timed[0], default=None)


def _timed(trigger: Trigger, moment: datetime, reason: str) -> Cause:
    return Cause(trigger, reason, f"{trigger}/{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")


def called_for(
    policy: Recalibration | None,
    uid: str,
    now: datetime,
    known: RevisionStatus | None,
    monitoring: Evidence | None,
    measured: str | None,
) -> Cause | None:
    """What calls for another round now; None where nothing does, or an attempt goes on.

    Args:
        policy: when evidence expires by time.
        uid: the Installation's.
        now: the moment of the decision.
        known: what is known of the revision that the spec asks for, in the round that is in force.
        monitoring: the newest monitoring run of the revision that serves.
        measured: digest of the fields as they are measured now; None where that cannot be told.
    """
    since = ended(known)
    if known is None or since is None:
        return None
    if drifted(monitoring) and monitoring is not None and (monitoring.completed_at or since) > since:
        return Cause(
            Trigger.DRIFT, f"{monitoring.job}: {monitoring.message}"[:500], f"{Trigger.DRIFT}/{monitoring.job}"
        )
    if measured is not None and known.measured is not None and measured != known.measured:
        text = "the fields that were measured in the data are not those that it was calibrated on"
        return Cause(Trigger.SCHEMA, text, f"{Trigger.SCHEMA}/{measured}")
    timed = due(policy, uid, since)
    return timed[1] if timed is not None and timed[0] <= now else None


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
    own: Iterable[str],
    declared: Iterable[Parameter],
) -> Cause | None:
    """What makes a revision another one than the one before, where that is a cause for recalibration.

    None for an upgrade or another edit of the spec: those are what a person asked for there.

    Args:
        old: the inputs of the revision that was asked for before.
        new: the inputs of the one that is asked for now.
        own: names of the parameters that the Installation gives itself.
        declared: the version's parameters.
    """
    if new.version.version != old.version.version:
        return None
    if new.retry is not None and new.retry != old.retry:
        return Cause(Trigger.REQUEST, f"annotation {names.ANNOTATION_RETRY}: {new.retry}")
    before = {(b.requirement, b.data_source): b.contract_version for b in old.bindings}
    for b in new.bindings:
        version = before.get((b.requirement, b.data_source), b.contract_version)
        if version != b.contract_version:
            return Cause(
                Trigger.DATA_CONTRACT, f"data source {b.data_source}: contract {version}, now {b.contract_version}"
            )
    given = set(own)
    for parameter in declared:
        name = parameter.name
        if parameter.city_parameter is None or name in given or name not in old.parameters:
            continue
        if new.parameters.get(name) != old.parameters[name]:
            values = [_value(inputs.parameters.get(name)) for inputs in (old, new)]
            text = f"city parameter {parameter.city_parameter}: {values[0]}, now {values[1]}"
            return Cause(Trigger.CITY_PARAMETER, text)
    return None


def _value(value: object) -> str:
    return shown(value) if isinstance(value, float) else str(value)[:60]


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
    known = old or RecalibrationStatus()
    told = cause is not None and cause.round is None and (known.trigger, known.reason) == (cause.trigger, cause.reason)
    if cause is not None and not told:
        begun = now.replace(microsecond=0)
        known = RecalibrationStatus(trigger=cause.trigger, reason=cause.reason, since=begun)
    known = known.model_copy(update={"round": in_force, "next": next_due})
    return known if known != RecalibrationStatus() else None
