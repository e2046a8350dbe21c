"""Twins that feed each other on a city's own cluster: wired there, and never looked at from here.

Here each name that ends in `.svc` leads to the data supplier (resolver/), and the products have a path of their own
there. So a look at an address that is right in the city only would be seen, as it would reach somebody else in life.
"""

import base64
import time
from collections.abc import Callable, Iterator
from typing import Any

import cluster_apps as apps
import pytest
from cluster_city import App, City
from cluster_kit import KINDS, JsonObject, by_kind, condition
from cluster_remote import Elsewhere
from test_cluster_flow import without_lease
from test_cluster_remote import CLUSTER, LOOKS, platform_says
from test_cluster_systems import INSTALLATION, OUP, Systems, gone, needs, product

from ddtas import names

SECRETS, JOB, POD = KINDS["Secret"], KINDS["Job"], KINDS["Pod"]
PATH = "/inside.csv"
MAKES = {"dataProducts": [product("Stream") | {"path": PATH}]}


@pytest.fixture
def systems(city: City, elsewhere: Elsewhere) -> Iterator[Systems]:
    """With an operator that runs, and a platform on the city's own cluster."""
    made = Systems(city)
    elsewhere.hand_over(city.cluster, city.namespace, elsewhere.kubeconfig())
    city.platform(**CLUSTER)
    city.start()
    yield made
    made.end()
    assert city.supplier.asked[PATH] == 0, "it was looked at from here"


def texts(secret: JsonObject) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


def until(app: App, what: str, look: Callable[[], Any]) -> Any:
    return app.cluster.wait(what, look, app.namespace)


def release(app: App, there: Elsewhere, phase: str) -> None:
    """Let a run end there that is held."""

    def held() -> JsonObject | None:
        revision = app.body().get("status", {}).get("revision", "none")
        marks = {names.LABEL_INSTALLATION: app.name, names.LABEL_REVISION: revision, names.LABEL_PHASE: phase}
        pods = there.cluster.all(POD, there.namespace, ",".join(f"{k}={v}" for k, v in marks.items()))
        return next((p for p in pods if p["status"].get("phase") == "Running"), None)

    pod = until(app, f"running pod of {phase}", held)["metadata"]["name"]
    there.cluster.merge(POD, there.namespace, pod, {"metadata": {"annotations": {apps.GO: "true"}}})


def jobs(app: App, there: Elsewhere) -> set[str]:
    found = there.cluster.all(JOB, there.namespace, f"{names.LABEL_INSTALLATION}={app.name}")
    return {job["metadata"]["uid"] for job in found}


def test_a_district_is_fed_by_a_component_inside_the_citys_own_cluster(systems: Systems, elsewhere: Elsewhere) -> None:
    city = systems.city
    bound = {"metric": "NSE", "operator": "mustBeGreaterThan", "value": "0.5"}
    district = systems.install("district", systems.app("district", needs("Stream", upstreamMetrics=[bound])))
    held = apps.version(calibration=apps.run(apps.CALIBRATED, held=True))["calibration"]
    flood = systems.install("flood", systems.app("flood", calibration=held, **MAKES))  # type: ignore[arg-type]
    district.wait_for("DataBound", "False", "UpstreamNotServing")
    assert jobs(district, elsewhere) == set()
    release(flood, elsewhere, "calibrate")
    made, fed = flood.served()["status"], district.served()["status"]

    # The address is the one that is right there, and it is there that both are told.
    port = city.supplier.url().rpartition(":")[2].partition("/")[0]
    address = f"http://flood-web.{elsewhere.namespace}.svc:{port}{PATH}"
    assert made["binding"] == {"name": "flood-forecast"}
    assert made["products"][0]["source"]["endpoint"] == address
    assert made["products"][0]["source"]["provenance"] == f"Installation {city.namespace}/flood"
    there = {
        name: texts(elsewhere.cluster.get(SECRETS, elsewhere.namespace, name))["uri"]
        for name in ("flood-forecast", f"district-{fed['servingRevision']}-upstream")
    }
    assert set(there.values()) == {address}
    city.settled()
    assert city.leftovers() == [], "nothing of it is at home"
    policy = next(o for n, o in elsewhere.objects().items() if n.startswith("NetworkPolicy flood-"))
    near = {"ports": [{"port": int(port), "protocol": "TCP"}], "from": [{"podSelector": {}}]}
    assert policy["spec"]["ingress"] == [near], "the consumer is in the same namespace there"

    # What nobody looked at is not known, and is not held against it.
    (binding,) = fed["bindings"]
    assert binding["upstream"]["revision"] == made["servingRevision"]
    verdicts = {c["name"]: (c["declared"], c["measured"]) for c in binding["checks"]}
    assert verdicts["reachable"] == ("Met", "Unknown")
    assert verdicts["field discharge_m3s"] == ("Met", "Unknown")
    assert verdicts["upstream NSE"] == ("Unknown", "Met")
    platform = city.cluster.get(OUP, city.namespace, "oup")
    (source,) = (s for s in platform["status"]["dataSources"] if s["name"] == "flood-forecast")
    assert (source["state"], source["reason"]) == ("Unknown", "InsideCluster")
    assert platform["status"]["sources"] == "1/2"
    assert condition(platform, "SourcesReachable")["status"] == "True"
    assert condition(platform, "Ready")["status"] == "True"

    # At rest nothing is asked but whether the cluster is there, and a restart writes nothing.
    mark, far = city.cluster.mark(), elsewhere.cluster.mark()
    time.sleep(4)
    assert without_lease(city.cluster.requests(city.rights.user, mark)) == []
    assert set(by_kind(without_lease(elsewhere.cluster.requests(elsewhere.user, far)))) <= LOOKS
    city.end_operators()
    mark, far = city.cluster.mark(), elsewhere.cluster.mark()
    city.start()
    platform_says(city, "ClusterReachable")
    time.sleep(3)
    city.settled(3)
    assert [r for r in city.cluster.requests(city.rights.user, mark) if r.writes] == []
    assert [r for r in elsewhere.cluster.requests(elsewhere.user, far) if r.writes] == []

    # Another revision feeds it, and nobody is calibrated anew.
    before = jobs(district, elsewhere)
    flood.edit(parameters={"depth": 3})
    until(flood, "new revision", lambda: flood.body()["status"]["revision"] != made["revision"])
    release(flood, elsewhere, "calibrate")
    now = flood.served()["status"]["servingRevision"]
    until(district, "what feeds it", lambda: district.body()["status"]["bindings"][0]["upstream"]["revision"] == now)
    assert jobs(district, elsewhere) == before

    # It goes, and is gone there; who was fed by it says so, and serves.
    city.cluster.delete(INSTALLATION, city.namespace, "flood")
    lost = district.wait_for("DataBound", "False", "UpstreamGone")
    assert "the product forecast of Installation flood, which is gone" in lost["message"]
    district.wait_for("Serving", "True", "KeepsServing")
    until(flood, "end of the removal", lambda: gone(flood))
    assert [name for name in elsewhere.objects() if " flood-" in name] == []


