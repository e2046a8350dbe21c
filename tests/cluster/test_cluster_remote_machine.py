"""Any course of events with two clusters, home and a city's own: the way there breaks and comes back, leads to another
cluster, Installations are edited, deleted and made anew on both meanwhile, and the operator crashes between any two.
"""

from pathlib import Path
from typing import Any, ClassVar

import cluster_apps as apps
from cluster_kit import KINDS, ApiServer, JsonObject
from cluster_machine import Cities, Machine, step, walk
from cluster_remote import SECRET, Elsewhere, RemoteApp, server_of
from cluster_supplier import Supplier
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition

from ddtas import names

PLATFORM, INSTALLATION, NAMESPACE = KINDS["MunicipalityPlatform"], KINDS["Installation"], KINDS["Namespace"]
FAR, NEAR = "far", "near"
FIRST = {"parameters": {"depth": 2}}


class Place:
    """A cluster that the way may lead to, as the city has prepared it."""

    def __init__(self, cluster: ApiServer, there: Elsewhere, *trusted: ApiServer) -> None:
        self.cluster = cluster
        self.kubeconfig = there.kubeconfig(cluster, *trusted)
        uid = cluster.get(NAMESPACE, None, there.namespace)["metadata"]["uid"]
        self.identity = f"{uid}/{there.namespace}"
        self.forbidden_since: int | None = None  # a place in its audit log


