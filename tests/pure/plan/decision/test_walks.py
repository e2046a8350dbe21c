"""Any course of events: users, suppliers, clusters and crashes in any order, and what holds after each of them."""

from typing import Any

from builders import (
    CALIBRATION_WINDOW,
    REACHABLE,
    UNREACHABLE,
    VALIDATION_WINDOW,
    City,
    listing_body,
    platform_body,
    result,
)
from courses import courses
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ddtas.api.evidence import MAX_REVISIONS, Outcome, RevisionState
from ddtas.plan.children.desired import Desired
from ddtas.plan.children.volumes import CLAIM, refused_growth
from ddtas.plan.decision.plan import Plan
from ddtas.plan.findings import STAGES
from ddtas.plan.quantity import amount
from ddtas.plan.reasons import Reason
from ddtas.plan.snapshot import ClaimFacts, JobFacts
from ddtas.plan.status.changes import Fault
from ddtas.plan.versions.choice import precedes

SEEDS = st.integers(1, 3)
CHOICE = st.integers(0, 10**6)


NUMBERS = ("1.0.0", "1.1.0", "1.2.0")
# What each version keeps: the second one asks for more, and the third for less, of one volume; of another for nothing.
VOLUMES = {
    number: [{"name": name, "mountPath": f"/{name}", "size": size} for name, size in sizes.items()]
    for number, sizes in zip(NUMBERS, ({"a": "2Gi", "b": "1Gi"}, {"a": "3Gi", "b": "1Gi"}, {"a": "1Gi"}), strict=True)
}


def web_and_tiles(**states: str) -> Any:
    """The example's listing with two components that have Services, so that a switch can be half done.

    Args:
        states: the versions that it has, besides 1.0.0 as a rule, with their states.
    """
    body = listing_body()
    (version,) = body["spec"]["versions"]
    components = version["components"]
    tiles = components[0] | {"name": "tiles"}
    body["spec"]["versions"] = [
        version | {"version": n, "state": s, "components": [components[0] | {"volumes": VOLUMES[n]}, tiles]}
        for n, s in ({"1.0.0": "Active"} | states).items()
    ]
    return body


