"""The decision: what should exist now, and what is true, given a Snapshot. Pure.

    accept → bind → provision → calibrate → validate → serve

Each step looks at what the one before it established and either passes on, or stops with a Finding that says why.
Beside the *target* (the revision that the spec asks for) there may be a *serving* revision, which is kept whole until
the target's Services lead to the target.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import ValidationError

from ddtas import names
from ddtas.api.base import Window
from ddtas.api.installation import Binding, Evidence, Outcome, ProductStatus, RevisionStatus
from ddtas.api.listing import Run
from ddtas.api.platform import MunicipalityPlatform
from ddtas.errors import TemplateError
from ddtas.plan import evidence, rules, upstreams
from ddtas.plan.checks import Circumstances
from ddtas.plan.evidence import CALIBRATE, VALIDATE
from ddtas.plan.reasons import Course, Reason
from ddtas.plan.render import Desired, Owner, Renderer, Wiring
from ddtas.plan.revision import BoundSource, RevisionInputs
from ddtas.plan.snapshot import Child, DeploymentFacts, JobFacts, Key, PodFacts, Snapshot
from ddtas.plan.template import BindingContext, TemplateContext

ACCEPTED, DATA_BOUND, PROVISIONED = "Accepted", "DataBound", "Provisioned"
CALIBRATED, VALIDATED, SERVING = "Calibrated", "Validated", "Serving"
STEPS = (ACCEPTED, DATA_BOUND, PROVISIONED, CALIBRATED, VALIDATED, SERVING)

# How long a finished Job may be without its pod's last event, before the result counts as lost.
_LOST_AFTER = timedelta(seconds=60)
_LOOK_AGAIN_SECONDS = 15.0

# Kinds that the operator makes, and may therefore remove. Pods are their controllers' business.
PRUNABLE = frozenset({"Job", "Deployment", "Service", "ConfigMap", "Secret", "NetworkPolicy", "ControllerRevision"})


@dataclass(frozen=True, slots=True)
class Finding:
    """What is true of one step."""

    step: str
    status: Literal["True", "False", "Unknown"]
    reason: Reason
    message: str


@dataclass(frozen=True)
class RenderRequest:
    """Templates that must be rendered (in the sandbox) before the decision can go on."""

    revision: str
    templates: tuple[tuple[str, str], ...]
    context: TemplateContext
    prefix: str
    namespace: str
    taken: frozenset[Key]


@dataclass(frozen=True)
class Plan:
    """What to do, and what to say."""

    findings: tuple[Finding, ...]
    # Why the target does not serve, while an earlier revision keeps Serving True in its place.
    held_up: Finding | None = None
    desired: tuple[Desired, ...] = ()
    prune: tuple[Key, ...] = ()
    render: tuple[RenderRequest, ...] = ()
    bindings: tuple[Binding, ...] = ()
    revisions: tuple[RevisionStatus, ...] = ()
    revision: str | None = None
    serving: str | None = None
    serving_version: str | None = None
    url: str | None = None
    products: tuple[ProductStatus, ...] = ()
    retry: str | None = None
    requeue_after: float | None = None
    suspended: bool = False

    def finding(self, step: str) -> Finding:
        """The finding of a step."""
        return next(f for f in self.findings if f.step == step)


def _true(step: str, reason: Reason, message: str) -> Finding:
    return Finding(step, "True", reason, message)


def _not_yet(step: str, reason: Reason, message: str) -> Finding:
    """Not True: False where something is wrong, Unknown where it is only under way."""
    return Finding(step, "Unknown" if reason.course is Course.WORKING else "False", reason, message)


@dataclass
class _Revision:
    """One revision with what is known of it; `desired` grows as its steps succeed."""

    snapshot: Snapshot
    renderer: Renderer
    wiring: tuple[Wiring, ...] | None
    known: RevisionStatus | None
    kept: bool = False  # it serves, and is not what the spec asks for
    desired: list[Desired] = field(default_factory=list)
    calibration: Evidence | None = None
    validation: Evidence | None = None
    requeue_after: float | None = None

    def __post_init__(self) -> None:
        # What is known is not forgotten where the decision stops before it looks at the runs.
        if self.known is not None:
            self.calibration, self.validation = self.known.calibration, self.known.validation

    @property
    def id(self) -> str:
        return self.renderer.revision

    def exists(self, wanted: Iterable[Desired]) -> bool:
        children = self.snapshot.children
        return all(d.key in children and not children[d.key].deleting for d in wanted)

    def rendered(self) -> tuple[Any, ...] | TemplateError | None:
        if not self.renderer.inputs.version.templates:
            return ()
        return self.snapshot.rendered.get(self.id)

    def render_request(self) -> RenderRequest:
        inputs, owner = self.renderer.inputs, self.renderer.owner
        # No address: it may move within a revision, and what was rendered would not follow.
        bindings: dict[str, BindingContext] = {
            w.requirement: {"source": w.source.name, "kind": w.source.kind.value} for w in self.wiring or ()
        }
        return RenderRequest(
            revision=self.id,
            templates=tuple((t.name, t.manifest) for t in inputs.version.templates),
            context={
                "prefix": self.renderer.prefix,
                "revision": self.id,
                "installation": {"name": owner.name, "namespace": owner.namespace},
                "municipality": {"name": inputs.municipality.name, "code": inputs.municipality.code},
                "parameters": inputs.parameters,
                "bindings": bindings,
            },
            prefix=self.renderer.prefix,
            namespace=owner.namespace,
            taken=self.renderer.taken(),
        )

    def base(self) -> list[Desired]:
        r = self.renderer
        return [r.record(), r.config(), *r.bindings(self.wiring or ()), r.ingress_policy()]

    def workloads(self) -> list[Desired]:
        """What serves; needs both runs' evidence."""
        assert self.calibration is not None  # noqa: S101 - only called when both have passed
        assert self.validation is not None  # noqa: S101
        r = self.renderer
        rendered = self.rendered()
        return [
            r.calibrated(self.calibration),
            r.evidence(self.calibration, self.validation),
            *r.adopted(rendered if isinstance(rendered, tuple) else ()),
            *(r.deployment(c, self.wiring or ()) for c in r.inputs.version.components),
        ]

    def serving(self) -> list[Desired]:
        """What leads to this revision."""
        return [*self.renderer.services(), *self.renderer.product_bindings(self.products())]

    def products(self) -> tuple[ProductStatus, ...]:
        """What is, or is to be, published of this revision.

        An edit of the listing's products counts for the target alone. What was published of a revision that is kept
        stands: its record has the products as they were when it was made.
        """
        status = self.snapshot.installation.status
        if self.kept and status.serving_revision == self.id:
            return status.products
        return self.renderer.products()

    def services_switched(self) -> bool:
        children = self.snapshot.children
        services = self.renderer.services()
        return all(d.key in children and children[d.key].revision == self.id for d in services)

    def pods(self, *, phase: str = "", component: str = "") -> list[PodFacts]:
        found = [
            c.facts
            for c in self.snapshot.children_of(self.id, "Pod")
            if c.phase == phase and c.component == component and isinstance(c.facts, PodFacts)
        ]
        return found

    def told(self) -> str | None:
        """The reason that the status gives for this revision as a whole; None when it speaks of another one."""
        status = self.snapshot.installation.status
        ready = next((c.reason for c in status.conditions if c.type == "Ready"), None)
        return ready if status.revision == self.id else None

    def job(self, phase: str) -> Child | None:
        return self.snapshot.children.get(("Job", self.renderer.name(phase)))

    def assess(self, phase: str, run: Run, must_not_see: tuple[Window, ...]) -> Evidence | None:
        job, pods = self.job(phase), self.pods(phase=phase)
        known = self.calibration if phase == CALIBRATE else self.validation
        finished = job.facts.finished_at if job is not None and isinstance(job.facts, JobFacts) else None
        lost = finished is not None and self.snapshot.now - finished > _LOST_AFTER
        result = evidence.assess(known, job, pods, run, must_not_see, lost)
        if result is None and finished is not None:
            self.requeue_after = _LOOK_AGAIN_SECONDS
        return result

    def status(self, serving: str | None) -> RevisionStatus:
        return RevisionStatus(
            id=self.id,
            version=self.renderer.inputs.version.version,
            state="Serving" if self.id == serving else "Candidate",
            calibration=self.calibration,
            validation=self.validation,
            upstreams=upstreams.feeds(self.snapshot, self.renderer.inputs.bindings, self.known),
        )


