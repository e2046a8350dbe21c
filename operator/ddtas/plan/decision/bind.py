"""Which sources a revision has: those that meet the version's requirements, or those of its record."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ddtas import names
from ddtas.api.base import Verdict
from ddtas.api.installation import BindingChoice, FieldMapping, Windows
from ddtas.api.installation_status import Binding
from ddtas.api.platform import DataSource
from ddtas.api.requirements import DataRequirement
from ddtas.data.delivery.table import Table
from ddtas.plan.children.wiring import Wiring
from ddtas.plan.decision.rules import Accepted
from ddtas.plan.findings import Finding, Stage, not_yet, true
from ddtas.plan.matching import tables, times
from ddtas.plan.matching.binding import Bound, bounded
from ddtas.plan.matching.checks import Circumstances
from ddtas.plan.matching.windows import CountedBack, common_day, newest_day
from ddtas.plan.reasons import Reason, Refusal
from ddtas.plan.revision import BoundSource, Revision
from ddtas.plan.snapshot import Snapshot, SourceObservation
from ddtas.plan.turns import Turns, in_turns
from ddtas.plan.twins import upstreams

UNTRIED = "they have not been tried yet"


@dataclass(frozen=True, slots=True)
class Bindings:
    """What binding came to.

    Attributes:
        finding: for the condition DataBound.
        answers: for the status: what was found for each requirement.
        bound: for the revision; None where a requirement is not met.
        wiring: the bound sources as they are now.
        until: when this changes although nothing is heard, because the newest record has become too old.
    """

    finding: Finding
    answers: tuple[Binding, ...] = ()
    bound: tuple[BoundSource, ...] | None = None
    wiring: tuple[Wiring, ...] = ()
    until: datetime | None = None


def wire_all(snapshot: Snapshot, bindings: Iterable[BoundSource]) -> tuple[Wiring, ...] | Refusal:
    """The bound sources with their credentials; or which one is gone, of another kind, or without its credentials."""
    wired = []
    for bound in bindings:
        wiring = wire(snapshot, bound)
        if isinstance(wiring, Refusal):
            return wiring
        wired.append(wiring)
    return tuple(wired)


def wire(snapshot: Snapshot, bound: BoundSource) -> Wiring | Refusal:
    """A bound source with its credentials."""
    source = snapshot.source(bound.data_source)
    if source is None:
        return Refusal(Reason.REQUIREMENT_NOT_MET, f"data source {bound.data_source} is gone from the platform")
    if bound.kind not in (None, source.kind):
        text = f"data source {source.name} was of kind {bound.kind}, and is {source.kind} now"
        return Refusal(Reason.REQUIREMENT_NOT_MET, text)
    secret = None
    if source.credentials is not None:
        secret = snapshot.secrets.get(source.credentials.secret_name)
        name = f"data source {source.name}: Secret {source.credentials.secret_name}"
        if secret is None:
            hint = f"create it in the platform's namespace, with the label {names.LABEL_CREDENTIALS}"
            return Refusal(Reason.CREDENTIALS_MISSING, f"{name} is not there: {hint}")
        lacking = [key for key in source.credentials.keys if key not in secret.data]
        if lacking:
            text = f"{name} lacks the key {', '.join(lacking)}, which {source.credentials.scheme} needs"
            return Refusal(Reason.CREDENTIALS_MISSING, text)
    product = snapshot.products.get(bound.data_source)
    upstream = product.upstream if product is not None and product.source is source else None
    seen = snapshot.observations.get(source.name) if secret is not None else None
    doubt = _doubt(seen) if secret is not None else ""
    changed = seen is not None and seen.current is False
    return Wiring(bound.requirement, source, secret, upstream, doubt, changed)


def _doubt(seen: SourceObservation | None) -> str:
    """Why nobody knows that a source can be read with the credentials that there are now; "" where somebody does."""
    if seen is None or not seen.current:
        return UNTRIED
    return f"{seen.reason}: {seen.message}" if seen.state != "Reachable" else ""


@in_turns
def bind(snapshot: Snapshot, accepted: Accepted) -> Turns[Bindings]:
    """Find a source for each requirement of an accepted version."""
    spec, requirements = snapshot.installation.spec, accepted.version.data_requirements
    unknown = sorted({b.requirement for b in spec.bindings} - {r.name for r in requirements})
    if unknown:
        has = ", ".join(r.name for r in requirements)
        text = f"spec.bindings: the app has no requirement {', '.join(unknown)}; it has {has}"
        return Bindings(not_yet(Stage.DATA_BOUND, Reason.BINDING_INVALID, text))
    wrong = _wrong_mapping(spec.bindings, requirements)
    if wrong is not None:
        return Bindings(not_yet(Stage.DATA_BOUND, Reason.BINDING_INVALID, wrong))
    platform = accepted.platform.spec
    mappings = {b.requirement: b.fields for b in spec.bindings}
    circumstances = Circumstances(accepted.windows, snapshot.now, platform.municipality.area, mappings)
    answers = yield from upstreams.answers.turns(snapshot, platform, requirements, circumstances)
    bound, wiring, refusal = _wired(snapshot, accepted, answers, mappings)
    for_status = bounded(_with_fields([a.binding for a in answers], bound))
    if refusal is not None:
        return Bindings(not_yet(Stage.DATA_BOUND, refusal.reason, refusal.message[:2000]), for_status)
    finding = true(Stage.DATA_BOUND, Reason.BOUND, "; ".join(a.message for a in answers))
    until = min((a.until for a in answers if a.until is not None), default=None)
    return Bindings(finding, for_status, bound, wiring, until)


def _wired(
    snapshot: Snapshot,
    accepted: Accepted,
    answers: Sequence[Bound],
    mappings: Mapping[str, tuple[FieldMapping, ...]],
) -> tuple[tuple[BoundSource, ...], tuple[Wiring, ...], Refusal | None]:
    """The sources that were found, with their credentials; or the first reason why a requirement is not met.

    A source that needs a Secret that is not there cannot be probed either: the Secret is what to name, before all else.
    """
    requirements = {r.name: r for r in accepted.version.data_requirements}
    sources, wirings = [], []
    unmet: Refusal | None = None
    for answer in answers:
        binding = answer.binding
        candidate = binding.data_source or next((n.data_source for n in binding.near_misses), None)
        is_bound = answer.reason is Reason.BOUND
        if not is_bound:
            unmet = unmet or Refusal(answer.reason, answer.message)
        own = candidate is not None and accepted.platform.spec.source(candidate) is not None
        awaited = own and answer.reason in (Reason.PROBING, Reason.DATA_SOURCE_UNREACHABLE)
        if candidate is None or not (is_bound or awaited):
            continue
        source = snapshot.source(candidate) if is_bound else None
        bound = BoundSource(
            requirement=binding.requirement,
            data_source=candidate,
            contract_version=binding.contract_version or "",
            kind=source.kind if source is not None else None,
            table=_table(requirements.get(binding.requirement), source, mappings.get(binding.requirement, ())),
        )
        wiring = wire(snapshot, bound)
        if isinstance(wiring, Refusal):
            return (), (), wiring
        sources.append(bound)
        wirings.append(wiring)
    return tuple(sources), tuple(wirings), unmet


def _table(
    requirement: DataRequirement | None, source: DataSource | None, mappings: Iterable[FieldMapping]
) -> Table | None:
    return tables.table(requirement, source, mappings) if requirement is not None and source is not None else None


def _with_fields(answers: Iterable[Binding], bound: Iterable[BoundSource]) -> list[Binding]:
    """The answers, with where each field of a table comes from."""
    made = {b.requirement: tables.described(b.table) for b in bound if b.table is not None}
    return [a.model_copy(update={"fields": made[a.requirement]}) if a.requirement in made else a for a in answers]


def _wrong_mapping(bindings: Iterable[BindingChoice], requirements: Iterable[DataRequirement]) -> str | None:
    """What is wrong with the fields that a city chose; None where nothing is."""
    by_name = {r.name: r for r in requirements}
    for binding in bindings:
        requirement = by_name.get(binding.requirement)
        if requirement is None or not binding.fields:
            continue
        where = f"spec.bindings of {requirement.name}: fields"
        if not requirement.files:
            return f"{where}: the app reads the source itself (delivery Direct), so no field can be chosen for it"
        names = [f.name for f in requirement.fields]
        for mapping in binding.fields:
            if mapping.field not in names:
                return f"{where}: the requirement has no field {mapping.field}; it has {', '.join(names) or 'none'}"
        sources = [m.source for m in binding.fields]
        twice = next((name for name in sources if sources.count(name) > 1), None)
        if twice is not None:
            return f"{where}: {twice} is given for two fields; each field of a source can be one field of the table"
    return None


def counted_back(
    snapshot: Snapshot, requirements: Iterable[DataRequirement], bound: Iterable[BoundSource], asked: CountedBack
) -> Windows | Refusal:
    """The windows that end with the newest day that all bound sources have.

    Each of them was measured by its own newest day, so it is looked at again whether it begins early enough.
    """
    sources = {b.requirement: (snapshot.source(b.data_source), snapshot.observations.get(b.data_source)) for b in bound}
    timed = [
        (r, source.contract.temporal_extent, seen.facts if seen is not None else None)
        for r in requirements
        for source, seen in [sources.get(r.name, (None, None))]
        if r.history is not False and source is not None
    ]
    newest = common_day(newest_day(facts, promised) for _, promised, facts in timed)
    windows = asked.ending(newest) if newest is not None else None
    if windows is None:
        text = f"the windows (last {asked.calibration} and {asked.validation}) end with the newest day of the data"
        return Refusal(Reason.REQUIREMENT_NOT_MET, f"{text}, which is {newest or 'not known: give temporalExtent'}")
    for requirement, promised, facts in timed:
        first = facts.first if facts is not None and facts.first is not None else promised.start if promised else None
        days = times.needed_days(requirement, windows)
        if first is not None and first[:10] > days.start:
            text = f"{requirement.name}: needs {days}, counted back from the newest day that all sources have"
            return Refusal(Reason.REQUIREMENT_NOT_MET, f"{text}; the data begins {first[:10]}")
    return windows


def bound_as_recorded(snapshot: Snapshot, revision: Revision) -> Bindings:
    """The sources of a revision that is to serve again: those that its evidence is about, and no others."""
    bound = revision.inputs.bindings
    answers = (
        Binding(
            requirement=b.requirement,
            verdict=Verdict.MET,
            data_source=b.data_source,
            contract_version=b.contract_version or None,
        )
        for b in bound
    )
    for_status = tuple(_with_fields(answers, bound))
    wiring = wire_all(snapshot, bound)
    if isinstance(wiring, Refusal):
        text = f"revision {revision.id} needs it: {wiring.message}"
        return Bindings(not_yet(Stage.DATA_BOUND, wiring.reason, text), for_status)
    text = "; ".join(f"{b.requirement} ← {b.data_source} ({b.contract_version})" for b in bound)
    return Bindings(true(Stage.DATA_BOUND, Reason.BOUND, f"as recorded: {text}"), for_status, bound, wiring)
