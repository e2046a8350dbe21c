"""Any course of versions on a real API server: what the market lists, deprecates and withdraws, what people ask for,
approve and go back to, and crashes of the operator between any two of these.
"""

from pathlib import Path
from typing import Any

import cluster_apps as apps
from cluster_city import App
from cluster_kit import KINDS, ApiServer, JsonObject
from cluster_machine import Cities, Machine, step, walk
from cluster_supplier import Supplier
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition

from ddtas import names

INSTALLATION = KINDS["Installation"]
RANGE = ">=1.0.0 <2.0.0"
RANGES = (RANGE, RANGE, ">=1.1.0 <2.0.0", ">=1.0.0 <1.3.0")
FIRST, LAST = "1.0.0", "1.9.0"
WEAK = apps.run(apps.report(apps.VALIDATION, metrics={"NSE": 0.2}))
# What becomes of each version that may be listed.
VERSIONS: dict[str, dict[str, Any]] = {
    FIRST: {},
    "1.1.0": {},
    "1.2.0": {"validation": WEAK},  # fails
    "1.3.0": {"validation": apps.run("the model fell over", code=3)},  # says nothing
    "1.4.0": {"channels": ["beta"]},
    "1.5.0": {"calibration": apps.run("{}")},  # says nothing either
    "1.6.0": {},
    LAST: {},
}
STATES = ("Active", "Active", "Active", "Deprecated", "Withdrawn")


def version(number: str, state: str) -> JsonObject:
    """A version that ends as it must."""
    made = {"state": state}
    more = {k: v for k, v in VERSIONS[number].items() if k == "channels"}
    runs = {k: v for k, v in VERSIONS[number].items() if k != "channels"}
    return apps.version(number, **runs, **made, **more)  # type: ignore[arg-type]


class Market(Machine):
    """One Installation that follows a range, and a neighbour that nobody may move."""

    def prepare(self) -> None:
        self.listed = {FIRST: "Active"}
        self.retries = 0
        self.store()
        self.city.platform()
        self.neighbour = self.install("neighbour", upgradePolicy="Manual", parameters={"depth": 3})
        self.flood = self.install("flood")
        self.at_rest(self.neighbour)
        body = self.neighbour.body()
        self.since, self.stays = int(body["metadata"]["resourceVersion"]), apart_from_the_market(body)

    def known(self) -> list[str]:
        return ["flood", "neighbour", "fresh"]

    def store(self) -> None:
        self.city.store(*(version(number, state) for number, state in self.listed.items()))

    def install(self, name: str, **spec: Any) -> App:
        body = apps.installation(self.city.namespace, name, self.city.app, versionRange=RANGE, **spec)
        del body["spec"]["version"]
        self.city.cluster.apply(body)
        return self.city.known(name)

    def annotate(self, app: App, **values: str | None) -> None:
        annotations = {f"{names.GROUP}/{key}": value for key, value in values.items()}
        self.city.cluster.merge(INSTALLATION, self.city.namespace, app.name, {"metadata": {"annotations": annotations}})

    # ---- the market ----

    @step(number=st.sampled_from([n for n in VERSIONS if n != LAST]), state=st.sampled_from(STATES))
    def lists(self, number: str, state: str) -> None:
        self.listed[number] = state
        self.store()

    @precondition(lambda self: len(self.listed) > 1)
    @step(which=st.integers(0, 5))
    def takes_out(self, which: int) -> None:
        others = [n for n in self.listed if n != FIRST]
        del self.listed[others[which % len(others)]]
        self.store()

    # ---- people ----

    @step(wanted=st.sampled_from(RANGES), channel=st.sampled_from(["stable", "stable", "beta"]))
    def asks_for(self, wanted: str, channel: str) -> None:
        self.flood.edit(versionRange=wanted, channel=channel)

    @step(policy=st.sampled_from(["Automatic", "Manual"]))
    def has_the_policy(self, policy: str) -> None:
        self.flood.edit(upgradePolicy=policy)

    @step(number=st.sampled_from(["1.1.0", "1.2.0", "1.6.0"]), by_field=st.booleans())
    def approves(self, number: str, by_field: bool) -> None:
        if by_field:
            self.flood.edit(approvedVersion=number)
        else:
            self.annotate(self.flood, approve=number)

    @step()
    def takes_approvals_back(self) -> None:
        self.flood.edit(approvedVersion=None)
        self.annotate(self.flood, approve=None)

    @step(depth=st.integers(1, 12))
    def edits_a_parameter(self, depth: int) -> None:
        self.flood.edit(parameters={"depth": depth})

    @step()
    def asks_for_a_retry(self) -> None:
        self.retries += 1
        self.annotate(self.flood, retry=str(self.retries))

    @step(which=st.integers(0, 9))
    def goes_back(self, which: int) -> None:
        known = self.flood.body().get("status", {}).get("revisions", [])
        if known:
            self.flood.edit(rollbackTo=known[which % len(known)]["id"])

    @step()
    def goes_on(self) -> None:
        self.flood.edit(rollbackTo=None)

    # ---- what holds ----

    @invariant()
    def leaves_the_neighbour_where_it_is(self) -> None:
        """It waits for approvals as well, and says what the market has; nothing else of it ever changes."""
        with self.watched():
            seen = [e for e in self.witnesses[0].seen() if e.kind == "Installation" and e.name == "neighbour"]
            assert [e.at for e in seen if e.at > self.since and apart_from_the_market(e.body) != self.stays] == []

    def comes_to_rest(self) -> None:
        self.listed = dict.fromkeys(VERSIONS, "Active")
        self.store()
        self.takes_back_all()
        if self.retries:  # one that came soon after another waits for a minute
            token = str(self.retries)
            taken = lambda: self.flood.body()["status"].get("lastRetry") == token  # noqa: E731
            self.city.cluster.wait("the retry", taken, self.city.namespace)
        self.at_rest(self.flood)
        retried = self.flood.body()["status"].get("lastRetry")
        fresh = self.install("fresh", parameters={"depth": 2})
        self.annotate(fresh, retry=retried)
        self.equals_a_fresh_one(self.flood, fresh)
        assert self.flood.body()["status"]["servingVersion"] == LAST
        self.writes_nothing_more()

    def takes_back_all(self) -> None:
        spec = {"versionRange": RANGE, "channel": None, "upgradePolicy": None, "approvedVersion": None}
        self.flood.edit(**spec, rollbackTo=None, parameters={"depth": 2})
        self.annotate(self.flood, approve=None)


def apart_from_the_market(body: JsonObject) -> JsonObject:
    """What an Installation wants and says, but for what the listing has for it."""
    status = {key: value for key, value in body["status"].items() if key != "availableVersion"}
    status["conditions"] = [c for c in status["conditions"] if c["type"] != "UpToDate"]
    return {"spec": body["spec"], "status": status}


def test_any_course_of_versions(cluster: ApiServer, data: Supplier, tmp_path: Path) -> None:
    walk(Market, Cities(cluster, data, tmp_path), courses=2, steps=14)