def _wire(snapshot: Snapshot, bindings: Iterable[BoundSource]) -> tuple[tuple[Wiring, ...] | None, str]:
    """The bound sources with their credentials; None, and what is missing, where one is not there."""
    wiring = []
    assert isinstance(snapshot.platform, MunicipalityPlatform)  # noqa: S101 - accepted, or checked by the caller
    for bound in bindings:
        source = snapshot.source(bound.data_source)
        if source is None:
            return None, f"data source {bound.data_source} is gone from the platform"
        secret = None
        if source.credentials is not None:
            secret = snapshot.secrets.get(source.credentials.secret_name)
            name = f"data source {source.name}: Secret {source.credentials.secret_name}"
            if secret is None:
                hint = f"create it in the platform's namespace, with the label {names.LABEL_CREDENTIALS}"
                return None, f"{name} is not there: {hint}"
            lacking = [key for key in source.credentials.keys if key not in secret.data]
            if lacking:
                return None, f"{name} lacks the key {', '.join(lacking)}, which {source.credentials.scheme} needs"
        wiring.append(Wiring(bound.requirement, source, secret))
    return tuple(wiring), ""


@dataclass(frozen=True, slots=True)
class Bindings:
    """What binding came to.

    Attributes:
        finding: for the condition DataBound.
        shown: for the status.
        bound: for the revision; None where a requirement is not met.
        wiring: the bound sources as they are now; None where one of them is gone or lacks its credentials.
        until: when this changes although nothing is heard, because the newest record has become too old.
    """

    finding: Finding
    shown: tuple[Binding, ...] = ()
    bound: tuple[BoundSource, ...] | None = None
    wiring: tuple[Wiring, ...] | None = None
    until: datetime | None = None


