"""The decision: what should exist now, and what is true, given a Snapshot. Pure.

    accept → bind → provision → calibrate → validate → serve

Each step looks at what the one before it established and either passes on, or stops with a Finding that says why.
Beside the *target* (the revision that the spec asks for) there may be a *serving* revision, which is kept whole until
the target's Services lead to the target.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from ddtas import names
from ddtas.api.base import Recalibration, Verdict
from ddtas.api.evidence import Evidence, Outcome, RevisionState, RevisionStatus
from ddtas.api.installation_status import Binding, ProductStatus, RecalibrationStatus
from ddtas.api.platform import MunicipalityPlatform
from ddtas.api.workload import Component, Task
from ddtas.errors import TemplateError
from ddtas.plan import clock
from ddtas.plan.children import volumes
from ddtas.plan.children.desired import Desired, Owner
from ddtas.plan.children.diff import desired_digest
from ddtas.plan.children.manifests import Renderer
from ddtas.plan.children.network_policy import Reached, Traffic
from ddtas.plan.children.template import BindingContext
from ddtas.plan.children.wiring import Wiring
from ddtas.plan.decision import rules
from ddtas.plan.decision.plan import PRUNABLE, Frozen, Plan, RenderRequest
from ddtas.plan.findings import (
    CREDENTIALS_PASSED_ON,
    OFFERS_REACHABLE,
    STAGES,
    UP_TO_DATE,
    Finding,
    Stage,
    not_yet,
    true,
)
from ddtas.plan.matching.binding import bounded
from ddtas.plan.matching.checks import Circumstances
from ddtas.plan.products import Ref, port_of, readdressed
from ddtas.plan.reasons import Course, Reason, Refusal
from ddtas.plan.revision import BoundSource, RevisionInputs, digest
from ddtas.plan.runs import evidence, monitoring, recalibration
from ddtas.plan.runs.evidence import CALIBRATE, MONITOR, VALIDATE
from ddtas.plan.runs.last_words import Hidden, hidden
from ddtas.plan.runs.recalibration import Cause
from ddtas.plan.snapshot import Child, DeploymentFacts, JobFacts, Key, PodFacts, Snapshot, SourceObservation
from ddtas.plan.turns import Turns, in_turns
from ddtas.plan.twins import upstreams
from ddtas.plan.versions import choice, parameters, past
from ddtas.schema.types import Window

_UNTRIED = "they have not been tried yet"
# How long a finished Job may be without its pod's last event, before the result counts as lost.
_LOST_AFTER = timedelta(seconds=60)
_LOOK_AGAIN_SECONDS = 15.0
_LOOK_AT_LEAST_SECONDS = 3600.0
# What a monitoring run found goes into the status first, and is acted on at the next look.
_ACT_SECONDS = 1.0


@dataclass
class _Revision:
    """One revision with what is known of it; `desired` grows as its steps succeed."""

    snapshot: Snapshot
    renderer: Renderer
    wiring: tuple[Wiring, ...] | None
    known: RevisionStatus | None
    # Of the target only: when its evidence expires, and why it is another revision than before.
    policy: Recalibration | None = None
    cause: Cause | None = None
    measured: str | None = None
    kept: bool = False  # it serves, and is not what the spec asks for
    desired: list[Desired] = field(default_factory=list)
    claims: volumes.Claims = field(default_factory=volumes.Claims)
    calibration: Evidence | None = None
    validation: Evidence | None = None
    monitoring: Evidence | None = None
    # When something may change of which nothing will be heard.
    until: datetime | None = None
    requeue_after: float | None = None

    def __post_init__(self) -> None:
        # What is known is not forgotten where the decision stops before it looks at the runs.
        if self.known is not None:
            self.calibration, self.validation = self.known.calibration, self.known.validation
            self.monitoring = self.known.monitoring
            # What was measured when it was calibrated, not what is measured now.
            self.measured = self.known.measured or self.measured

    @property
    def id(self) -> str:
        return self.renderer.revision

    @property
    def hidden(self) -> Hidden:
        """What its containers were given, and no message may show."""
        return hidden(self.snapshot, (b.data_source for b in self.renderer.inputs.bindings))

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

    def claim(self, starts: bool = False) -> volumes.Claims:
        """The revision's volumes; `starts` once its components are."""
        self.claims = volumes.claims(self.snapshot, self.renderer.owner, self.renderer.inputs, starts)
        return self.claims

    def base(self) -> list[Desired]:
        r = self.renderer
        bindings = [wanted for w, wanted in self._bindings() if not self._keeps(w, wanted)]
        return [r.record(), r.config(), *bindings, r.network_policy(self.traffic())]

    def traffic(self) -> Traffic:
        """Who may reach its pods, and whom they may reach, as it is now."""
        snapshot, rendered = self.snapshot, self.rendered()
        platform = snapshot.platform.spec if isinstance(snapshot.platform, MunicipalityPlatform) else None
        products = (port_of(p.source.endpoint) for p in self.products())
        return Traffic(
            surroundings=snapshot.surroundings,
            namespace=self.renderer.owner.namespace,
            platform=platform,
            version=self.renderer.inputs.version,
            sources=tuple(Reached(w.source, w.upstream) for w in self.wiring or ()),
            ports=self.renderer.ports(rendered if isinstance(rendered, tuple) else ()),
            offered=frozenset(port for port in products if port is not None),
            recipients=snapshot.recipients,
        )

    def _bindings(self) -> list[tuple[Wiring, Desired]]:
        wiring = self.wiring or ()
        return list(zip(wiring, self.renderer.bindings(wiring), strict=True))

    def _keeps(self, wiring: Wiring, wanted: Desired) -> bool:
        """Whether a binding stays as it is, because it is to have credentials with which no probe has succeeded.

        What it has is known by its digest alone, so this needs no memory, and survives a restart.
        """
        child = self.snapshot.children.get(wanted.key)
        return bool(wiring.doubt) and child is not None and child.asked != desired_digest(wanted.manifest)

    def keeps(self) -> list[Wiring]:
        """The bindings that keep the credentials that they have."""
        return [w for w, wanted in self._bindings() if self._keeps(w, wanted)]

    def untried(self) -> Wiring | None:
        """A binding that is still to be made, and whose credentials are tried first."""
        children = self.snapshot.children
        return next((w for w, wanted in self._bindings() if w.changed and wanted.key not in children), None)

    def bindings_digest(self) -> str:
        """Changes when an address or a credential that is passed on changes.

        Whoever may read Deployments may not read Secrets, and must not be able to try passwords on it: the uid of the
        credentials' Secret, which is told nowhere, makes it another one for each.
        """
        found = []
        for w, wanted in self._bindings():
            child = self.snapshot.children.get(wanted.key)
            asked = child.asked if child is not None and self._keeps(w, wanted) else desired_digest(wanted.manifest)
            found.append([w.requirement, w.secret.uid if w.secret is not None else "", asked])
        return digest(found)[:16]

    def workloads(self) -> list[Desired]:
        """What serves; needs both runs' evidence."""
        assert self.calibration is not None  # noqa: S101 - only called when both have passed
        assert self.validation is not None  # noqa: S101
        r, bindings = self.renderer, self.bindings_digest()
        rendered = self.rendered()
        return [
            r.calibrated(self.calibration),
            r.evidence(self.calibration, self.validation),
            *r.adopted(rendered if isinstance(rendered, tuple) else ()),
            *(r.deployment(c, bindings) for c in r.inputs.version.components),
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
            return tuple(
                readdressed(p, self.renderer.owner.name, self.renderer.owner.namespace) for p in status.products
            )
        return self.renderer.products(self.snapshot.me)

    def services_switched(self) -> bool:
        children = self.snapshot.children
        services = self.renderer.services()
        return all(d.key in children and children[d.key].revision == self.id for d in services)

    def pods(self, *, phase: str = "", component: str = "", job: str = "") -> list[PodFacts]:
        found = [
            c.facts
            for c in self.snapshot.children_of(self.id, "Pod")
            if c.phase == phase
            and c.component == component
            and c.name.startswith(job)
            and isinstance(c.facts, PodFacts)
        ]
        return found

    def told(self) -> str | None:
        """The reason that the status gives for this revision as a whole; None when it speaks of another one."""
        status = self.snapshot.installation.status
        ready = next((c.reason for c in status.conditions if c.type == "Ready"), None)
        return ready if status.revision == self.id else None

    def job(self, phase: str) -> Child | None:
        return self.snapshot.children.get(("Job", self.renderer.name(phase)))

    def assess(self, phase: str, run: Task, must_not_see: tuple[Window, ...]) -> Evidence | None:
        known = self.calibration if phase == CALIBRATE else self.validation
        return self.assess_job(self.job(phase), known, self.pods(phase=phase), run, must_not_see)

    def assess_job(
        self,
        job: Child | None,
        known: Evidence | None,
        pods: list[PodFacts],
        run: Task,
        must_not_see: tuple[Window, ...] = (),
    ) -> Evidence | None:
        finished, now = None, self.snapshot.now
        if job is not None and isinstance(job.facts, JobFacts) and job.facts.state != "Running":
            finished = job.facts.finished_at or now
            # By our clock: evidence from the future would be older than it says for as long as the other is ahead.
            job = replace(job, facts=replace(job.facts, finished_at=min(finished, now)))
        # A pod that is there will still say how it ended. How long one that is not has been gone, a clock that was
        # wrong does not tell either way.
        lost = finished is not None and not pods and abs(now - finished) > _LOST_AFTER
        result = evidence.assess(known, job, pods, run, must_not_see, lost, self.hidden)
        if result is None and finished is not None:
            self.requeue_after = _LOOK_AGAIN_SECONDS
        return result

    def watched(self, start: bool) -> Child | None:
        """Monitor this revision, which serves: take in the newest run, and begin the next one where it is due.

        Args:
            start: whether a run may begin; not while the runs of another revision go on.

        Returns:
            The newest Job, to be kept.
        """
        wanted = self.renderer.inputs.version.monitoring
        job = monitoring.newest(self.snapshot.children_of(self.id, "Job"), self.snapshot.now)
        if wanted is None or self.validation is None or self.validation.completed_at is None:
            return job
        if job is not None:
            known = self.monitoring if self.monitoring is not None and self.monitoring.job == job.name else None
            pods = self.pods(phase=MONITOR, job=f"{job.name}-")
            found = self.assess_job(job, known, pods, wanted)
            if found != known and recalibration.drifted(found):
                self.requeue_after = _ACT_SECONDS
            self.monitoring = found or self.monitoring
        plan = monitoring.plan_of(wanted, self.renderer.owner.uid)
        since = self.validation.completed_at
        watch = monitoring.watch(plan, self.renderer.prefix, self.monitoring, job, since, self.snapshot.now)
        if start and watch.start is not None:
            self.desired.append(self.renderer.job(MONITOR, wanted, watch.start))
        self.until = watch.next
        return job

    def status(self, serving: str | None) -> RevisionStatus:
        found = RevisionStatus(
            id=self.id,
            version=self.renderer.inputs.version.version,
            state=RevisionState.SERVING if self.id == serving else RevisionState.CANDIDATE,
            calibration=self.calibration,
            validation=self.validation,
            monitoring=self.monitoring,
            measured=self.measured,
            upstreams=upstreams.feeds(self.snapshot, self.renderer.inputs.bindings, self.known),
        )
        failed = self.id != serving and past.failed(found)
        return found.model_copy(update={"state": RevisionState.FAILED}) if failed else found


def _wire(snapshot: Snapshot, bindings: Iterable[BoundSource]) -> tuple[Wiring, ...] | Refusal:
    """The bound sources with their credentials; or which one is gone, of another kind, or without its credentials."""
    wiring = []
    assert isinstance(snapshot.platform, MunicipalityPlatform)  # noqa: S101 - accepted, or checked by the caller
    for bound in bindings:
        source = snapshot.source(bound.data_source)
        if source is None:
            text = f"data source {bound.data_source} is gone from the platform"
            return Refusal(Reason.REQUIREMENT_NOT_MET, text)
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
        ours = product is not None and product.source is source
        upstream = product.upstream if product and ours else None
        seen = snapshot.observations.get(source.name) if secret is not None else None
        doubt = _doubt(seen) if secret is not None else ""
        changed = seen is not None and seen.current is False
        wiring.append(Wiring(bound.requirement, source, secret, upstream, doubt, changed))
    return tuple(wiring)


def _doubt(seen: SourceObservation | None) -> str:
    """Why nobody knows that a source can be read with the credentials that there are now; "" where somebody does."""
    if seen is None or not seen.current:
        return _UNTRIED
    return f"{seen.reason}: {seen.message}" if seen.state != "Reachable" else ""


@dataclass(frozen=True, slots=True)
class Bindings:
    """What binding came to.

    Attributes:
        finding: for the condition DataBound.
        shown: for the status.
        bound: for the revision; None where a requirement is not met.
        wiring: the bound sources as they are now; None where one is gone, of another kind, or lacks its credentials.
        until: when this changes although nothing is heard, because the newest record has become too old.
    """

    finding: Finding
    shown: tuple[Binding, ...] = ()
    bound: tuple[BoundSource, ...] | None = None
    wiring: tuple[Wiring, ...] | None = None
    until: datetime | None = None


@in_turns
def bind(snapshot: Snapshot, accepted: rules.Accepted) -> Turns[Bindings]:
    """Find a source for each requirement of an accepted version."""
    spec, requirements = snapshot.installation.spec, accepted.version.data_requirements
    unknown = sorted({b.requirement for b in spec.bindings} - {r.name for r in requirements})
    if unknown:
        has = ", ".join(r.name for r in requirements)
        text = f"spec.bindings: the app has no requirement {', '.join(unknown)}; it has {has}"
        return Bindings(not_yet(Stage.DATA_BOUND, Reason.BINDING_INVALID, text))
    platform = accepted.platform.spec
    circumstances = Circumstances(accepted.windows, snapshot.now, platform.municipality.area)
    answers = yield from upstreams.answers.turns(snapshot, platform, requirements, circumstances)
    shown = bounded([a.binding for a in answers])
    # A source that needs a Secret that is not there cannot be probed either: the Secret is what to name.
    for answer in answers:
        candidate = answer.binding.data_source or next((n.data_source for n in answer.binding.near_misses), None)
        if candidate is None or platform.source(candidate) is None:
            continue
        if answer.reason not in (Reason.BOUND, Reason.PROBING, Reason.DATA_SOURCE_UNREACHABLE):
            continue
        bound = BoundSource(requirement=answer.binding.requirement, data_source=candidate, contract_version="")
        refusal = _wire(snapshot, [bound])
        if isinstance(refusal, Refusal):
            return Bindings(not_yet(Stage.DATA_BOUND, refusal.reason, refusal.message), shown)
    for answer in answers:
        if answer.reason is not Reason.BOUND:
            return Bindings(not_yet(Stage.DATA_BOUND, answer.reason, answer.message[:2000]), shown)
    bindings = tuple(
        BoundSource(
            requirement=b.requirement,
            data_source=b.data_source or "",
            contract_version=b.contract_version or "",
            kind=source.kind if (source := snapshot.source(b.data_source or "")) is not None else None,
        )
        for b in shown
    )
    wired = _wire(snapshot, bindings)
    wiring = None if isinstance(wired, Refusal) else wired
    finding = true(Stage.DATA_BOUND, Reason.BOUND, "; ".join(a.message for a in answers))
    until = min((a.until for a in answers if a.until is not None), default=None)
    return Bindings(finding, shown, bindings, wiring, until)


def _bound_as_recorded(snapshot: Snapshot, inputs: RevisionInputs) -> Bindings:
    """The sources of a revision that is to serve again: those that its evidence is about, and no others."""
    shown = tuple(
        Binding(
            requirement=b.requirement,
            verdict=Verdict.MET,
            data_source=b.data_source,
            contract_version=b.contract_version or None,
        )
        for b in inputs.bindings
    )
    wiring = _wire(snapshot, inputs.bindings)
    if isinstance(wiring, Refusal):
        text = f"revision {inputs.id} needs it: {wiring.message}"
        return Bindings(not_yet(Stage.DATA_BOUND, wiring.reason, text), shown)
    text = "; ".join(f"{b.requirement} ← {b.data_source} ({b.contract_version})" for b in inputs.bindings)
    return Bindings(true(Stage.DATA_BOUND, Reason.BOUND, f"as recorded: {text}"), shown, inputs.bindings, wiring)


def _run_finding(step: str, revision: _Revision, phase: str, found: Evidence | None) -> Finding:
    word = "calibration" if phase == CALIBRATE else "validation"
    job, child = revision.renderer.name(phase), revision.job(phase)
    if found is not None:
        reason = Reason.named(found.reason)
        text = f"{word} of revision {revision.id}: {found.message}"
        if found.outcome is Outcome.PASSED:
            return true(step, reason, text)
        if reason not in (Reason.THRESHOLD_NOT_MET, Reason.IMAGE_PULL_FAILED):
            text += f"; see `kubectl logs job/{job}`"
        return not_yet(step, reason, text)
    waiting = [p for p in revision.pods(phase=phase) if p.unschedulable]
    detail = f"no node has room for it: {waiting[0].unschedulable}" if waiting else "is running"
    if child is not None and isinstance(child.facts, JobFacts) and child.facts.trouble:
        detail = f"{child.facts.trouble}, so nobody knows whether it has ended; see `kubectl get job/{job} -o yaml`"
    reason = Reason.CALIBRATING if phase == CALIBRATE else Reason.VALIDATING
    return not_yet(step, reason, f"Job {job} {detail}")


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
            return not_yet(Stage.SERVING, Reason.IMAGE_PULL_FAILED, text)
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
            detail = evidence.crashed(crashed, revision.hidden)
        without = "" if crashed is not None else _without_node(revision, component, pods)
        if detail:
            look = without or _where_to_look(component, pods, name)
            return not_yet(Stage.SERVING, Reason.ROLLOUT_FAILED, f"component {component.name}: {detail}; {look}")
        waiting.append(f"{component.name} ({without})" if without else component.name)
    if waiting:
        return not_yet(Stage.SERVING, Reason.ROLLING_OUT, f"waiting for {', '.join(waiting)} to become ready")
    return None


def _without_node(revision: _Revision, component: Component, pods: list[PodFacts]) -> str:
    """Why no node takes a pod of a component; "" where one does.

    A volume without a node is not wrong in itself: many are made where their first pod is to run.
    """
    said = next((p.unschedulable for p in pods if p.unschedulable), "")
    if not said:
        return ""
    trouble = volumes.trouble(revision.snapshot, revision.renderer.owner.name, component)
    return f"no node takes it: {said}{f'; {trouble}' if trouble else ''}"


def _where_to_look(component: Component, pods: list[PodFacts], deployment: str) -> str:
    """A container that does not start because its volumes cannot be mounted has no log; its pod's Events say it."""
    if component.volumes and any(p.waiting_reason == "ContainerCreating" for p in pods):
        label = f"{names.LABEL_COMPONENT}={component.name}"
        return f"its pod waits, perhaps for a volume; see `kubectl describe pods -l {label}`"
    return f"see `kubectl logs deployment/{deployment}`"


def _advance(revision: _Revision, serving: str | None) -> list[Finding]:
    """Provision, calibrate, validate and serve the target: collects what should exist, and stops where it must."""
    version = revision.renderer.inputs.version
    rendered = revision.rendered()
    if rendered is None:
        return [not_yet(Stage.PROVISIONED, Reason.PROVISIONING, "the listing's templates are being rendered")]
    if isinstance(rendered, TemplateError):
        return [not_yet(Stage.PROVISIONED, Reason.named(rendered.reason), rendered.message[:2000])]

    untried = revision.untried() if revision.id != serving else None
    if untried is not None:
        text = f"data source {untried.source.name}: its credentials were changed, and are tried first"
        return [not_yet(Stage.PROVISIONED, Reason.PROBING, text)]

    claims, base = revision.claim(), revision.base()
    if claims.refusal is not None:
        provisioned = not_yet(Stage.PROVISIONED, claims.refusal.reason, claims.refusal.message)
    elif claims.waits:
        provisioned = not_yet(Stage.PROVISIONED, Reason.PROVISIONING, claims.waits[:2000])
    elif revision.exists(base):
        provisioned = true(Stage.PROVISIONED, Reason.PROVISIONED, f"revision {revision.id}, version {version.version}")
    else:
        provisioned = not_yet(Stage.PROVISIONED, Reason.PROVISIONING, f"{len(base)} objects of revision {revision.id}")
    findings = [provisioned]
    if claims.refusal is None or revision.id == serving:
        revision.desired += base
    if provisioned.status != "True" and revision.id != serving:
        return findings

    windows = revision.renderer.inputs.windows
    revision.calibration = revision.assess(CALIBRATE, version.calibration, (windows.validation,))
    findings.append(_run_finding(Stage.CALIBRATED, revision, CALIBRATE, revision.calibration))
    if not evidence.is_final(revision.calibration):
        revision.desired.append(revision.renderer.job(CALIBRATE, version.calibration))
    if revision.calibration is None or revision.calibration.outcome is not Outcome.PASSED:
        return findings

    revision.validation = revision.assess(VALIDATE, version.validation, revision.calibration.windows)
    findings.append(_run_finding(Stage.VALIDATED, revision, VALIDATE, revision.validation))
    if not evidence.is_final(revision.validation):
        revision.desired.append(revision.renderer.calibrated(revision.calibration))
        revision.desired.append(revision.renderer.job(VALIDATE, version.validation))
    if revision.validation is None or revision.validation.outcome is not Outcome.PASSED:
        return findings

    revision.claim(starts=True)
    revision.desired += revision.workloads()
    obstacle = _obstacle(revision)
    # No Service leads to a revision that was never ready; one that serves keeps its Services through a bad moment.
    if obstacle is None or revision.id == serving:
        revision.desired += revision.serving()
    if obstacle is None and not revision.services_switched():
        obstacle = not_yet(Stage.SERVING, Reason.ROLLING_OUT, "the Services are being pointed at this revision")
    where = revision.renderer.url() or "its components"
    findings.append(obstacle or true(Stage.SERVING, Reason.SERVING, f"revision {revision.id} serves at {where}"))
    return findings


def _kept(snapshot: Snapshot, owner: Owner, serving: str) -> _Revision | None:
    """The serving revision from its own record, where that can still be read and rendered."""
    known = snapshot.installation.status.evidence(serving)
    if known is None or known.calibration is None or known.validation is None:
        return None
    inputs = past.recorded(snapshot, serving)
    if inputs is None:
        return None
    wiring = None
    if isinstance(snapshot.platform, MunicipalityPlatform):
        wired = _wire(snapshot, inputs.bindings)
        wiring = None if isinstance(wired, Refusal) else wired
    kept = _Revision(snapshot, Renderer(owner, inputs), wiring, known, kept=True)
    kept.claim()
    if wiring is not None and not isinstance(kept.rendered(), TemplateError | None):
        kept.desired = [*kept.base(), *kept.workloads(), *kept.serving()]
    return kept


def _keeps_serving(kept: _Revision) -> Finding:
    version = kept.renderer.inputs.version.version
    facts = [c.facts for c in kept.snapshot.children_of(kept.id, "Deployment") if isinstance(c.facts, DeploymentFacts)]
    text = f"revision {kept.id} (version {version}) keeps serving"
    if facts and all(f.available for f in facts):
        return true(Stage.SERVING, Reason.KEEPS_SERVING, text)
    return Finding(Stage.SERVING, "False", Reason.ROLLOUT_FAILED, f"{text}, but not all its components are ready")


def _complete(findings: list[Finding]) -> tuple[Finding, ...]:
    """A finding for each step: those that could not be reached wait for the one that stopped."""
    last = findings[-1]
    for step in STAGES[len(findings) :]:
        waiting = Reason.NOT_SERVING if step == Stage.SERVING else Reason.WAITING
        status: Literal["False", "Unknown"] = "False" if step == Stage.SERVING else "Unknown"
        findings.append(Finding(step, status, waiting, f"waits for {last.condition} ({last.reason})"))
    return tuple(findings)


def _begun(snapshot: Snapshot) -> datetime | None:
    """When the newest recalibration began."""
    newest = snapshot.installation.status.recalibration
    return newest.since if newest is not None else None


def _retry_token(snapshot: Snapshot) -> str | None:
    """The newest retry token; one that was taken up stays in force when its annotation is removed.

    A new one waits for a moment where a recalibration has just begun: a token that a machine edits again and again must
    not begin one run after the other.
    """
    token = snapshot.installation.metadata.annotations.get(names.ANNOTATION_RETRY, "")[:64]
    last = snapshot.installation.status.last_retry
    return last if not token or _held(snapshot) is not None else token


def _held(snapshot: Snapshot) -> datetime | None:
    """Until when a new retry token is not taken up; None where there is none, or it is."""
    token = snapshot.installation.metadata.annotations.get(names.ANNOTATION_RETRY, "")[:64]
    begun = _begun(snapshot)
    if begun is None or token in ("", snapshot.installation.status.last_retry):
        return None
    return None if clock.elapsed(begun, snapshot.now, recalibration.RETRY_PAUSE) else begun + recalibration.RETRY_PAUSE


def _frozen(snapshot: Snapshot) -> Frozen | None:
    spec, platform = snapshot.installation.spec, snapshot.platform
    if spec.suspend:
        return Frozen(Reason.SUSPENDED, "spec.suspend is true: nothing new is done")
    if isinstance(platform, MunicipalityPlatform) and platform.spec.suspend:
        text = f"spec.suspend of platform {platform.metadata.name} is true: nothing new is done"
        return Frozen(Reason.SUSPENDED, text)
    if spec.mode == "Plan":
        return Frozen(Reason.PLANNED, "spec.mode is Plan: nothing is done; status.plan says what would be")
    return None


def _round(snapshot: Snapshot, serving: str | None) -> str | None:
    """The round of recalibration that is in force."""
    status = snapshot.installation.status
    if status.recalibration is not None or status.revisions or serving is None:
        return status.recalibration.round if status.recalibration is not None else None
    recorded = past.recorded(snapshot, serving)  # the status was lost
    return recorded.round if recorded is not None else None


def _another(snapshot: Snapshot, owner: Owner, inputs: RevisionInputs, serving: str | None) -> Cause | None:
    """Why the spec asks for another revision than before, where that is a cause for recalibration."""
    before, record = snapshot.installation.status.revision, names.revision_prefix(owner.name, inputs.id)
    if before == inputs.id and ("ControllerRevision", record) in snapshot.children:
        return None
    old = past.recorded(snapshot, before) if before is not None and before != inputs.id else None
    if old is None and serving is not None and serving != inputs.id:
        # It was asked for before, while nothing was done; or nothing was asked for in between.
        old = past.recorded(snapshot, serving)
        old = old if old is not None and old.round == inputs.round else None
    if old is None:
        return None
    return recalibration.difference(old, inputs, snapshot.installation.spec.parameters)


def _target(
    snapshot: Snapshot, owner: Owner, serving: str | None
) -> Turns[tuple[list[Finding], Bindings | None, _Revision | None]]:
    """Accept and bind: from the spec to the revision that it asks for."""
    accepted = rules.accept(snapshot)
    if isinstance(accepted, Refusal):
        return [not_yet(Stage.ACCEPTED, accepted.reason, accepted.message[:2000])], None, None
    listing, version, recorded = accepted.listing.metadata.name, accepted.version, accepted.recorded
    yield
    if recorded is None:
        bindings = yield from bind.turns(snapshot, accepted)
    else:
        bindings = _bound_as_recorded(snapshot, recorded)
    back = f"back to revision {recorded.id} (spec.rollbackTo): " if recorded is not None else ""
    text = f"{back}listing {listing}, version {version.version}"
    if accepted.doubts:
        text += f"; not known of platform {accepted.platform.metadata.name}: {'; '.join(accepted.doubts)}"
    findings = [true(Stage.ACCEPTED, Reason.ACCEPTED, text), bindings.finding]
    if bindings.bound is None:
        return findings, bindings, None
    inputs = recorded or RevisionInputs(
        listing=listing,
        version=version,
        municipality=accepted.platform.spec.municipality,
        parameters=accepted.parameters,
        bindings=bindings.bound,
        windows=accepted.windows,
        retry=_retry_token(snapshot),
        round=_round(snapshot, serving),
        from_city=parameters.from_city(
            version.parameters, snapshot.installation.spec.parameters, accepted.platform.spec.parameters
        ),
    )
    status, policy = snapshot.installation.status, accepted.recalibration
    if recorded is not None:  # it serves with the evidence that it has, for as long as the spec says so
        return (
            findings,
            bindings,
            _Revision(snapshot, Renderer(owner, inputs), bindings.wiring, status.evidence(inputs.id)),
        )
    measured = recalibration.measured_digest(version.data_requirements, bindings.bound, snapshot.observations)
    known, front = status.evidence(inputs.id), status.evidence(serving or "")
    watched = front.monitoring if front is not None else None
    attempt = recalibration.Attempt(known, inputs.round, _begun(snapshot), watched, measured)
    cause = None
    if _frozen(snapshot) is None:
        cause = recalibration.called_for(policy, owner.uid, snapshot.now, attempt)
    if cause is not None:
        inputs = inputs.model_copy(update={"round": cause.round})
        known = status.evidence(inputs.id)
    else:
        cause = _another(snapshot, owner, inputs, serving)
    revision = _Revision(snapshot, Renderer(owner, inputs), bindings.wiring, known, policy, cause, measured)
    return findings, bindings, revision


def _requeue_after(now: datetime, revisions: Iterable[_Revision], until: Iterable[datetime | None]) -> float | None:
    """Seconds until something may change of which nothing will be heard."""
    waits = [r.requeue_after for r in revisions if r.requeue_after is not None]
    # Past it, the next look decides.
    waits += [max(_LOOK_AGAIN_SECONDS, (moment - now).total_seconds()) for moment in until if moment is not None]
    # The clock may be put ahead meanwhile.
    return min(*waits, _LOOK_AT_LEAST_SECONDS) if waits else None


def _recalibration(target: _Revision | None, snapshot: Snapshot) -> RecalibrationStatus | None:
    """The newest recalibration, and when time brings the next one."""
    old = snapshot.installation.status.recalibration
    if target is None:
        return old.model_copy(update={"next": None}) if old is not None else None
    since, in_force = recalibration.ended(target.status(None)), target.renderer.inputs.round
    timed = None
    if since is not None:
        timed = recalibration.due(target.policy, target.renderer.owner.uid, since, in_force, snapshot.now)
    cause = target.cause if _frozen(snapshot) is None else None
    following = timed.moment if timed is not None else None
    return recalibration.status(old, cause, in_force, following, snapshot.now)


def _offers(snapshot: Snapshot) -> tuple[Finding, ...]:
    """That products are offered to where their addresses lead nowhere; nothing where they are not."""
    if not snapshot.apart:
        return ()
    named = ", ".join(Ref(*platform).seen_from(snapshot.me.namespace) for platform in snapshot.apart)
    text = (
        f"spec.offers: in another cluster than this app is, where the addresses of its products lead nowhere: {named}."
        " Publish a product behind an address that can be reached from there, have it listed in spec.dataSources"
        " there, and take the platform out of spec.offers"
    )
    return (Finding(OFFERS_REACHABLE, "False", Reason.OTHER_CLUSTER, text),)


def _credentials(revisions: Iterable[_Revision]) -> tuple[Finding, ...]:
    """That apps keep the credentials that they have; nothing where they have those that there are."""
    kept = {w.source.name: w for revision in revisions for w in revision.keeps()}
    if not kept:
        return ()
    said = "; ".join(
        f"data source {name}, Secret {w.source.credentials.secret_name if w.source.credentials else ''}: {w.doubt}"
        for name, w in sorted(kept.items())
    )
    text = f"changed credentials are not passed on, and those of before stay in use: {said}"
    if all(w.doubt == _UNTRIED for w in kept.values()):
        return (Finding(CREDENTIALS_PASSED_ON, "Unknown", Reason.CREDENTIALS_UNTRIED, text),)
    return (Finding(CREDENTIALS_PASSED_ON, "False", Reason.CREDENTIALS_REFUSED, text),)


def _up_to_date(
    standing: choice.Standing, findings: Iterable[Finding], held_up: Finding | None, served: str | None
) -> Finding:
    """The newest version is what is asked for; it is what there is once it serves."""
    found = Finding(UP_TO_DATE, standing.status, standing.reason, standing.message)
    stopped = next((f for f in findings if f.status != "True"), held_up)
    if standing.status != "True" or stopped is None or served == standing.version:
        return found
    text = f"version {standing.version} does not serve: {stopped.condition} ({stopped.reason})"
    text += f"; version {served} does" if served is not None else ""
    if stopped.reason.course is Course.STALLED:
        return replace(found, status="False", reason=Reason.VERSION_FAILED, message=text)
    return replace(found, status="Unknown", reason=Reason.WAITING, message=text)


def _owner(snapshot: Snapshot) -> Owner:
    meta, platform = snapshot.installation.metadata, snapshot.platform
    if isinstance(platform, MunicipalityPlatform) and platform.spec.cluster is not None:
        return Owner(meta.name, snapshot.workload_namespace, meta.uid, platform.metadata.uid)
    return Owner(meta.name, meta.namespace, meta.uid)


@in_turns
def decide(snapshot: Snapshot) -> Turns[Plan]:
    """Decide what to do next about one Installation.

    The plan depends on the snapshot alone: the same snapshot gives the same plan.
    """
    owner = _owner(snapshot)
    serving = past.observed_serving(snapshot)
    findings, bindings, target = yield from _target(snapshot, owner, serving)
    yield
    if target is not None:
        findings += _advance(target, serving)
        if len(findings) == len(STAGES) and findings[-1].status == "True":
            serving = target.id
    complete = _complete(findings)
    held_up: Finding | None = None

    revisions = [target] if target is not None else []
    if serving is not None and (target is None or serving != target.id):
        yield
        kept = _kept(snapshot, owner, serving)
        if kept is not None:
            revisions.append(kept)
            held_up = complete[-1]
            complete = (*complete[:-1], _keeps_serving(kept))

    yield
    front = next((r for r in revisions if r.id == serving), None)
    watched: Child | None = None
    if front is not None and front.desired:
        attempt = recalibration.ended(target.status(None)) if target is not None else None
        watched = front.watched(start=attempt is not None)
    status = snapshot.installation.status
    asks = target is not None
    remembered = past.remember([r.status(serving) for r in revisions], status.revisions, serving, asks)
    standing = choice.standing(snapshot)
    served = front.renderer.inputs.version.version if front else serving and status.serving_version
    desired: dict[Key, Desired] = {}
    for wanted in (d for r in revisions for d in (*r.claims.desired, *r.desired)):
        desired.setdefault(wanted.key, wanted)  # a Service that moves, a volume: the target's word counts
    anew = target.claims.prune if target is not None else ()
    for wanted in volumes.carried(snapshot, owner, {*desired, *anew}):
        desired[wanted.key] = wanted
    claims = [d for key, d in desired.items() if key[0] == volumes.CLAIM and key not in anew]
    alive = {r for r in (target.id if target else None, serving) if r is not None}
    recalibrated = _recalibration(target, snapshot)
    frozen = _frozen(snapshot)
    until = [r.until for r in revisions]
    until += [bindings.until if bindings is not None else None]
    until += [r.claims.until for r in revisions]
    if recalibrated is not None and frozen is None:
        until += [recalibrated.next, recalibration.waits_until(recalibrated.since, snapshot.now), _held(snapshot)]
    return Plan(
        findings=complete,
        held_up=held_up,
        notices=(_up_to_date(standing, complete, held_up, served), *_offers(snapshot), *_credentials(revisions)),
        desired=tuple(d for key, d in desired.items() if key not in anew),
        prune=(*_prune(snapshot, alive, {r.id for r in remembered}, watched), *anew) if asks else (),
        render=tuple(r.render_request() for r in revisions if r.rendered() is None and r.wiring is not None),
        bindings=bindings.shown if bindings is not None else (),
        revisions=remembered,
        revision=target.id if target else None,
        version=standing.version,
        available_version=standing.available,
        serving=serving,
        serving_version=served,
        url=front.renderer.url() if front else serving and status.url,
        products=front.products() if front else status.products if serving else (),
        volumes=volumes.shown(snapshot, claims, owner, [r.renderer.inputs for r in revisions], asks),
        retry=_retry_token(snapshot),
        recalibration=recalibrated,
        requeue_after=_requeue_after(snapshot.now, revisions, until),
        frozen=frozen,
        report_drift=snapshot.installation.spec.drift == "Report",
    )


def _prune(snapshot: Snapshot, alive: set[str], remembered: set[str], watched: Child | None) -> tuple[Key, ...]:
    """Children of other revisions, but the records of those that are remembered; monitoring runs, but the newest."""

    def stays(child: Child) -> bool:
        if child.revision not in alive:
            return child.kind == "ControllerRevision" and child.revision in remembered
        return child.phase != MONITOR or watched is None or child.name == watched.name

    return tuple(
        sorted(c.key for c in snapshot.children.values() if c.kind in PRUNABLE and not c.deleting and not stays(c))
    )
