"""The plan: what to do about an Installation, and what its status says."""

from dataclasses import dataclass

from ddtas.api.evidence import RevisionStatus
from ddtas.api.installation import Installation
from ddtas.api.installation_status import Binding, ProductStatus, RecalibrationStatus
from ddtas.api.platform import MunicipalityPlatform
from ddtas.api.volumes import VolumeStatus
from ddtas.plan.children.desired import Desired
from ddtas.plan.children.template import TemplateContext
from ddtas.plan.findings import Finding, Stage
from ddtas.plan.reasons import Reason
from ddtas.plan.snapshot import Key

# Kinds that are made for a revision, and go with it. Pods are their controllers' business; volumes stay.
PRUNABLE = frozenset({"Job", "Deployment", "Service", "ConfigMap", "Secret", "NetworkPolicy", "ControllerRevision"})


@dataclass(frozen=True)
class RenderRequest:
    """Templates that must be rendered (in the sandbox) before the decision can go on."""

    revision: str
    templates: tuple[tuple[str, str], ...]
    context: TemplateContext
    prefix: str
    namespace: str
    taken: frozenset[Key]


@dataclass(frozen=True, slots=True)
class Frozen:
    """Why nothing is done, whatever the plan says."""

    reason: Reason
    message: str


def frozen(installation: Installation, platform: object) -> Frozen | None:
    """Why nothing is done, whatever the plan says; `platform` may be missing, or not readable."""
    spec = installation.spec
    if spec.suspend:
        return Frozen(Reason.SUSPENDED, "spec.suspend is true: nothing new is done")
    if isinstance(platform, MunicipalityPlatform) and platform.spec.suspend:
        text = f"spec.suspend of platform {platform.metadata.name} is true: nothing new is done"
        return Frozen(Reason.SUSPENDED, text)
    if spec.mode == "Plan":
        return Frozen(Reason.PLANNED, "spec.mode is Plan: nothing is done; status.plan says what would be")
    return None


@dataclass(frozen=True)
class Plan:
    """What to do, and what to say.

    Attributes:
        findings: one for each stage, in order.
        held_up: why the target does not serve, while an earlier revision keeps Serving True in its place.
        notices: what is to be said beside the stages; it does not count for Ready.
        desired: the objects that should exist.
        prune: the objects that should not.
        render: the templates to render before this plan can go on.
        revision: the revision that the spec asks for; None while it leads to none.
        version: its version.
        serving: the revision that serves; None where none does.
        requeue_after: seconds until something may change of which nothing will be heard; None where nothing will.
        frozen: why nothing of it is done; None where it is done.
        report_drift: leave what was changed by hand as it is, and say so.
    """

    findings: tuple[Finding, ...]
    held_up: Finding | None = None
    notices: tuple[Finding, ...] = ()
    desired: tuple[Desired, ...] = ()
    prune: tuple[Key, ...] = ()
    render: tuple[RenderRequest, ...] = ()
    bindings: tuple[Binding, ...] = ()
    revisions: tuple[RevisionStatus, ...] = ()
    revision: str | None = None
    version: str | None = None
    available_version: str | None = None
    serving: str | None = None
    serving_version: str | None = None
    url: str | None = None
    products: tuple[ProductStatus, ...] = ()
    volumes: tuple[VolumeStatus, ...] = ()
    retry: str | None = None
    recalibration: RecalibrationStatus | None = None
    requeue_after: float | None = None
    frozen: Frozen | None = None
    report_drift: bool = False

    @property
    def suspended(self) -> bool:
        """Nothing is done: the plan is for the status only."""
        return self.frozen is not None

    @property
    def stage(self) -> Stage:
        """The stage that the Installation is at: the first one that does not hold; the last one where all do."""
        first = next((f for f in self.findings if not f.holds), self.held_up)
        return Stage(first.condition) if first is not None else Stage.SERVING

    def finding(self, stage: str) -> Finding:
        """The finding of a stage."""
        return next(f for f in self.findings if f.condition == stage)