def bind(snapshot: Snapshot, accepted: rules.Accepted) -> Bindings:
    """Find a source for each requirement of an accepted version."""
    spec, requirements = snapshot.installation.spec, accepted.version.data_requirements
    unknown = sorted({b.requirement for b in spec.bindings} - {r.name for r in requirements})
    if unknown:
        has = ", ".join(r.name for r in requirements)
        text = f"spec.bindings: the app has no requirement {', '.join(unknown)}; it has {has}"
        return Bindings(_not_yet(DATA_BOUND, Reason.BINDING_INVALID, text))
    platform = accepted.platform.spec
    circumstances = Circumstances(accepted.windows, snapshot.now, platform.municipality.area)
    answers = upstreams.answers(snapshot, platform, requirements, circumstances)
    shown = tuple(a.binding for a in answers)
    # A source that needs a Secret that is not there cannot be probed either: the Secret is what to name.
    for answer in answers:
        candidate = answer.binding.data_source or next((n.data_source for n in answer.binding.near_misses), None)
        if candidate is None or platform.source(candidate) is None:
            continue
        if answer.reason not in (Reason.BOUND, Reason.PROBING, Reason.DATA_SOURCE_UNREACHABLE):
            continue
        bound = BoundSource(requirement=answer.binding.requirement, data_source=candidate, contract_version="")
        wiring, lacking = _wire(snapshot, [bound])
        if wiring is None:
            return Bindings(_not_yet(DATA_BOUND, Reason.CREDENTIALS_MISSING, lacking), shown)
    for answer in answers:
        if answer.reason is not Reason.BOUND:
            return Bindings(_not_yet(DATA_BOUND, answer.reason, answer.message[:2000]), shown)
    bindings = tuple(
        BoundSource(
            requirement=b.requirement, data_source=b.data_source or "", contract_version=b.contract_version or ""
        )
        for b in shown
    )
    wiring, _ = _wire(snapshot, bindings)
    finding = _true(DATA_BOUND, Reason.BOUND, "; ".join(a.message for a in answers))
    until = min((a.until for a in answers if a.until is not None), default=None)
    return Bindings(finding, shown, bindings, wiring, until)


