"""Any course of events: users, suppliers, clusters and crashes in any order, and what holds after each of them."""

from typing import Any

from builders import REACHABLE, UNREACHABLE, VALIDATION_WINDOW, City, listing_body, platform_body, result
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ddtas.api.installation import Outcome
from ddtas.plan.decide import STEPS, Plan
from ddtas.plan.reasons import Reason
from ddtas.plan.snapshot import JobFacts

SEEDS = st.integers(1, 3)
CHOICE = st.integers(0, 10**6)


def web_and_tiles() -> Any:
    """The example's listing with two components that have Services, so that a switch can be half done."""
    body = listing_body()
    components = body["spec"]["versions"][0]["components"]
    components.append(components[0] | {"name": "tiles"})
    return body


class Life(RuleBasedStateMachine):
    """One Installation, from its beginning until it is healthy again."""

    def __init__(self) -> None:
        super().__init__()
        self.city = City(listing=web_and_tiles())
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
        for desired in plan.desired:
            assert desired.manifest["metadata"]["labels"]["ddtas.nl/revision"] in alive
            if desired.key[0] == "Service":
                assert desired.manifest["spec"]["selector"]["ddtas.nl/revision"] in self.proven
            if desired.key[0] == "Deployment":
                assert desired.manifest["metadata"]["labels"]["ddtas.nl/revision"] in self.proven
            if desired.key[0] == "Job" and desired.key[1].endswith("validate"):
                assert desired.manifest["metadata"]["labels"]["ddtas.nl/revision"] in self.calibrated
        assert [f.step for f in plan.findings] == list(STEPS)
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

    def look_at_status(self) -> None:
        status = self.city.installation["status"]
        kinds = {c["type"]: c["status"] for c in status["conditions"]}
        assert not (kinds["Reconciling"] == kinds["Stalled"] == "True")
        if kinds["Ready"] == "True":
            assert {kinds[step] for step in STEPS} == {"True"}
            assert status["servingRevision"] == status["revision"]
            assert {kinds["Reconciling"], kinds["Stalled"]} == {"False"}
        if status.get("servingRevision"):
            assert status["url"]
            assert status["servingVersion"] == "1.0.0"

    # ---- the operator ----

    @rule()
    def reconcile(self) -> None:
        before = {c.revision for c in self.city.children.values() if c.kind == "Service"}
        foreseen = self.city.decide()
        alive = {foreseen.serving, foreseen.revision}
        for kind, name in foreseen.prune:
            assert self.city.children[(kind, name)].revision not in alive
        plan = self.city.reconcile()
        self.look(plan)
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
        """Not a Service: `reconcile` watches those. Nor a record, without which nobody can know what served."""
        keys = sorted(k for k in self.city.children if k[0] not in ("Service", "ControllerRevision"))
        if keys:
            self.city.delete(keys[which % len(keys)])

    # ---- people ----

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

    @rule(there=st.booleans())
    def the_listing(self, there: bool) -> None:
        self.city.listing = web_and_tiles() if there else None

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
        city.listing, city.platform = web_and_tiles(), platform_body()
        city.observations = {"river-gauge": REACHABLE}
        city.edit(parameters={"seed": 1000}, suspend=False, mode="Apply", drift="Correct", recalibration={})
        city.annotate(retry=None)
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
        assert {f.step: f.status for f in plan.findings} == dict.fromkeys(STEPS, "True")
        assert {c.revision for c in city.children.values() if c.kind != "Pod"} == {plan.revision}


Life.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None, derandomize=True)
TestLife = Life.TestCase
