"""Shared builders: the example's objects as the API server would hand them over, and children as facts."""

import copy
import json
import marshal
from base64 import b64encode
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml

from ddtas.api.base import Resource
from ddtas.api.capabilities import MeasuredCapabilities
from ddtas.api.installation import Installation
from ddtas.api.listing import AppListing, Version
from ddtas.api.platform import DataSource, MunicipalityPlatform
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.plan.children.desired import Desired
from ddtas.plan.children.diff import desired_digest, diff
from ddtas.plan.children.volumes import CLAIM, imagined
from ddtas.plan.decision.decide import decide
from ddtas.plan.decision.plan import Plan, frozen
from ddtas.plan.decision.preview import preview
from ddtas.plan.runs.attempts import Ledger
from ddtas.plan.snapshot import (
    Child,
    ClaimFacts,
    ContainerFacts,
    DeploymentFacts,
    Invalid,
    JobFacts,
    Key,
    PodFacts,
    Secret,
    Snapshot,
    SourceObservation,
)
from ddtas.plan.status.changes import ChangeSet, Fault
from ddtas.plan.status.installation import installation_status
from ddtas.scoring.report import ScoreReport
from ddtas.settings import Runner, StorePolicy

JsonObject = dict[str, Any]
R = TypeVar("R", bound=Resource)

EXAMPLES = Path(__file__).parents[2] / "examples"
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
UID = "5f0c1b9e-0000-4000-8000-000000000001"

CALIBRATION_WINDOW = {"start": "2013-01-01", "end": "2014-12-31"}
VALIDATION_WINDOW = {"start": "2015-01-01", "end": "2016-12-31"}
SEED = {"name": "seed", "type": "integer", "minimum": "0", "default": "1", "description": "What it draws from."}
PASSING = {"NSE": 0.72, "RSR": 0.53, "absPBIAS": 4.2}


@cache
def _documents(name: str) -> tuple[JsonObject, ...]:
    return tuple(yaml.safe_load_all((EXAMPLES / name).read_text()))


def example(name: str, kind: str) -> JsonObject:
    """A fresh copy of the object of that kind in an example file, with the metadata that the API server adds."""
    body = copy.deepcopy(next(d for d in _documents(name) if d["kind"] == kind))
    body["metadata"] |= {"uid": UID, "generation": 1, "resourceVersion": "1"}
    return body


def scored_listing_body() -> JsonObject:
    """The example's AppListing: its app gets files, and the platform judges what it predicts."""
    return example("listing.yaml", "AppListing")


def listing_body(delivery: str = "Direct") -> JsonObject:
    """The same, as an app without targets: it reports its own metrics, and has a parameter for its seed.

    It reads its sources itself, unless something else is asked for.
    """
    body = scored_listing_body()
    for version in body["spec"]["versions"]:
        del version["targets"], version["calibration"]["command"], version["validation"]["command"]
        version["parameters"].insert(2, copy.deepcopy(SEED))
        for requirement in version["dataRequirements"]:
            requirement |= {"delivery": delivery} | ({"kinds": ["http-csv"]} if delivery == "Direct" else {})
    return body


def platform_body() -> JsonObject:
    """The example's MunicipalityPlatform."""
    return example("platform.yaml", "MunicipalityPlatform")


def installation_body() -> JsonObject:
    """The example's Installation."""
    return example("installation.yaml", "Installation")


def parsed(model: type[R], body: JsonObject) -> R:
    """What the operator makes of an object. What was read before is not read again: models are frozen."""
    # In version 2, the same objects are the same bytes.
    return cast("R", _parsed(model, marshal.dumps(body, 2)))


@lru_cache(maxsize=200)
def _parsed(model: type[R], body: bytes) -> R:
    return model.parse(marshal.loads(body))  # noqa: S302 - our own


def version(**changes: Any) -> Version:
    """The example's version, with top-level fields replaced."""
    return Version.model_validate(listing_body()["spec"]["versions"][0] | changes)


def source(**changes: Any) -> DataSource:
    """The example's data source, with top-level fields replaced."""
    return DataSource.model_validate(platform_body()["spec"]["dataSources"][0] | changes)


FACTS = SourceFacts(
    fields=(
        MeasuredField(name="date", type="date"),
        MeasuredField(name="precipitation_mm", type="number"),
        MeasuredField(name="potential_evapotranspiration_mm", type="number"),
        MeasuredField(name="discharge_m3s", type="number"),
    ),
    records=1827,
    first="2012-01-01",
    last="2016-12-31",
    time_resolution="P1D",
    size_bytes=60_000,
)
REACHABLE = SourceObservation("Reachable", "Read", "", FACTS, current=True)
UNREACHABLE = SourceObservation("Unreachable", "TooSlow", "no answer within 20 s")