class TwoClusters(Machine):
    """One Installation in the city, one at home, and a second cluster that pretends to be the city's."""

    second: ClassVar[ApiServer]

    def prepare(self) -> None:
        home, second, space = self.city.cluster, type(self).second, self.city.namespace
        # The pretender is the operator's own cluster, which it would know by a namespace.
        self.city.rights.change("network.read={apiServer,services,nodes}")
        self.there = Elsewhere(second, space, self.city.folder)
        self.afterwards.callback(self.there.end)
        self.there.prepare(home)
        self.afterwards.callback(home.delete, NAMESPACE, None, self.there.namespace)
        self.places = {"own": Place(second, self.there, home), "other": Place(home, self.there, second)}
        for place in self.places.values():
            self.witness(place.cluster, self.there.namespace, at_home=place.cluster is home)
        self.leads_to, self.accepted = "own", "own"
        self.open = True
        self.places["other"].forbidden_since = home.mark()
        self.moved = False  # it was to be made anew on another cluster
        self.left_behind = False  # something was let go of, by the word of a person
        self.city.store(apps.version("1.0.0"), apps.version("1.1.0"))
        self.there.hand_over(home, space, self.places["own"].kubeconfig)
        self.city.platform(cluster={"kubeconfigSecret": {"name": SECRET}})
        home.apply(apps.platform(space, apps.source(self.city.supplier.url()), name=NEAR))
        self.near = self.city.install(NEAR, platform=NEAR, **FIRST)
        self.far = self.make(FAR)
        self.near.served()

    def known(self) -> list[str]:
        return [FAR, NEAR, "fresh"]

    def is_meddled_with(self, name: str) -> bool:
        return name == FAR and self.moved

    def make(self, name: str) -> RemoteApp:
        self.city.install(name, **FIRST)
        return RemoteApp(self.city, self.there, name)

    # ---- the way there ----

    @precondition(lambda self: self.open)
    @step(hangs=st.booleans())
    def goes_away(self, hangs: bool) -> None:
        if hangs:
            self.there.tunnel.hang()
        else:
            self.there.tunnel.cut()
            self.open = False

    @step()
    def comes_back(self) -> None:
        if self.open:
            self.there.tunnel.cut()  # it may hang
        self.there.tunnel.restore()
        self.open = True

    @step()
    def hiccups(self) -> None:
        self.there.tunnel.break_off()

    @step(place=st.sampled_from(["own", "other"]))
    def leads_to_a_cluster(self, place: str) -> None:
        """Behind the same URL, with the kubeconfig that it takes."""
        self.leads_to = place
        self.there.tunnel.lead_to(server_of(self.places[place].cluster))
        self.there.tunnel.break_off()
        self.there.hand_over(self.city.cluster, self.city.namespace, self.places[place].kubeconfig)

    @step()
    def is_accepted(self) -> None:
        """What the message asks a person to do, although nobody may have been told."""
        if self.accepted != self.leads_to:
            self.moved = self.left_behind = True
        self.accepted = self.leads_to
        self.places[self.accepted].forbidden_since = None
        self.annotate(PLATFORM, "oup", names.ANNOTATION_ACCEPT_CLUSTER, self.places[self.accepted].identity)

    # ---- people ----

    @step(depth=st.integers(1, 4))
    def edits_the_far_one(self, depth: int) -> None:
        if not self.is_leaving(FAR):
            self.far.edit(parameters={"depth": depth})

    @step(depth=st.integers(1, 4), version=st.sampled_from(["1.0.0", "1.1.0"]))
    def edits_the_near_one(self, depth: int, version: str) -> None:
        """The city, wherever it is, does not hold this one up."""
        self.near.edit(parameters={"depth": depth}, version=version)
        if self.up:
            self.near.served()

    @step()
    def deletes_the_far_one(self) -> None:
        self.deletes(FAR)

    @step()
    def makes_it_anew(self) -> None:
        if self.find(FAR) is None:
            self.make(FAR)

    @step()
    def is_abandoned(self) -> None:
        """The way out. Where the cluster is there, it is not needed, and what is there is removed all the same."""
        if self.find(FAR) is not None and self.is_leaving(FAR):
            self.left_behind = True
            self.annotate(INSTALLATION, FAR, names.ANNOTATION_ABANDON, "true")

    # ---- what holds ----

    @invariant()
    def touches_no_cluster_that_was_not_accepted(self) -> None:
        with self.watched():
            status = self.city.cluster.get(PLATFORM, self.city.namespace, "oup").get("status", {})
            remembered = status.get("cluster", {}).get("identity", self.places["own"].identity)
            for name, place in self.places.items():
                if place.identity == remembered or name == self.accepted:
                    place.forbidden_since = None
                    continue
                if place.forbidden_since is None:
                    place.forbidden_since = place.cluster.mark()
                written = [r for r in place.cluster.requests(self.there.user, place.forbidden_since) if r.writes]
                assert written == [], f"written to {name}"

    @invariant()
    def mixes_nothing(self) -> None:
        with self.watched():
            at_home, *in_the_city = (
                {e.labels[names.LABEL_INSTALLATION] for e in w.seen() if names.LABEL_INSTALLATION in e.labels}
                for w in self.witnesses
            )
            assert at_home <= {NEAR}
            assert set().union(*in_the_city) <= {FAR, "fresh"}

    def comes_to_rest(self) -> None:
        city = self.city
        self.comes_back(pause=0)
        self.leads_to_a_cluster(place=self.leads_to, pause=0)
        self.is_accepted(pause=0)
        self.there.cluster = self.places[self.leads_to].cluster
        if self.is_leaving(FAR):
            self.far.gone()
        if self.find(FAR) is None:
            self.make(FAR)
        if self.left_behind:
            self.sweep()
        self.far.edit(**FIRST)
        self.near.edit(**FIRST, version="1.0.0")
        for app in (self.far, self.near):
            self.at_rest(app)
        self.equals_a_fresh_one(self.far, self.make("fresh"))
        self.writes_nothing_more()

        for name in self.known():
            self.deletes(name)
        city.cluster.wait("end of all", lambda: not any(map(self.find, self.known())), city.namespace)
        city.cluster.wait("end of what was at home", lambda: city.leftovers() == [], city.namespace)
        assert self.there.objects() == {}
        if not self.left_behind:
            assert all(self.there.objects(place.cluster) == {} for place in self.places.values())

    def writes_nothing_more(self) -> None:
        self.city.settled()
        cluster = self.there.cluster
        mark = cluster.mark()
        super().writes_nothing_more()
        assert [r for r in cluster.requests(self.there.user, mark) if r.writes] == []

    def sweep(self) -> None:
        """Take away what was let go of on the city's cluster, as its people would: it is in the way of a namesake."""
        kinds = "configmaps,controllerrevisions,deployments,jobs,networkpolicies,secrets,services"
        uid = self.far.body()["metadata"]["uid"]
        old = f"{names.LABEL_OWNER},{names.LABEL_OWNER}!={uid}"
        self.there.cluster.kubectl("delete", kinds, "-n", self.there.namespace, "-l", old)

    # ---- words for it ----

    def find(self, name: str) -> JsonObject | None:
        return self.city.cluster.find(INSTALLATION, self.city.namespace, name)

    def deletes(self, name: str) -> None:
        found = self.find(name)
        if found is not None:
            self.leaving.add(found["metadata"]["uid"])
            self.city.cluster.delete(INSTALLATION, self.city.namespace, name)

    def is_leaving(self, name: str) -> bool:
        found = self.find(name)
        return found is None or "deletionTimestamp" in found["metadata"]

    def annotate(self, resource: Any, name: str, key: str, value: str) -> None:
        if self.city.cluster.find(resource, self.city.namespace, name) is not None:
            self.city.cluster.merge(resource, self.city.namespace, name, {"metadata": {"annotations": {key: value}}})


def test_any_course_of_events_with_two_clusters(
    cluster: ApiServer, second: ApiServer, data: Supplier, tmp_path: Path
) -> None:
    class Here(TwoClusters):
        pass

    Here.second = second
    walk(Here, Cities(cluster, data, tmp_path), courses=2, steps=12)
