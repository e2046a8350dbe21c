"""One revision, with all that was observed of it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ddtas.api.evidence import Evidence, HeldOut, RevisionState, RevisionStatus, UsedSource
from ddtas.api.installation_status import ProductStatus
from ddtas.api.platform import MunicipalityPlatform
from ddtas.api.workload import Task
from ddtas.errors import TemplateError
from ddtas.plan.children import holdout, orders, volumes
from ddtas.plan.children.desired import Desired, Owner
from ddtas.plan.children.diff import desired_digest
from ddtas.plan.children.manifests import Renderer
from ddtas.plan.children.network_policy import Reached, Traffic
from ddtas.plan.children.template import BindingContext
from ddtas.plan.children.wiring import Wiring
from ddtas.plan.decision.plan import RenderRequest
from ddtas.plan.products import port_of, readdressed
from ddtas.plan.revision import Revision, digest
from ddtas.plan.runs.attempts import Ledger
from ddtas.plan.runs.evidence import CALIBRATE
from ddtas.plan.runs.last_words import Hidden, hidden
from ddtas.plan.runs.scored import Exam
from ddtas.plan.snapshot import Child, PodFacts, Snapshot
from ddtas.plan.twins import upstreams
from ddtas.plan.twins.rights import Withheld, limited


@dataclass(frozen=True, slots=True)
class BoundSecret:
    """The Secret of one binding.

    Attributes:
        wiring: the source, with the credentials that there are now.
        desired: the Secret with those.
        kept: it stays as it is instead, because no probe has succeeded with those credentials.
        digest: of what the app gets.
    """

    wiring: Wiring
    desired: Desired
    kept: bool
    digest: str


@dataclass(frozen=True)
class RevisionView:
    """One revision, and what the snapshot has of it. What takes work is done once, when it is first needed.

    Attributes:
        snapshot: what was observed.
        owner: the Installation.
        revision: the revision.
        wiring: its sources as they are now; None where one is gone, of another kind, or lacks its credentials.
        known: what the status has of it.
        measured: digest of the fields of its data as they are measured now.
        serves: traffic goes to it.
        kept: it serves, and is not what the spec asks for.
    """

    snapshot: Snapshot
    owner: Owner
    revision: Revision
    wiring: tuple[Wiring, ...] | None
    known: RevisionStatus | None
    measured: str | None = field(default=None, kw_only=True)
    serves: bool = field(kw_only=True)
    kept: bool = field(default=False, kw_only=True)

    @property
    def id(self) -> str:
        """The revision's id."""
        return self.revision.id

    @cached_property
    def renderer(self) -> Renderer:
        """What makes its objects."""
        return Renderer(self.owner, self.revision, self.snapshot.runner.image)

    @cached_property
    def status(self) -> RevisionStatus:
        """The revision as the status has it before anything is found of its runs.

        What is known is not forgotten where the decision stops before it comes to the runs.
        """
        known, inputs = self.known, self.revision.inputs
        return RevisionStatus(
            id=self.id,
            version=inputs.version.version,
            state=RevisionState.CANDIDATE,
            calibration=known.calibration if known is not None else None,
            validation=known.validation if known is not None else None,
            monitoring=known.monitoring if known is not None else None,
            exam=known.exam if known is not None else (),
            # What was measured when it was calibrated, not what is measured now.
            measured=(known.measured if known is not None else None) or self.measured,
            upstreams=upstreams.used_products(self.snapshot, inputs.bindings, known),
            sources=self._sources,
        )

    @property
    def _sources(self) -> tuple[UsedSource, ...]:
        purposes = {r.name: r.purpose for r in self.revision.inputs.version.data_requirements}
        return tuple(
            UsedSource(requirement=b.requirement, data_source=b.data_source, purpose=purposes.get(b.requirement))
            for b in self.revision.inputs.bindings
        )

    @property
    def reported_reason(self) -> str | None:
        """The reason that the status gives for this revision as a whole; None when it speaks of another one."""
        status = self.snapshot.installation.status
        ready = next((c.reason for c in status.conditions if c.type == "Ready"), None)
        return ready if status.revision == self.id else None

    @cached_property
    def hidden(self) -> Hidden:
        """What its containers were given, and no message may show."""
        return hidden(self.snapshot, (b.data_source for b in self.revision.inputs.bindings))

    def exam(self, phase: str) -> Exam | None:
        """How the platform judges a run; None where the app reports its own metrics."""
        inputs = self.revision.inputs
        targets = inputs.version.targets
        if not targets:
            return None
        names = tuple(t.name for t in targets if phase != CALIBRATE)
        return Exam(names, holdout.windows(inputs, phase), sealed=not inputs.open_runs)

    @cached_property
    def exam_content(self) -> tuple[HeldOut, ...]:
        """What validation is judged on: as its data is now, or as it was known where that is gone."""
        if self.wiring is None:
            return self.known.exam if self.known is not None else ()
        return holdout.exam(self.revision.inputs, {w.requirement: w.source for w in self.wiring})

    @cached_property
    def ledger(self) -> Ledger:
        """The attempts on the platform."""
        platform = self.snapshot.platform
        return Ledger.of(platform.status) if isinstance(platform, MunicipalityPlatform) else Ledger()

    # ---- templates ----

    @property
    def rendered(self) -> tuple[Any, ...] | TemplateError | None:
        """What the listing's templates gave; None while they are not rendered."""
        if not self.revision.inputs.version.templates:
            return ()
        return self.snapshot.rendered.get(self.id)

    @property
    def complete(self) -> bool:
        """Whether all that its objects are made of is there."""
        return self.wiring is not None and isinstance(self.rendered, tuple) and not self.lacks_runner

    @cached_property
    def tables(self) -> frozenset[str]:
        """The requirements that its containers get as tables."""
        return frozenset(b.requirement for b in self.revision.inputs.bindings if b.table is not None)

    @property
    def lacks_runner(self) -> bool:
        """Whether it gets tables, and there is nothing to fetch them."""
        return bool(self.tables) and not self.snapshot.runner.image

    def render_request(self) -> RenderRequest | None:
        """The templates that are to be rendered; None where none are, or nobody knows what to render them with."""
        if self.rendered is not None or self.wiring is None:
            return None
        inputs, owner = self.revision.inputs, self.owner
        # No address: it may move within a revision, and what was rendered would not follow.
        bindings: dict[str, BindingContext] = {
            w.requirement: {"source": w.source.name, "kind": w.source.kind.value} for w in self.wiring
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

    # ---- bindings ----

    @cached_property
    def bindings(self) -> tuple[BoundSecret, ...]:
        """The Secret of each binding."""
        wiring = self.wiring or ()
        return tuple(self._bound(w, d) for w, d in zip(wiring, self.renderer.bindings(wiring), strict=True))

    def _bound(self, wiring: Wiring, desired: Desired) -> BoundSecret:
        """A Secret that is there is known by its digest alone, so this needs no memory, and survives a restart."""
        child, wanted = self.snapshot.children.get(desired.key), desired_digest(desired.manifest)
        if wiring.doubt and child is not None and child.asked != wanted:
            return BoundSecret(wiring, desired, True, child.asked)
        return BoundSecret(wiring, desired, False, wanted)

    @property
    def untried(self) -> Wiring | None:
        """A binding that is still to be made, and whose credentials are tried first."""
        children = self.snapshot.children
        return next((b.wiring for b in self.bindings if b.wiring.changed and b.desired.key not in children), None)

    @cached_property
    def bindings_digest(self) -> str:
        """Changes when an address or a credential that the app itself gets changes.

        What fetches a table reads its own again by itself, so those count for nothing.
        Whoever may read Deployments may not read Secrets, and must not be able to try passwords on it: the uid of the
        credentials' Secret, which is said nowhere, makes it another one for each.
        """
        parts = [
            [b.wiring.requirement, b.wiring.secret.uid if b.wiring.secret is not None else "", b.digest]
            for b in self.bindings
            if b.wiring.requirement not in self.tables
        ]
        return digest(parts)[:16]

    # ---- objects ----

    @cached_property
    def claims(self) -> volumes.Claims:
        """Its volumes, before its components are started."""
        return volumes.claims(self.snapshot, self.owner, self.revision.inputs)

    @cached_property
    def products(self) -> tuple[ProductStatus, ...]:
        """What is, or is to be, published of this revision."""
        return tuple(p for p in self._limited_products if isinstance(p, ProductStatus))

    @cached_property
    def withheld(self) -> tuple[Withheld, ...]:
        """The products that are not published, because of the data that they are made of."""
        return tuple(p for p in self._limited_products if isinstance(p, Withheld))

    @cached_property
    def _limited_products(self) -> tuple[ProductStatus | Withheld, ...]:
        """Its products, with no more rights than its sources have now.

        An edit of the listing's products counts for the target alone. What was published of a revision that is kept
        stands: its record has the products as they were when it was made.
        """
        status = self.snapshot.installation.status
        if self.kept and status.serving_revision == self.id:
            products = tuple(readdressed(p, self.owner.name, self.owner.namespace) for p in status.products)
        else:
            products = self.renderer.products(self.snapshot.me)
        sources = [w.source for w in self.wiring or ()]
        return tuple(limited(product, sources) for product in products)

    @property
    def _traffic(self) -> Traffic:
        """Who may reach its pods, and whom they may reach, as it is now."""
        snapshot, rendered = self.snapshot, self.rendered
        platform = snapshot.platform.spec if isinstance(snapshot.platform, MunicipalityPlatform) else None
        products = (port_of(p.source.endpoint) for p in self.products)
        return Traffic(
            surroundings=snapshot.surroundings,
            namespace=self.owner.namespace,
            platform=platform,
            version=self.revision.inputs.version,
            sources=tuple(Reached(w.source, w.upstream) for w in self.wiring or ()),
            ports=self.renderer.ports(rendered if isinstance(rendered, tuple) else ()),
            offered=frozenset(port for port in products if port is not None),
            recipients=snapshot.recipients,
        )

    @cached_property
    def base(self) -> tuple[Desired, ...]:
        """What its runs need: its record, configuration, bindings and NetworkPolicy."""
        r, bindings = self.renderer, (b.desired for b in self.bindings if not b.kept)
        return (r.record(), r.config(), *self._order, *bindings, r.network_policy(self._traffic))

    def run(self, phase: str, run: Task, part: str | None = None) -> Desired:
        """The Job of a run; for the arguments see Renderer.job."""
        return self.renderer.job(phase, run, part, self._order)

    @cached_property
    def _order(self) -> tuple[Desired, ...]:
        """What is to be fetched for its containers, where any gets a table."""
        if not self.tables:
            return ()
        network = orders.network_of(self.snapshot.runner, self.snapshot.surroundings)
        return tuple(self.renderer.order(self.wiring or (), network))

    def workloads(self, calibration: Evidence, validation: Evidence) -> tuple[Desired, ...]:
        """What serves, with what its runs found."""
        r, rendered = self.renderer, self.rendered
        return (
            r.calibrated(calibration),
            r.evidence(calibration, validation),
            *r.adopted(rendered if isinstance(rendered, tuple) else ()),
            *(r.deployment(c, self.bindings_digest) for c in r.inputs.version.components),
        )

    @cached_property
    def services(self) -> tuple[Desired, ...]:
        """The Services that lead to it."""
        return tuple(self.renderer.services())

    def entrances(self) -> tuple[Desired, ...]:
        """What leads to it: its Services, and what says where its products are."""
        return (*self.services, *self.renderer.product_bindings(self.products))

    # ---- what is there of them ----

    def exists(self, wanted: Iterable[Desired]) -> bool:
        """Whether some objects are all there."""
        children = self.snapshot.children
        return all(d.key in children and not children[d.key].deleting for d in wanted)

    def services_switched(self) -> bool:
        """Whether all Services lead to it."""
        children = self.snapshot.children
        return all(d.key in children and children[d.key].revision == self.id for d in self.services)

    def job(self, phase: str) -> Child | None:
        """The Job of a run."""
        return self.snapshot.children.get(("Job", self.renderer.name(phase)))

    def has_begun(self, phase: str) -> bool:
        """Whether the Job of a run is there."""
        return ("Job", self.renderer.name(phase)) in self.snapshot.children

    def pods(self, *, phase: str = "", component: str = "", job: str = "") -> list[PodFacts]:
        """The pods of a run, or of a component; of one Job where `job` is what their names begin with."""
        return [
            c.facts
            for c in self.snapshot.children_of(self.id, "Pod")
            if c.phase == phase
            and c.component == component
            and c.name.startswith(job)
            and isinstance(c.facts, PodFacts)
        ]
