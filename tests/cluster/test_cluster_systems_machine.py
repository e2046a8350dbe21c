"""Any course of events between a twin and the one that it feeds: what the consumer has, it keeps, and it is calibrated
anew for nothing but its own reasons.
"""

from pathlib import Path

import cluster_apps as apps
from cluster_city import App
from cluster_kit import KINDS, ApiServer
from cluster_machine import Cities, Machine, step, walk
from cluster_supplier import Supplier
from hypothesis import strategies as st
from hypothesis.stateful import invariant
from test_cluster_systems import Systems, needs

INSTALLATION = KINDS["Installation"]
STREAM, DISTRICT = "stream", "district"
FIRST = {"parameters": {"depth": 2}}


class Fed(Machine):
    """A twin of a stream, and one of a district that needs its product."""

    def prepare(self) -> None:
        self.systems = Systems(self.city)
        self.afterwards.callback(self.systems.end)
        self.city.platform()
        self.stream_app = self.systems.app(STREAM, makes="Stream")
        self.district_app = self.systems.app(DISTRICT, needs("Stream"))
        self.asked = {2}
        self.make(STREAM, self.stream_app)
        self.district = self.make(DISTRICT, self.district_app)
        self.at_rest(self.district)

    def known(self) -> list[str]:
        return [STREAM, DISTRICT, "fresh"]

    def make(self, name: str, app: str) -> App:
        return self.systems.install(name, app, **FIRST)

    # ---- what happens ----

    @step(depth=st.integers(1, 3))
    def edits_the_stream(self, depth: int) -> None:
        if self.city.cluster.find(INSTALLATION, self.city.namespace, STREAM) is not None:
            self.city.known(STREAM).edit(parameters={"depth": depth})

    @step(depth=st.integers(1, 3))
    def edits_the_district(self, depth: int) -> None:
        self.asked.add(depth)
        self.district.edit(parameters={"depth": depth})

    @step(good=st.booleans())
    def has_another_model(self, good: bool) -> None:
        """Of the stream, with the same contract; what it says may not be good enough."""
        said = apps.VALIDATED if good else apps.report(apps.VALIDATION, metrics={"NSE": 0.2})
        validation = apps.version(validation=apps.run(said))["validation"]
        self.systems.app(STREAM, makes="Stream", validation=validation)

    @step(removal=st.sampled_from(["Wait", "Warn"]))
    def deletes_the_stream(self, removal: str) -> None:
        found = self.city.cluster.find(INSTALLATION, self.city.namespace, STREAM)
        if found is not None:
            if "deletionTimestamp" not in found["metadata"]:
                self.city.known(STREAM).edit(removal=removal)
            self.leaving.add(found["metadata"]["uid"])
            self.city.cluster.delete(INSTALLATION, self.city.namespace, STREAM)

    @step()
    def makes_the_stream_anew(self) -> None:
        if self.city.cluster.find(INSTALLATION, self.city.namespace, STREAM) is None:
            self.make(STREAM, self.stream_app)

    @step(suspend=st.booleans())
    def suspends_the_stream(self, suspend: bool) -> None:
        if self.city.cluster.find(INSTALLATION, self.city.namespace, STREAM) is not None:
            self.city.known(STREAM).edit(suspend=suspend)

    # ---- what holds ----

    @invariant()
    def is_calibrated_for_its_own_reasons(self) -> None:
        with self.watched():
            states = [e.body for e in self.witnesses[0].seen() if e.kind == "Installation" and e.name == DISTRICT]
            led_to = {s["status"]["revision"] for s in states if "revision" in s.get("status", {})}
            assert len(led_to) <= len(self.asked)

    def comes_to_rest(self) -> None:
        cluster, space = self.city.cluster, self.city.namespace
        self.has_another_model(good=True, pause=0)
        found = cluster.find(INSTALLATION, space, STREAM)
        if found is not None and "deletionTimestamp" in found["metadata"]:
            self.city.known(STREAM).edit(removal="Warn")  # it waits for the district otherwise
            cluster.wait("end of the stream", lambda: cluster.find(INSTALLATION, space, STREAM) is None, space)
        self.make(STREAM, self.stream_app)
        self.city.known(STREAM).edit(**FIRST, suspend=False, removal=None)
        self.district.edit(**FIRST)
        self.at_rest(self.city.known(STREAM))
        self.equals_a_fresh_one(self.district, self.make("fresh", self.district_app))
        self.writes_nothing_more()


def test_any_course_of_events_between_twins(cluster: ApiServer, data: Supplier, tmp_path: Path) -> None:
    walk(Fed, Cities(cluster, data, tmp_path), courses=1, steps=12)