def _run_finding(step: str, revision: _Revision, phase: str, found: Evidence | None) -> Finding:
    word = "calibration" if phase == CALIBRATE else "validation"
    job = revision.renderer.name(phase)
    if found is not None:
        reason = Reason.named(found.reason)
        text = f"{word} of revision {revision.id}: {found.message}"
        if found.outcome is Outcome.PASSED:
            return _true(step, reason, text)
        if reason not in (Reason.THRESHOLD_NOT_MET, Reason.IMAGE_PULL_FAILED):
            text += f"; see `kubectl logs job/{job}`"
        return _not_yet(step, reason, text)
    waiting = [p for p in revision.pods(phase=phase) if p.unschedulable]
    detail = f"no node has room for it: {waiting[0].unschedulable}" if waiting else "is running"
    reason = Reason.CALIBRATING if phase == CALIBRATE else Reason.VALIDATING
    return _not_yet(step, reason, f"Job {job} {detail}")


def _obstacle(revision: _Revision) -> Finding | None:
    """What keeps the components of this revision from being ready; None when all of them are."""
    waiting: list[str] = []
    told = revision.told()
    for component in revision.renderer.inputs.version.components:
        name = revision.renderer.name(component.name)
        child = revision.snapshot.children.get(("Deployment", name))
        facts = child.facts if child is not None and isinstance(child.facts, DeploymentFacts) else None
        if facts is not None and facts.available:
            continue
        pods = revision.pods(component=component.name)
        image = evidence.waiting_for_image(pods, told == Reason.IMAGE_PULL_FAILED)
        if image is not None:
            text = f"component {component.name}: image {component.image}: {image}"
            return _not_yet(SERVING, Reason.IMAGE_PULL_FAILED, text)
        # Between two crashes such a pod runs: that it crashes was said, and holds until the component is ready.
        crashed = next(
            (
                p
                for p in pods
                if p.waiting_reason == "CrashLoopBackOff" or (told == Reason.ROLLOUT_FAILED and p.exit_code is not None)
            ),
            None,
        )
        detail = facts.stuck if facts is not None else ""
        if crashed is not None:
            detail = f"exit code {crashed.exit_code}: {evidence.printable(crashed.ended_message) or 'no message'}"
        if detail:
            text = f"component {component.name}: {detail}; see `kubectl logs deployment/{name}`"
            return _not_yet(SERVING, Reason.ROLLOUT_FAILED, text)
        waiting.append(component.name)
    if waiting:
        return _not_yet(SERVING, Reason.ROLLING_OUT, f"waiting for {', '.join(waiting)} to become ready")
    return None