def secret(**values: str) -> Secret:
    """A credentials Secret with plain values."""
    return Secret({key: b64encode(value.encode()).decode() for key, value in values.items()})


CREDENTIALS = secret(username="voorbeeldstad", password="only-for-this-test")


def result(metrics: JsonObject | None = None, window: JsonObject | None = None, **more: Any) -> str:
    """A termination message as the app contract has it."""
    body = {"metrics": PASSING if metrics is None else metrics, "windows": [window or CALIBRATION_WINDOW]} | more
    return json.dumps(body)


def calibration_report(**parameters: float) -> str:
    """What the container `score` says of a calibration."""
    listed = [{"name": name, "value": repr(value)} for name, value in parameters.items()]
    return ScoreReport.model_validate({"parameters": listed}).sealed()


def score_report(**metrics: float) -> str:
    """What it says of a validation of the example's target."""
    digest = "sha256:" + "0" * 64
    predicted = [{"target": "discharge", "rows": 731, "digest": digest, "truth": digest}]
    scores = [{"target": "discharge", "metric": name, "value": repr(value)} for name, value in metrics.items()]
    return ScoreReport.model_validate({"predicted": predicted, "scores": scores}).sealed()


@dataclass
class City:
    """An in-memory cluster with one Installation: applies plans as the operator does, and plays the controllers.

    Bodies are the JSON of the three objects and may be edited freely between steps; `tick` moves the clock.
    """

    installation: JsonObject = field(default_factory=installation_body)
    listing: JsonObject | str | None = field(default_factory=listing_body)
    platform: JsonObject | str | None = field(default_factory=platform_body)
    observations: dict[str, SourceObservation] = field(default_factory=lambda: {"river-gauge": REACHABLE})
    secrets: dict[str, Secret] = field(default_factory=lambda: {"water-board": CREDENTIALS})
    children: dict[Key, Child] = field(default_factory=dict)
    rendered: dict[str, Any] = field(default_factory=dict)
    policy: StorePolicy = field(default_factory=StorePolicy)
    runner: Runner = field(default_factory=lambda: Runner(image="registry.example/ddtas-runner:1"))
    kubernetes_version: str = "1.36"
    workload_namespace: str = ""
    capabilities: MeasuredCapabilities = field(default_factory=MeasuredCapabilities)
    now: datetime = NOW
    started: list[str] = field(default_factory=list)  # names of Jobs, each time that one was made
    sent: dict[str, JsonObject] = field(default_factory=dict)  # by the uid that `_put` gives, what was sent
    _serial: int = 0

    # ---- what the operator does ----

    def snapshot(self) -> Snapshot:
        """What the operator would observe now."""
        listing, platform = self.listing, self.platform
        return Snapshot(
            now=self.now,
            policy=self.policy,
            runner=self.runner,
            kubernetes_version=self.kubernetes_version,
            installation=parsed(Installation, self.installation),
            listing=parsed(AppListing, listing) if isinstance(listing, dict) else _invalid(listing),
            platform=parsed(MunicipalityPlatform, platform) if isinstance(platform, dict) else _invalid(platform),
            workload_namespace=self.workload_namespace,
            capabilities=self.capabilities,
            observations=dict(self.observations),
            secrets=dict(self.secrets),
            children=dict(self.children),
            rendered=dict(self.rendered),
        )

    def decide(self) -> Plan:
        """The plan for what is there now; changes nothing."""
        return decide(self.snapshot())

    def reconcile(self, faults: tuple[Fault, ...] = ()) -> Plan:
        """One pass: decide, apply (unless suspended or `faults`), write the status. Returns the plan."""
        self.tick(1)
        snapshot = self.snapshot()
        plan = decide(snapshot)
        changes = ChangeSet(faults=faults)
        if not plan.suspended and not faults:
            changes = self._apply(plan)
        shown = preview(snapshot) if plan.suspended and not plan.render else None
        status = installation_status(snapshot, plan, changes, shown)
        self.installation["status"] = json.loads(json.dumps(status.dump()))  # as the API server stores it
        return plan

    def examine(self, *others: JsonObject) -> None:
        """One pass of the platform, as far as it writes attempts down.

        Args:
            others: Installations that are there, besides this one.
        """
        assert isinstance(self.platform, dict)
        platform = parsed(MunicipalityPlatform, self.platform)
        there = [parsed(Installation, body) for body in (self.installation, *others)]
        ledger = Ledger.of(platform.status).closed({i.metadata.uid: i.status for i in there})
        applicants = [i for i in there if frozen(i, platform) is None]
        ledger = ledger.opened(applicants, self.policy.maximum_attempts, self.now)
        self.platform.setdefault("status", {})["attempts"] = [a.dump() for a in ledger.attempts]
        self.platform["status"]["earlierFailures"] = [e.dump() for e in ledger.earlier]

    def settle(self) -> Plan:
        """Reconcile until nothing changes any more; fails where it does not come to rest."""
        for _ in range(12):
            before = (dict(self.children), without_times(self.installation.get("status")))
            plan = self.reconcile()
            if before == (self.children, without_times(self.installation.get("status"))):
                return plan
        raise AssertionError(f"does not come to rest: {plan.findings}")

    def _apply(self, plan: Plan) -> ChangeSet:
        """What must be sent is judged here by whole manifests, and the operator's own comparison must agree."""
        inventory = {(i["kind"], i["name"]) for i in self.installation.get("status", {}).get("inventory", ())}
        verdicts = {d.key: self._verdict(d, plan.report_drift, inventory) for d in plan.desired}
        removed = tuple(key for key in plan.prune if key in self.children and key not in verdicts)
        compared = diff(plan.desired, plan.prune, self.children, inventory, not plan.report_drift)
        of_operator = {s.desired.key: "Changed" if s.exists else "Created" for s in compared.sends}
        of_operator |= {(d.kind, d.name): d.change for d in compared.drifted}
        assert of_operator == {key: verdict for key, verdict in verdicts.items() if verdict}
        assert compared.removes == removed
        manifests = {d.key: d.manifest for d in plan.desired}
        created = tuple(key for key, verdict in verdicts.items() if verdict == "Created")
        changed = tuple(key for key, verdict in verdicts.items() if verdict == "Changed")
        for key in (*created, *changed):
            self._put(manifests[key])
        for key in removed:
            self.delete(key)
        uids = {key: self.children[key].uid for key in (*created, *changed)}
        return ChangeSet(created, changed, removed, compared.drifted, uids=uids)

    def _verdict(self, wanted: Desired, only_report: bool, inventory: set[Key]) -> str:
        """What becomes of one object: Created, Changed, or what is only reported; "" where it is as it should be."""
        child = self.children.get(wanted.key)
        if child is None:
            return "Missing" if only_report and wanted.key in inventory and not wanted.once else "Created"
        if wanted.once or child.deleting:
            return ""
        if self.sent.get(child.uid) != _placeless(wanted.manifest):
            return "Changed"
        if child.applied == child.asked:
            return ""
        return "Edited" if only_report else "Changed"

    def _put(self, manifest: JsonObject) -> None:
        self._serial += 1
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        there, digest, uid = self.children.get((kind, name)), desired_digest(manifest), f"uid-{self._serial}"
        self.sent[uid] = _placeless(manifest)
        labels = manifest["metadata"]["labels"]
        facts: Any = there.facts if there is not None else None
        if facts is None and kind == "Job":
            facts = JobFacts("Running")
            self.started.append(name)
        if facts is None and kind == "Deployment":
            facts = DeploymentFacts(available=False)
        owned = manifest["metadata"].get("ownerReferences", [{}])[0].get("uid") or labels.get("ddtas.nl/owner-uid", "")
        if kind == CLAIM:
            facts = _as_stored(imagined(manifest), facts)
        self.children[(kind, name)] = Child(
            kind=kind,
            name=name,
            uid=uid,
            resource_version=self._serial,
            revision=labels.get("ddtas.nl/revision", ""),
            component=labels.get("ddtas.nl/component", ""),
            phase=labels.get("ddtas.nl/phase", ""),
            applied=digest,
            asked=digest,
            owner_uid=owned,
            facts=facts,
            # The API server writes a float without a fraction as an integer.
            data=json.dumps(_as_go_writes(manifest["data"])) if kind == "ControllerRevision" else "",
        )

    # ---- what others do ----

    def tick(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def edit(self, **spec: Any) -> None:
        """Change the Installation's spec, as a user does."""
        self.installation["spec"] |= spec
        self.installation["metadata"]["generation"] += 1

    def annotate(self, **annotations: str | None) -> None:
        """Set `ddtas.nl/<name>` annotations; None removes one."""
        there = self.installation["metadata"].setdefault("annotations", {})
        for name, value in annotations.items():
            if value is None:
                there.pop(f"ddtas.nl/{name}", None)
            else:
                there[f"ddtas.nl/{name}"] = value

    def tamper(self, key: Key) -> None:
        """Edit a child by hand, in a field that the operator set."""
        self.children[key] = replace(self.children[key], applied="edited")

    def delete(self, key: Key) -> None:
        """Remove a child, and with a Job its pods."""
        self.children.pop(key, None)
        if key[0] == "Job":
            for pod in [k for k, c in self.children.items() if c.kind == "Pod" and c.name.startswith(f"{key[1]}-")]:
                del self.children[pod]

    def pod(self, of: Child, facts: PodFacts) -> None:
        """Put the pod of a Job or Deployment into a state."""
        name = f"{of.name}-x1"
        self.children[("Pod", name)] = Child(
            "Pod", name, uid=name, revision=of.revision, component=of.component, phase=of.phase, facts=facts
        )

    def job(self, phase: str, revision: str | None = None) -> Child:
        """The one Job of a phase (of a revision, where given)."""
        found = [
            c for c in self.children.values() if c.kind == "Job" and c.phase == phase and revision in (None, c.revision)
        ]
        assert len(found) == 1, f"{phase}: {[c.name for c in found]}"
        return found[0]

    def finish(self, phase: str, message: str, revision: str | None = None, score: str | None = None) -> None:
        """Let a running Job end well with a termination message, and that of the scorer where there is one."""
        job = self.job(phase, revision)
        self.children[job.key] = replace(job, facts=JobFacts("Complete", finished_at=self.now))
        ended: dict[str, Any] = {"exit_code": 0, "ended_reason": "Completed"}
        scorer = ContainerFacts(ended_message=score, **ended) if score is not None else None
        self.pod(job, PodFacts("Succeeded", ended_message=message, score=scorer, **ended))

    def fail(self, phase: str, message: str = "", reason: str = "BackoffLimitExceeded", **pod: Any) -> None:
        """Let a running Job fail."""
        job = self.job(phase)
        self.children[job.key] = replace(job, facts=JobFacts("Failed", reason, "Job has failed", self.now))
        ended: dict[str, Any] = {"exit_code": 1, "ended_reason": "Error", "ended_message": message} | pod
        self.pod(job, PodFacts("Failed", **ended))

    def bind_volumes(self) -> None:
        """Give each claim that waits for one its volume, as large as was asked for."""
        for key, c in list(self.children.items()):
            if isinstance(c.facts, ClaimFacts):
                size = c.facts.requested
                bound = replace(c.facts, phase="Bound", volume=c.facts.volume or f"pv-{c.name}", capacity=size)
                self.children[key] = replace(c, facts=bound)

    def reinstall(self) -> None:
        """Delete the Installation, let the garbage collector do its work, and make one of the same name."""
        self.children = {k: c for k, c in self.children.items() if c.kind == CLAIM and not c.owner_uid}
        self.installation["metadata"] |= {"uid": f"{UID[:-1]}{self._serial % 10}", "generation": 1}
        self.installation.pop("status", None)

    def roll_out(self, available: bool = True, revision: str | None = None, stuck: str = "") -> None:
        """Set all Deployments (of a revision, where given) available, or not."""
        for key, c in list(self.children.items()):
            if c.kind == "Deployment" and revision in (None, c.revision):
                self.children[key] = replace(c, facts=DeploymentFacts(available, stuck))

    # ---- how to get somewhere ----

    def calibrated(self) -> Plan:
        """Go on until the newest revision's calibration has passed and its validation runs."""
        plan = self.settle()
        self.finish("calibrate", result({"NSE": 0.8}, parameters={"cmax": 412.5, "alpha": 2.0}), plan.revision)
        return self.settle()

    def validated(self) -> Plan:
        """Go on until validation has passed and the components start."""
        plan = self.calibrated()
        self.finish("validate", result(window=VALIDATION_WINDOW), plan.revision)
        return self.settle()

    def serving(self) -> Plan:
        """Go on until the newest revision serves."""
        plan = self.validated()
        self.roll_out(revision=plan.revision)
        return self.settle()

    def condition(self, kind: str) -> JsonObject:
        """A condition of the status as it was last written."""
        return next(c for c in self.installation["status"]["conditions"] if c["type"] == kind)

    def kinds(self, revision: str | None) -> set[str]:
        """The kinds of the children of a revision."""
        return {c.kind for c in self.children.values() if c.revision == revision}


def _placeless(manifest: JsonObject) -> JsonObject:
    """A manifest without its namespace: where an object is, is a part of its identity."""
    return manifest | {"metadata": {k: v for k, v in manifest["metadata"].items() if k != "namespace"}}


def _as_stored(asked: ClaimFacts, there: ClaimFacts | None) -> ClaimFacts:
    """A claim as it is after an apply: a new one has no volume, and one that had a volume keeps it."""
    if there is None:
        return replace(asked, phase="Pending", volume="", capacity="")
    return replace(asked, phase=there.phase, volume=there.volume, capacity=there.capacity)


def _as_go_writes(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _as_go_writes(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_as_go_writes(v) for v in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def without_times(status: JsonObject | None) -> JsonObject | None:
    """A status without the moments at which its conditions changed. What is written later does not change it."""
    if status is None:
        return None
    bare = [{k: v for k, v in c.items() if k != "lastTransitionTime"} for c in status["conditions"]]
    return status | {"conditions": bare}


def _invalid(fault: str | None) -> Invalid | None:
    return Invalid(fault) if fault is not None else None


BODIES = {"AppListing": listing_body, "MunicipalityPlatform": platform_body, "Installation": installation_body}
