"""Any course of events on a real API server: edits, hands that meddle, and crashes of the operator between any two of
them; what holds after each step, and that in the end nothing of the way is left.

The pure layer walks further and wider (test_plan_walks.py); this one proves that the cluster does not add surprises.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import cluster_apps as apps
from cluster_city import JOB, POD, STEPS, App, City
from cluster_kit import KINDS, SESSION, ApiServer, JsonObject
from cluster_operator import Rights
from cluster_supplier import Supplier
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from ddtas import names

SERVICE, DEPLOYMENT, CONFIG_MAP = KINDS["Service"], KINDS["Deployment"], KINDS["ConfigMap"]
MEDDLED = ("Service", "Deployment", "ConfigMap", "Secret", "NetworkPolicy", "ControllerRevision")
GOOD, WEAK = "1.0.0", "1.1.0"
FIRST = {"version": GOOD, "parameters": {"depth": 2}, "suspend": False}


class Life(RuleBasedStateMachine):
    """One Installation in a city of its own."""

    cities: ClassVar[Callable[[], AbstractContextManager[City]]]

    def __init__(self) -> None:
        super().__init__()
        self._context = type(self).cities()
        self.city = self._context.__enter__()
        self.operator = self.city.start()
        weak = apps.run(apps.report(apps.VALIDATION, metrics={"NSE": 0.2}))
        self.city.store(apps.version(GOOD), apps.version(WEAK, validation=weak))
        self.city.platform()
        self.flood = self.city.install(**FIRST)
        # Not ours: it has no mark, and what looks like our name.
        body = {"metadata": {"name": "flood-of-somebody-else", "namespace": self.city.namespace}, "data": {"a": "b"}}
        self.foreign = self.city.cluster.request("POST", CONFIG_MAP.path(self.city.namespace), body)

    def teardown(self) -> None:
        try:
            self.comes_to_rest_as_if_nothing_had_been()
        finally:
            self._context.__exit__(None, None, None)

    # ---- what happens ----

    @rule(depth=st.sampled_from([1, 2, 3]))
    def edits_a_parameter(self, depth: int) -> None:
        self.flood.edit(parameters={"depth": depth})

    @rule(version=st.sampled_from([GOOD, WEAK]))
    def chooses_a_version(self, version: str) -> None:
        self.flood.edit(version=version)

    @rule(suspend=st.booleans())
    def suspends(self, suspend: bool) -> None:
        self.flood.edit(suspend=suspend)

    @rule(number=st.sampled_from(["1.0.0", "1.1.0"]))
    def has_another_contract(self, number: str) -> None:
        contract = apps.source("")["contract"] | {"version": number}
        self.city.platform(apps.source(self.city.supplier.url(), contract=contract))

    @rule()
    def crashes(self) -> None:
        self.operator.kill()
        self.operator.start()

    @rule(kind=st.sampled_from(MEDDLED), which=st.integers(0, 5))
    def deletes_a_child(self, kind: str, which: int) -> None:
        found = self.flood.children(KINDS[kind])
        if found:
            self.city.cluster.delete(KINDS[kind], self.city.namespace, found[which % len(found)]["metadata"]["name"])

    @rule()
    def scales_by_hand(self) -> None:
        for found in self.flood.children(DEPLOYMENT):
            self.city.cluster.merge(
                DEPLOYMENT, self.city.namespace, found["metadata"]["name"], {"spec": {"replicas": 3}}
            )

    @rule(seconds=st.sampled_from([0.2, 1.0, 3.0]))
    def waits(self, seconds: float) -> None:
        time.sleep(seconds)

    # ---- what holds ----

    @invariant()
    def validates_only_what_is_calibrated(self) -> None:
        """Of the revisions that count: the runs of one that does not are removed, in no order."""
        before = self._counting()
        jobs = self.flood.children(JOB)
        counting = before & self._counting()
        done = {self._run(job) for job in jobs if self._complete(job)}
        for revision, phase in map(self._run, jobs):
            if phase == "validate" and revision in counting:
                assert (revision, "calibrate") in done

    def _counting(self) -> set[str]:
        status = self.flood.body().get("status", {})
        return {status[key] for key in ("revision", "servingRevision") if key in status}

    @invariant()
    def has_one_active_run_a_revision_and_phase(self) -> None:
        active = [self._run(pod) for pod in self.flood.children(POD) if self._runs(pod)]
        assert len(active) == len(set(active)), active

    @invariant()
    def leads_traffic_to_what_is_proven(self) -> None:
        before = self._led_to()
        done = {self._run(job) for job in self.flood.children(JOB) if self._complete(job)}
        known = {r["id"]: r for r in self.flood.body().get("status", {}).get("revisions", [])}
        for revision in before & self._led_to():
            assert {(revision, "calibrate"), (revision, "validate")} <= done
            if "validation" in known.get(revision, {}):
                assert known[revision]["validation"]["outcome"] == "Passed"

    def _led_to(self) -> set[str]:
        """The revisions that Services lead to."""
        return {s["spec"]["selector"][names.LABEL_REVISION] for s in self.flood.children(SERVICE)}

    @invariant()
    def says_ready_only_when_all_holds(self) -> None:
        body = self.flood.body()
        status = body.get("status", {})
        conditions = {c["type"]: c for c in status.get("conditions", [])}
        if conditions.get("Ready", {}).get("status") != "True":
            return
        assert {conditions[step]["status"] for step in STEPS} == {"True"}
        assert status["servingRevision"] == status["revision"]
        if status["observedGeneration"] == body["metadata"]["generation"]:
            assert {c["observedGeneration"] for c in conditions.values()} == {body["metadata"]["generation"]}

    @invariant()
    def leaves_alone_what_is_not_ours(self) -> None:
        name = self.foreign["metadata"]["name"]
        assert self.city.cluster.get(CONFIG_MAP, self.city.namespace, name) == self.foreign

    def comes_to_rest_as_if_nothing_had_been(self) -> None:
        self.city.platform()
        self.flood.edit(**FIRST)
        served = self._at_rest(self.flood)
        fresh = self.city.install("fresh", **FIRST)
        anew = self._at_rest(fresh)
        assert served["revision"] == anew["revision"]
        assert self._made_for(served, "flood") == self._made_for(anew, "fresh")
        self.leaves_alone_what_is_not_ours()
        self.city.settled()
        mark = self.city.cluster.mark()
        time.sleep(3)
        assert [r for r in self.city.cluster.requests(self.city.rights.user, mark) if r.verb != "watch"] == []

    def _at_rest(self, app: App) -> JsonObject:
        """Wait until it is Ready at its generation, and the revisions before are gone."""

        def look() -> JsonObject | None:
            body = app.body()
            status: JsonObject = body.get("status", {})
            conditions = {c["type"]: c for c in status.get("conditions", [])}
            ready = conditions.get("Ready", {})
            if (ready.get("status"), ready.get("observedGeneration")) != ("True", body["metadata"]["generation"]):
                return None
            revisions = {o["metadata"]["labels"][names.LABEL_REVISION] for o in app.children(DEPLOYMENT)}
            return status if revisions == {status["revision"]} else None

        found: JsonObject = self.city.cluster.wait(f"rest of {app.name}", look, self.city.namespace)
        return found

    @staticmethod
    def _made_for(status: JsonObject, name: str) -> set[tuple[str, str]]:
        """The inventory of the revision that serves, without the Installation's own name."""
        return {
            (item["kind"], item["name"].removeprefix(name))
            for item in status["inventory"]
            if item["kind"] not in ("ControllerRevision",) or status["revision"] in item["name"]
        }

    @staticmethod
    def _run(found: JsonObject) -> tuple[str, str]:
        labels = found["metadata"]["labels"]
        return labels[names.LABEL_REVISION], labels.get(names.LABEL_PHASE, "")

    @staticmethod
    def _complete(job: JsonObject) -> bool:
        return any(
            c["type"] == "Complete" and c["status"] == "True" for c in job.get("status", {}).get("conditions", [])
        )

    @staticmethod
    def _runs(pod: JsonObject) -> bool:
        labels, status = pod["metadata"]["labels"], pod.get("status", {})
        gone = pod["metadata"].get("deletionTimestamp")
        return names.LABEL_PHASE in labels and not gone and status.get("phase") not in ("Succeeded", "Failed")


def test_any_course_of_events(cluster: ApiServer, data: Supplier, tmp_path: Path) -> None:
    made: list[Any] = []

    @contextmanager
    def cities() -> Iterator[City]:
        number = len(made)
        made.append(number)
        space = cluster.make_namespace(f"life-{SESSION}-{number}")
        folder = tmp_path / space
        folder.mkdir()
        city = City(cluster, space, data, Rights(cluster, space, folder), folder)
        try:
            yield city
        finally:
            city.end()
            cluster.delete(KINDS["Namespace"], None, space)

    class Here(Life):
        pass

    Here.cities = staticmethod(cities)  # type: ignore[assignment]
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=6,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,  # the same courses each time: a failure can be looked into
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert len(made) >= 6