class Life(RuleBasedStateMachine):
    """One Installation, from its beginning until it is healthy again."""

    def __init__(self) -> None:
        super().__init__()
        self.city = City(listing=web_and_tiles())
        self.city.installation["spec"] |= {"versionRange": ">=1.0.0 <2.0.0"}
        del self.city.installation["spec"]["version"]
        self.listed: dict[str, str] = {}
        self.proven: set[str] = set()  # revisions for which a validation that passed was reported
        self.calibrated: set[str] = set()
        self.told = 0
        self.plan: Plan | None = None

    def look(self, plan: Plan, wrote: bool = True) -> None:
        """What holds of every plan, and of what was made of it."""
        children = self.city.children
        keys = [d.key for d in plan.desired]
        assert len(set(keys)) == len(keys)
        jobs = [k for k in keys if k[0] == "Job"]
        assert len(jobs) <= 1, "one run at a time"
        assert not set(keys) & set(plan.prune)
        alive = {plan.serving, plan.revision} - {None}
        self.look_at_history(plan)
        self.look_at_version(plan)
        for desired in plan.desired:
            if desired.key[0] == CLAIM:
                self.look_at_claim(desired)
                continue
            assert desired.manifest["metadata"]["labels"]["ddtas.nl/revision"] in alive
            if desired.key[0] == "Service":
                assert desired.manifest["spec"]["selector"]["ddtas.nl/revision"] in self.proven
            if desired.key[0] == "Deployment":
                assert desired.manifest["metadata"]["labels"]["ddtas.nl/revision"] in self.proven
            if desired.key[0] == "Job" and desired.key[1].endswith("validate"):
                assert desired.manifest["metadata"]["labels"]["ddtas.nl/revision"] in self.calibrated
        assert [f.condition for f in plan.findings] == list(STAGES)
        assert {f.reason for f in plan.findings} <= set(Reason)
        for revision in plan.revisions:
            for evidence in (revision.calibration, revision.validation):
                if evidence is not None and evidence.outcome is Outcome.PASSED:
                    assert revision.id in self.calibrated
        if wrote:
            self.look_at_status()
        for child in children.values():
            if child.kind == "Service":
                assert child.revision in self.proven, "traffic goes only where the evidence is"

    def look_at_history(self, plan: Plan) -> None:
        known = {r.id: r for r in plan.revisions}
        assert len(known) == len(plan.revisions) <= MAX_REVISIONS
        assert [r.id for r in plan.revisions if r.state is RevisionState.SERVING] in ([], [plan.serving])
        assert {r.id for r in plan.revisions if r.state is RevisionState.SUPERSEDED} <= self.proven
        for kind, name in [d.key for d in plan.desired]:
            if kind == "Job":  # what came to an end is not run again
                revision, phase = name.split("-")[1:]
                run = known[revision].calibration if phase == "calibrate" else known[revision].validation
                assert run is None or run.reason == Reason.IMAGE_PULL_FAILED
        for kind, name in plan.prune:
            assert kind != "ControllerRevision" or name.removeprefix("flood-") not in known
        running = [(c.revision, c.phase) for c in self.city.children.values() if c.kind == "Job"]
        assert len(set(running)) == len(running), "one run for each revision and phase"

    def look_at_version(self, plan: Plan) -> None:
        spec = self.city.installation["spec"]
        if "rollbackTo" in spec:
            assert plan.revision in (spec["rollbackTo"], None)
            assert plan.revision is None or plan.revision in self.proven
            return
        if plan.revision is None or plan.serving_version is None:
            return
        assert plan.version is not None
        assert not precedes(plan.version, plan.serving_version), "back by itself"
        if spec.get("upgradePolicy") == "Manual":
            approval = self.city.installation["metadata"].get("annotations", {}).get("ddtas.nl/approve")
            assert plan.version in (plan.serving_version, approval), "not approved"

    def look_at_claim(self, desired: Desired) -> None:
        """It has no revision; what it is and how large it is, it stays; and its owner is as the policy says."""
        metadata, spec = desired.manifest["metadata"], desired.manifest["spec"]
        assert "ddtas.nl/revision" not in metadata["labels"]
        goes = self.city.installation["spec"].get("volumes") == "Delete"
        assert ("ownerReferences" in metadata) is goes
        child = self.city.children.get(desired.key)
        if child is not None and isinstance(child.facts, ClaimFacts) and child.facts.volume:
            assert amount(spec["resources"]["requests"]["storage"]) >= amount(child.facts.requested)
            assert tuple(spec["accessModes"]) == child.facts.access_modes
            assert spec.get("storageClassName") == child.facts.asked_class

    def with_data(self) -> set[tuple[str, str]]:
        return {k for k, c in self.city.children.items() if isinstance(c.facts, ClaimFacts) and c.facts.volume}

    def look_at_status(self) -> None:
        status = self.city.installation["status"]
        kinds = {c["type"]: c["status"] for c in status["conditions"]}
        assert not (kinds["Reconciling"] == kinds["Stalled"] == "True")
        if kinds["Ready"] == "True":
            assert {kinds[step] for step in STAGES} == {"True"}
            assert status["servingRevision"] == status["revision"]
            assert {kinds["Reconciling"], kinds["Stalled"]} == {"False"}
        if status.get("servingRevision"):
            assert status["url"]
            assert status["servingVersion"] in NUMBERS

    # ---- the operator ----

    @rule()
    def reconcile(self) -> None:
        before = {c.revision for c in self.city.children.values() if c.kind == "Service"}
        foreseen = self.city.decide()
        alive = {foreseen.serving, foreseen.revision}
        for kind, name in foreseen.prune:
            assert self.city.children[(kind, name)].revision not in alive
        with_data = self.with_data()
        assert not with_data & set(foreseen.prune)
        plan = self.city.reconcile()
        self.look(plan)
        if not plan.suspended:
            assert with_data <= {d.key for d in plan.desired}, "each is cared for, whoever has it"
        after = {c.revision for c in self.city.children.values() if c.kind == "Service"}
        assert after or not before, "what serves is never left without a Service"

    @rule()
    def settle(self) -> None:
        self.look(self.city.settle())

    @rule(done=st.integers(0, 12))
    def die_while_applying(self, done: int) -> None:
        """The operator dies after some of its writes, before it prunes and before it says anything."""
        plan = self.city.decide()
        if plan.suspended:
            return
        part = Plan(findings=plan.findings, desired=plan.desired[:done])
        self.city._apply(part)
        self.look(plan, wrote=False)

    @rule()
    def lose_the_last_status(self) -> None:
        """The status was applied but not written: the next look starts from the one before."""
        status = self.city.installation.get("status")
        plan = self.city.reconcile()
        self.look(plan)
        if status is None:
            del self.city.installation["status"]
        else:
            self.city.installation["status"] = status

    # ---- the cluster ----

    def running(self, phase: str) -> list[str]:
        return sorted(
            c.revision
            for c in self.city.children.values()
            if c.kind == "Job" and c.phase == phase and c.facts == JobFacts("Running")
        )

    @precondition(lambda self: self.running("calibrate"))
    @rule(which=CHOICE, good=st.sampled_from([True, True, True, False]))
    def calibration_ends(self, which: int, good: bool) -> None:
        revision = self.running("calibrate")[which % len(self.running("calibrate"))]
        self.city.finish("calibrate", result({"NSE": 0.8}, parameters={"a": 1.0}) if good else "no", revision)
        if good:
            self.calibrated.add(revision)

    @precondition(lambda self: self.running("validate"))
    @rule(which=CHOICE, nse=st.sampled_from([0.9, 0.9, 0.9, 0.1, float("nan")]))
    def validation_ends(self, which: int, nse: float) -> None:
        revision = self.running("validate")[which % len(self.running("validate"))]
        metrics = {"NSE": nse, "RSR": 0.1, "absPBIAS": 1}
        self.city.finish("validate", result(metrics, VALIDATION_WINDOW), revision)
        if nse == 0.9:
            self.proven.add(revision)

    @rule(available=st.sampled_from([True, True, False]))
    def components(self, available: bool) -> None:
        self.city.roll_out(available)

    @precondition(lambda self: self.city.children)
    @rule(which=CHOICE)
    def a_child_is_deleted(self, which: int) -> None:
        """Not a Service: `reconcile` watches those. Nor a record, without which nobody knows what served; nor data."""
        keys = sorted(k for k in self.city.children if k[0] not in ("Service", "ControllerRevision", CLAIM))
        if keys:
            self.city.delete(keys[which % len(keys)])

    @rule()
    def volumes_are_made(self) -> None:
        self.city.bind_volumes()

    @rule()
    def a_volume_may_not_grow(self) -> None:
        """The API server refuses whatever would become larger now."""
        plan = self.city.decide()
        faults = []
        for desired in plan.desired if not plan.suspended else ():
            child = self.city.children.get(desired.key)
            size = desired.manifest.get("spec", {}).get("resources", {}).get("requests", {}).get("storage")
            if child is not None and isinstance(child.facts, ClaimFacts) and size != child.facts.requested:
                refused = refused_growth(desired, "no", self.city.now)
                faults.append(Fault(Reason.VOLUME_NOT_GROWN, refused.message, refused, child.name))
        if not faults:
            return
        self.look(self.city.reconcile(faults=tuple(faults)))
        names = {fault.claim for fault in faults}
        asked = [d for d in self.city.decide().desired if d.key[0] == CLAIM and d.key[1] in names]
        for desired in asked:
            there = self.city.children[desired.key].facts
            assert isinstance(there, ClaimFacts)
            assert desired.manifest["spec"]["resources"]["requests"]["storage"] == there.requested, "asked for again"

    # ---- people ----

    @rule(policy=st.sampled_from(["Retain", "Delete"]))
    def what_deletion_keeps(self, policy: str) -> None:
        self.city.edit(volumes=policy)

    @rule(seed=SEEDS)
    def the_user_edits(self, seed: int) -> None:
        self.city.edit(parameters={"seed": seed})

    @rule()
    def the_user_makes_a_mistake(self) -> None:
        self.city.edit(parameters={"seed": -1})

    @rule()
    def the_user_asks_for_a_retry(self) -> None:
        self.told += 1
        self.city.annotate(retry=str(self.told))

    @rule(suspend=st.booleans())
    def suspend(self, suspend: bool) -> None:
        self.city.edit(suspend=suspend)

    @rule(mode=st.sampled_from(["Plan", "Apply"]), drift=st.sampled_from(["Report", "Correct", "Correct"]))
    def policies(self, mode: str, drift: str) -> None:
        self.city.edit(mode=mode, drift=drift)

    @rule(days=st.integers(1, 60))
    def evidence_expires(self, days: int) -> None:
        self.city.edit(recalibration={"maximumAge": "P30D"})
        self.city.tick(days * 86400)

    @rule(hours=st.sampled_from([-(366 * 24), -24, -1, 1, 24]))
    def the_clock_is_put(self, hours: int) -> None:
        """Ahead, or back."""
        self.city.tick(hours * 3600)

    @rule(there=st.booleans())
    def the_listing(self, there: bool) -> None:
        self.city.listing = web_and_tiles(**self.listed) if there else None

    @rule(number=st.sampled_from(NUMBERS), state=st.sampled_from(["Active", "Active", "Deprecated", "Withdrawn"]))
    def the_market(self, number: str, state: str) -> None:
        self.listed[number] = state
        self.city.listing = web_and_tiles(**self.listed)

    @rule(policy=st.sampled_from(["Automatic", "Manual"]))
    def the_policy(self, policy: str) -> None:
        self.city.edit(upgradePolicy=policy)

    @rule(number=st.sampled_from([*NUMBERS, None]))
    def the_user_approves(self, number: str | None) -> None:
        self.city.annotate(approve=number)

    @precondition(lambda self: self.city.installation["status"].get("revisions"))
    @rule(which=CHOICE)
    def the_user_goes_back(self, which: int) -> None:
        known = [r["id"] for r in self.city.installation["status"]["revisions"]]
        self.city.edit(rollbackTo=known[which % len(known)])

    @precondition(lambda self: "rollbackTo" in self.city.installation["spec"])
    @rule()
    def the_user_goes_on(self) -> None:
        self.city.edit()
        del self.city.installation["spec"]["rollbackTo"]

    @rule()
    def all_goes_well(self) -> None:
        """Otherwise few walks would ever come to serving anything."""
        plan = self.city.settle()
        for phase, window in (("calibrate", CALIBRATION_WINDOW), ("validate", VALIDATION_WINDOW)):
            if plan.revision is not None and plan.revision in self.running(phase):
                self.city.finish(phase, result(window=window, parameters={"a": 1.0}), plan.revision)
                (self.calibrated if phase == "calibrate" else self.proven).add(plan.revision)
                plan = self.city.settle()
        self.city.roll_out(revision=plan.revision)
        self.look(self.city.settle())

    @rule(there=st.booleans())
    def the_platform(self, there: bool) -> None:
        self.city.platform = platform_body() if there else None

    @rule(seen=st.sampled_from([REACHABLE, UNREACHABLE, None]))
    def the_source(self, seen: Any) -> None:
        self.city.observations = {} if seen is None else {"river-gauge": seen}

    # ---- always ----

    @initialize()
    def begin(self) -> None:
        self.look(self.city.settle())

    @invariant()
    def the_same_snapshot_gives_the_same_plan(self) -> None:
        assert self.city.decide() == self.city.decide()

    def teardown(self) -> None:
        """Whatever has happened: with good inputs and a new attempt, it serves, and nothing else is left."""
        city = self.city
        city.listing, city.platform = web_and_tiles(**dict.fromkeys(NUMBERS, "Active")), platform_body()
        city.observations = {"river-gauge": REACHABLE}
        city.installation["spec"].pop("rollbackTo", None)
        city.edit(parameters={"seed": 1000}, suspend=False, mode="Apply", drift="Correct", recalibration={})
        city.edit(upgradePolicy="Automatic")
        city.annotate(retry=None, approve=None)
        city.bind_volumes()
        city.tick(601)  # what was refused may be asked for again
        plan = city.settle()
        city.bind_volumes()
        plan = city.settle()
        assert plan.revision is not None
        if city.condition("Calibrated")["status"] != "True":
            self.calibrated.add(plan.revision)
            city.finish("calibrate", result({"NSE": 0.8}, parameters={"a": 1.0}), plan.revision)
            city.settle()
        self.proven.add(plan.revision)
        city.finish("validate", result(window=VALIDATION_WINDOW), plan.revision)
        city.settle()
        city.roll_out(revision=plan.revision)
        plan = city.settle()
        self.look(plan)
        assert {f.condition: f.status for f in plan.findings} == dict.fromkeys(STAGES, "True")
        records = {c.revision for c in city.children.values() if c.kind == "ControllerRevision"}
        assert {plan.revision} <= records <= {r.id for r in plan.revisions}
        others = ("Pod", "ControllerRevision", CLAIM)
        assert {c.revision for c in city.children.values() if c.kind not in others} == {plan.revision}
        assert {c.claim: c.unused for c in plan.volumes if not c.unused} == {"flood-web.a": False}


Life.TestCase.settings = settings(max_examples=courses(25), stateful_step_count=40, deadline=None, derandomize=True)
TestLife = Life.TestCase