def _advance(revision: _Revision, serving: str | None) -> list[Finding]:
    """Provision, calibrate, validate and serve the target: collects what should exist, and stops where it must."""
    version = revision.renderer.inputs.version
    rendered = revision.rendered()
    if rendered is None:
        return [_not_yet(PROVISIONED, Reason.PROVISIONING, "the listing's templates are being rendered")]
    if isinstance(rendered, TemplateError):
        return [_not_yet(PROVISIONED, Reason.named(rendered.reason), rendered.message[:2000])]

    base = revision.base()
    revision.desired += base
    if revision.exists(base):
        findings = [_true(PROVISIONED, Reason.PROVISIONED, f"revision {revision.id}, version {version.version}")]
    else:
        findings = [_not_yet(PROVISIONED, Reason.PROVISIONING, f"{len(base)} objects of revision {revision.id}")]
        if revision.id != serving:
            return findings

    windows = revision.renderer.inputs.windows
    revision.calibration = revision.assess(CALIBRATE, version.calibration, (windows.validation,))
    findings.append(_run_finding(CALIBRATED, revision, CALIBRATE, revision.calibration))
    if not evidence.is_final(revision.calibration):
        revision.desired.append(revision.renderer.job(CALIBRATE, version.calibration))
    if revision.calibration is None or revision.calibration.outcome is not Outcome.PASSED:
        return findings

    revision.validation = revision.assess(VALIDATE, version.validation, revision.calibration.windows)
    findings.append(_run_finding(VALIDATED, revision, VALIDATE, revision.validation))
    if not evidence.is_final(revision.validation):
        revision.desired.append(revision.renderer.calibrated(revision.calibration))
        revision.desired.append(revision.renderer.job(VALIDATE, version.validation))
    if revision.validation is None or revision.validation.outcome is not Outcome.PASSED:
        return findings

    revision.desired += revision.workloads()
    obstacle = _obstacle(revision)
    # No Service leads to a revision that was never ready; one that serves keeps its Services through a bad moment.
    if obstacle is None or revision.id == serving:
        revision.desired += revision.serving()
    if obstacle is None and not revision.services_switched():
        obstacle = _not_yet(SERVING, Reason.ROLLING_OUT, "the Services are being pointed at this revision")
    where = revision.renderer.url() or "its components"
    findings.append(obstacle or _true(SERVING, Reason.SERVING, f"revision {revision.id} serves at {where}"))
    return findings


def _observed_serving(snapshot: Snapshot) -> str | None:
    """The revision that traffic goes to: what the Services say; the status where they are gone or disagree."""
    labels = {c.revision for c in snapshot.children.values() if c.kind == "Service" and c.component}
    if len(labels) == 1:
        return labels.pop()
    return snapshot.installation.status.serving_revision


def _kept(snapshot: Snapshot, owner: Owner, serving: str) -> _Revision | None:
    """The serving revision from its own record, where that can still be read and rendered."""
    record = snapshot.children.get(("ControllerRevision", names.revision_prefix(owner.name, serving)))
    known = snapshot.installation.status.evidence(serving)
    if record is None or known is None or known.calibration is None or known.validation is None:
        return None
    try:
        inputs = RevisionInputs.model_validate_json(record.data)
    except ValidationError:
        return None
    if inputs.id != serving:
        return None  # edited by hand: not what was calibrated
    wiring = None
    if isinstance(snapshot.platform, MunicipalityPlatform):
        wiring, _ = _wire(snapshot, inputs.bindings)
    kept = _Revision(snapshot, Renderer(owner, inputs), wiring, known, kept=True)
    if wiring is not None and not isinstance(kept.rendered(), TemplateError | None):
        kept.desired = [*kept.base(), *kept.workloads(), *kept.serving()]
    return kept


def _keeps_serving(kept: _Revision) -> Finding:
    version = kept.renderer.inputs.version.version
    facts = [c.facts for c in kept.snapshot.children_of(kept.id, "Deployment") if isinstance(c.facts, DeploymentFacts)]
    text = f"revision {kept.id} (version {version}) keeps serving"
    if facts and all(f.available for f in facts):
        return _true(SERVING, Reason.KEEPS_SERVING, text)
    return Finding(SERVING, "False", Reason.ROLLOUT_FAILED, f"{text}, but not all its components are ready")


def _complete(findings: list[Finding]) -> tuple[Finding, ...]:
    """A finding for each step: those that could not be reached wait for the one that stopped."""
    last = findings[-1]
    for step in STEPS[len(findings) :]:
        waiting = Reason.NOT_SERVING if step == SERVING else Reason.WAITING
        status: Literal["False", "Unknown"] = "False" if step == SERVING else "Unknown"
        findings.append(Finding(step, status, waiting, f"waits for {last.step} ({last.reason})"))
    return tuple(findings)


def _retry_token(snapshot: Snapshot) -> str | None:
    """The newest retry token; one that was taken up stays in force when its annotation is removed."""
    token = snapshot.installation.metadata.annotations.get(names.ANNOTATION_RETRY, "")[:64]
    return token or snapshot.installation.status.last_retry


