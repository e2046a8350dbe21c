"""Any course of events on a real API server: edits, hands that meddle, and crashes of the operator between any two of
them; what holds after each step, and that in the end nothing of the way is left.

The pure layer walks further and wider (plan/decision/test_walks.py): this one proves that the cluster adds no surprise.
"""

from pathlib import Path

import cluster_apps as apps
from cluster_kit import KINDS, ApiServer
from cluster_machine import Cities, Machine, step, walk
from cluster_supplier import Supplier
from hypothesis import strategies as st

DEPLOYMENT = KINDS["Deployment"]
MEDDLED = ("Service", "Deployment", "ConfigMap", "Secret", "NetworkPolicy", "ControllerRevision")
GOOD, WEAK = "1.0.0", "1.1.0"
FIRST = {"version": GOOD, "parameters": {"depth": 2}, "suspend": False}


class Life(Machine):
    """One Installation in a city of its own."""

    def prepare(self) -> None:
        weak = apps.run(apps.report(apps.VALIDATION, metrics={"NSE": 0.2}))
        self.city.store(apps.version(GOOD), apps.version(WEAK, validation=weak))
        self.city.platform()
        self.flood = self.city.install(**FIRST)  # type: ignore[arg-type]

    def known(self) -> list[str]:
        return ["flood", "fresh"]

    def is_meddled_with(self, name: str) -> bool:
        return name == "flood"

    # ---- what happens ----

    @step(depth=st.sampled_from([1, 2, 3]))
    def edits_a_parameter(self, depth: int) -> None:
        self.flood.edit(parameters={"depth": depth})

    @step(version=st.sampled_from([GOOD, WEAK]))
    def chooses_a_version(self, version: str) -> None:
        self.flood.edit(version=version)

    @step(suspend=st.booleans())
    def suspends(self, suspend: bool) -> None:
        self.flood.edit(suspend=suspend)

    @step(number=st.sampled_from(["1.0.0", "1.1.0"]))
    def has_another_contract(self, number: str) -> None:
        contract = apps.source("")["contract"] | {"version": number}
        self.city.platform(apps.source(self.city.supplier.url(), contract=contract))

    @step(kind=st.sampled_from(MEDDLED), which=st.integers(0, 5))
    def deletes_a_child(self, kind: str, which: int) -> None:
        found = self.flood.children(KINDS[kind])
        if found:
            self.city.cluster.delete(KINDS[kind], self.city.namespace, found[which % len(found)]["metadata"]["name"])

    @step()
    def scales_by_hand(self) -> None:
        for found in self.flood.children(DEPLOYMENT):
            self.city.cluster.merge(
                DEPLOYMENT, self.city.namespace, found["metadata"]["name"], {"spec": {"replicas": 3}}
            )

    # ---- in the end ----

    def comes_to_rest(self) -> None:
        self.city.platform()
        self.flood.edit(**FIRST)
        self.at_rest(self.flood)
        self.equals_a_fresh_one(self.flood, self.city.install("fresh", **FIRST))
        self.writes_nothing_more()


def test_any_course_of_events(cluster: ApiServer, data: Supplier, tmp_path: Path) -> None:
    walk(Life, Cities(cluster, data, tmp_path), courses=3, steps=12)