def test_a_removal_waits_there_also_while_the_cluster_is_away(systems: Systems, elsewhere: Elsewhere) -> None:
    city = systems.city
    flood = systems.install("flood", systems.app("flood", **MAKES), removal="Wait")  # type: ignore[arg-type]
    district = systems.install("district", systems.app("district", needs("Stream")))
    district.served()
    assert set(flood.body()["metadata"]["finalizers"]) == {names.FINALIZER, names.FINALIZER_CONSUMERS}
    city.cluster.delete(INSTALLATION, city.namespace, "flood")
    ready = flood.wait_for("Ready", "False", "HasConsumers")
    assert "its data products feed district: delete them" in ready["message"]
    until(
        district,
        "word of the removal",
        lambda: district.body()["status"]["bindings"][0]["upstream"]["state"] == "Leaving",
    )
    assert condition(district.body(), "Ready")["status"] == "True"
    assert elsewhere.cluster.find(KINDS["Service"], elsewhere.namespace, "flood-web"), "it serves on"

    # The consumer is deleted while its cluster is away: both deletions wait for that now, and end by themselves.
    elsewhere.tunnel.cut()
    platform_says(city, "ClusterUnreachable")
    city.cluster.delete(INSTALLATION, city.namespace, "district")
    flood.wait_for("Ready", "Unknown", "ClusterUnreachable")
    assert flood.body()["metadata"]["finalizers"] == [names.FINALIZER]
    elsewhere.tunnel.restore()
    until(flood, "end of both", lambda: gone(flood) and gone(district))
    assert elsewhere.objects() == {}


def test_a_product_goes_to_platforms_of_the_same_cluster_and_the_others_are_told_why_not(
    systems: Systems, elsewhere: Elsewhere
) -> None:
    city, namespace = systems.city, systems.city.namespace
    flood = systems.install(
        "flood",
        systems.app("flood", **MAKES),  # type: ignore[arg-type]
        offers=[
            {
                "product": "forecast",
                "to": [{"namespace": namespace, "platform": p} for p in ("beside", "near")],
            }
        ],
    )
    accepts = [{"name": "flow", "namespace": namespace, "installation": "flood", "product": "forecast"}]
    gauge = apps.source(city.supplier.url())
    city.cluster.apply(apps.platform(namespace, gauge, name="near", accepts=accepts))
    city.cluster.apply(apps.platform(namespace, gauge, name="beside", accepts=accepts, **CLUSTER))
    app = systems.app("district", needs("Stream"))
    near = systems.install("near", app, platform="near")
    beside = systems.install("beside", app, platform="beside")

    # On another platform of that cluster it is a source like on its own.
    fed = beside.served()["status"]
    secret = texts(elsewhere.cluster.get(SECRETS, elsewhere.namespace, f"beside-{fed['servingRevision']}-upstream"))
    assert secret["uri"] == flood.body()["status"]["products"][0]["source"]["endpoint"]
    assert flood.body()["status"]["consumers"] == [{"namespace": namespace, "installation": "beside"}]
    # Here its address leads nowhere: each side says so.
    refused = near.wait_for("DataBound", "False", "OtherCluster")
    assert "Installation flood is in another cluster" in refused["message"]
    assert condition(near.body(), "Stalled")["status"] == "True"
    said = flood.wait_for("OffersReachable", "False", "OtherCluster")
    assert "lead nowhere: near." in said["message"]
    assert condition(flood.body(), "Ready")["status"] == "True"

    def shown(name: str) -> JsonObject:
        sources = city.cluster.get(OUP, namespace, name)["status"].get("dataSources", [])
        return next((s for s in sources if s["name"] == "flow"), {})

    until(near, "word of its platform", lambda: shown("near").get("reason") == "OtherCluster")
    assert shown("near")["state"] == "Unreachable"
    assert shown("beside")["reason"] == "InsideCluster"
    flood.edit(offers=[{"product": "forecast", "to": [{"namespace": namespace, "platform": "beside"}]}])
    until(flood, "end of the complaint", lambda: not condition(flood.body(), "OffersReachable"))
    near.wait_for("DataBound", "False", "RequirementNotMet")
    assert condition(beside.body(), "Ready")["status"] == "True"