def _target(snapshot: Snapshot, owner: Owner) -> tuple[list[Finding], Bindings | None, _Revision | None]:
    """Accept and bind: from the spec to the revision that it asks for."""
    accepted = rules.accept(snapshot)
    if isinstance(accepted, rules.Refusal):
        return [_not_yet(ACCEPTED, accepted.reason, accepted.message[:2000])], None, None
    listing, version = accepted.listing.metadata.name, accepted.version
    bindings = bind(snapshot, accepted)
    text = f"listing {listing}, version {version.version}"
    findings = [_true(ACCEPTED, Reason.ACCEPTED, text), bindings.finding]
    if bindings.bound is None:
        return findings, bindings, None
    inputs = RevisionInputs(
        listing=listing,
        version=version,
        municipality=accepted.platform.spec.municipality,
        parameters=accepted.parameters,
        bindings=bindings.bound,
        windows=accepted.windows,
        retry=_retry_token(snapshot),
    )
    known = snapshot.installation.status.evidence(inputs.id)
    return findings, bindings, _Revision(snapshot, Renderer(owner, inputs), bindings.wiring, known)


def _requeue_after(snapshot: Snapshot, target: _Revision | None, bindings: Bindings | None) -> float | None:
    """Seconds until something may change of which nothing will be heard."""
    waits = [target.requeue_after] if target is not None and target.requeue_after is not None else []
    if bindings is not None and bindings.until is not None:
        # Past it, the next look decides.
        waits.append(max(_LOOK_AGAIN_SECONDS, (bindings.until - snapshot.now).total_seconds()))
    return min(waits, default=None)


def decide(snapshot: Snapshot) -> Plan:
    """Decide what to do next about one Installation.

    The plan depends on the snapshot alone: the same snapshot gives the same plan.
    """
    meta = snapshot.installation.metadata
    owner = Owner(meta.name, meta.namespace, meta.uid)
    serving = _observed_serving(snapshot)
    findings, bindings, target = _target(snapshot, owner)
    if target is not None:
        findings += _advance(target, serving)
        if len(findings) == len(STEPS) and findings[-1].status == "True":
            serving = target.id
    complete = _complete(findings)
    held_up: Finding | None = None

    revisions = [target] if target is not None else []
    if serving is not None and (target is None or serving != target.id):
        kept = _kept(snapshot, owner, serving)
        if kept is not None:
            revisions.append(kept)
            held_up = complete[-1]
            complete = (*complete[:-1], _keeps_serving(kept))

    front = next((r for r in revisions if r.id == serving), None)
    status = snapshot.installation.status
    statuses = [r.status(serving) for r in revisions]
    # A record that cannot be read, or a spec that asks for nothing just now, takes no evidence away: what is known
    # of a revision is kept for as long as its children are.
    known = {r.id for r in statuses}
    statuses += [r for r in status.revisions if r.id not in known and (target is None or r.id == serving)]
    desired: dict[Key, Desired] = {}
    for wanted in (d for r in revisions for d in r.desired):
        desired.setdefault(wanted.key, wanted)  # a Service that moves: the target's word counts
    alive = {r for r in (target.id if target else None, serving) if r is not None}
    return Plan(
        findings=complete,
        held_up=held_up,
        desired=tuple(desired.values()),
        prune=_prune(snapshot, alive) if target is not None else (),
        render=tuple(r.render_request() for r in revisions if r.rendered() is None and r.wiring is not None),
        bindings=bindings.shown if bindings is not None else (),
        revisions=tuple(statuses),
        revision=target.id if target else None,
        serving=serving,
        serving_version=front.renderer.inputs.version.version if front else serving and status.serving_version,
        url=front.renderer.url() if front else serving and status.url,
        products=front.products() if front else status.products if serving else (),
        retry=_retry_token(snapshot),
        requeue_after=_requeue_after(snapshot, target, bindings),
        suspended=snapshot.installation.spec.suspend,
    )


def _prune(snapshot: Snapshot, alive: set[str]) -> tuple[Key, ...]:
    return tuple(
        sorted(
            c.key
            for c in snapshot.children.values()
            if c.kind in PRUNABLE and c.revision not in alive and not c.deleting
        )
    )
