"""The operator at work: from first sight to serving, and what it costs the API server."""

import base64
import json
import time
from collections import Counter
from itertools import pairwise
from urllib.parse import urlsplit

import cluster_apps as apps
from cluster_city import STEPS, City
from cluster_kit import KINDS, History, Request, by_kind, condition

from ddtas import names

QUIET_SECONDS = 10
TOLD = ["Calibrating", "Calibrated", "Serving"]  # what a person waits for, and nothing on the way there
# What one Installation of this app consists of.
OBJECTS = {
    "configmaps": 3,
    "controllerrevisions": 1,
    "deployments": 1,
    "jobs": 2,
    "networkpolicies": 1,
    "secrets": 1,
    "services": 1,
}
# A look at the cluster's own network, each five minutes.
NETWORK = ("endpointslices", "servicecidrs", "nodes")
NETWORK_LOOK = {"get endpointslices": 1, "list nodes": 1, "list servicecidrs": 1}


def statuses(body: dict[str, object]) -> dict[str, str]:
    """The status of each condition."""
    return {c["type"]: c["status"] for c in body.get("status", {}).get("conditions", [])}  # type: ignore[attr-defined]


def test_an_installation_goes_from_first_sight_to_serving(city: City) -> None:
    city.start()
    city.store()
    city.platform()
    city.settled()  # it has heard of both, so that nothing else is told first
    flood = city.known()
    with History(city.cluster, KINDS["Installation"], city.namespace, "flood") as history:
        city.install()
        body = flood.served()
        states = history.up_to(body)

    assert statuses(body) == dict.fromkeys((*STEPS, "Ready", "UpToDate"), "True") | {
        "Reconciling": "False",
        "Stalled": "False",
    }
    assert body["status"]["observedGeneration"] == body["metadata"]["generation"]
    assert body["status"]["progress"] == "6/6"
    first = next(s for s in states if "conditions" in s["status"])  # before it: what the CRD gives it
    assert statuses(first) == dict.fromkeys(("Ready", *STEPS), "Unknown") | statuses(first) | {
        "Ready": "Unknown",
        "Reconciling": "True",
        "Stalled": "False",
    }
    done = [[step for step in STEPS if statuses(s).get(step) == "True"] for s in states]
    assert all(steps == list(STEPS[: len(steps)]) for steps in done), "a step is True before the one before it"
    assert [len(steps) for steps in done] == sorted(len(steps) for steps in done), "a step went back"
    for before, after in pairwise(states):
        assert before.get("status") != after.get("status"), "a status was written that says nothing new"

    told = [event["reason"] for event in flood.events()]
    assert told == TOLD
    assert {event["type"] for event in flood.events()} == {"Normal"}


def test_what_is_made_for_it(city: City) -> None:
    city.start()
    flood = city.everything(parameters={"depth": 3})
    status = flood.served()["status"]
    revision = status["revision"]
    (secret,) = flood.children(KINDS["Secret"])
    assert secret["type"] == "servicebinding.io/http-csv"
    entries = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    url = urlsplit(city.supplier.url())
    assert entries == {
        "type": "http-csv",
        "provider": "gauge",
        "uri": url.geturl(),
        "host": url.hostname,
        "port": str(url.port),
    }

    data = {key: json.loads(text) for c in flood.children(KINDS["ConfigMap"]) for key, text in c["data"].items()}
    assert data["parameters.json"] == {"objective": "NSE", "depth": 3}
    assert data["calibrated.json"] == {"depth": 1.5}
    assert data["evidence.json"]["validation"]["metrics"] == {"NSE": 0.8}

    (service,) = flood.children(KINDS["Service"])
    assert service["spec"]["selector"] == {
        names.LABEL_INSTALLATION: "flood",
        names.LABEL_REVISION: revision,
        names.LABEL_COMPONENT: "web",
    }
    assert status["url"] == f"http://flood-web.{city.namespace}.svc:8080/"
    (evidence,) = status["revisions"]
    assert evidence["calibration"]["parameters"] == [{"name": "depth", "value": "1.5"}]
    assert evidence["validation"]["metrics"] == [
        {"name": "NSE", "value": "0.8", "threshold": "> 0.50", "verdict": "Met"}
    ]
    inventory = {f"{item['kind']} {item['name']}" for item in status["inventory"]}
    assert inventory == {found for found in city.leftovers() if not found.startswith("Pod ")}


def test_what_it_costs_the_api_server(city: City) -> None:
    operator = city.start(leader_election="true")
    city.store()
    city.platform()
    eventually_idle(city)
    mark = city.cluster.mark()
    with History(city.cluster, KINDS["Installation"], city.namespace, "flood") as history:
        body = city.install().served()
        published = [s["status"] for s in history.up_to(body) if "conditions" in s["status"]]
    city.settled()
    requests = without_lease(city.cluster.requests(city.rights.user, mark))
    print(json.dumps(by_kind(requests)))

    assert {r.code for r in requests} <= {200, 201}
    assert {r.agent.partition("/")[0] for r in requests} == {"ddtas-operator"}
    assert [r for r in requests if not r.writes] == [], "it reads what it watches anyway"
    written = [r for r in requests if r.kind in OBJECTS]
    assert by_kind(written) == {f"patch {kind}": count for kind, count in OBJECTS.items()}, "one write an object"
    assert len({(r.kind, r.name) for r in written}) == len(written)
    counts = by_kind(requests)
    assert counts["patch installations/status"] == len(published) <= 4, "one write a published transition"
    assert counts["create events"] == len(TOLD)
    assert counts["patch municipalityplatforms/status"] == 1, "who uses its data"
    assert sum(counts.values()) == len(written) + counts["patch installations/status"] + counts["create events"] + 1
    (source,) = city.cluster.get(KINDS["MunicipalityPlatform"], city.namespace, "oup")["status"]["dataSources"]
    assert [use["installation"] for use in source["usedBy"]] == ["flood"]

    mark = city.cluster.mark()
    time.sleep(QUIET_SECONDS)
    assert without_lease(city.cluster.requests(city.rights.user, mark)) == [], "it does not rest when converged"
    assert city.lease() == operator.name


def test_a_restart_with_twenty_converged_installations_writes_nothing(city: City) -> None:
    first = city.start()
    city.store()
    city.platform()
    apps_ = [city.install(f"flood-{n}", parameters={"depth": 2 + n}) for n in range(20)]
    before = [app.served() for app in apps_]
    city.settled()
    first.kill()

    mark = city.cluster.mark()
    city.start()
    city.settled()
    requests = city.cluster.requests(city.rights.user, mark)
    print(json.dumps(by_kind(requests)))
    assert [r for r in requests if r.writes] == []
    # A watch is in the audit log only once its first event has been sent, so there may be none of them yet.
    assert by_kind([r for r in requests if r.kind in NETWORK]) == NETWORK_LOOK
    requests = [r for r in requests if r.kind not in NETWORK]
    assert [r.name for r in requests if r.verb == "get"] == [names.SEAL]
    requests = [r for r in requests if r.name != names.SEAL]
    assert {r.verb for r in requests} - {"watch"} == {"list"}, "reads one by one"
    # Of each kind one list, in pages of some 64 KiB (0120).
    assert max(Counter(r.kind for r in requests if r.verb == "list").values()) <= 8
    after = [app.body() for app in apps_]
    assert [b["metadata"]["resourceVersion"] for b in after] == [b["metadata"]["resourceVersion"] for b in before]

    # And it is at work all the same: an edit is taken up.
    apps_[7].edit(suspend=True)
    apps_[7].wait_for("Ready", "True", "Suspended")


def without_lease(requests: list[Request]) -> list[Request]:
    """Without what goes on for as long as the operator runs: its Lease, and its watches that are renewed."""
    return [r for r in requests if r.kind != "leases" and r.verb != "watch"]


def eventually_idle(city: City) -> None:
    """Wait until the platform has been looked at and nothing more is said about it."""
    city.cluster.wait(
        "look at the data source",
        lambda: (
            condition(city.cluster.get(KINDS["MunicipalityPlatform"], city.namespace, "oup"), "Ready").get("status")
            == "True"
        ),
    )
    city.settled(3)  # two seconds after the first list, all is listed once more


def test_runs_that_end_badly_each_have_their_reason(city: City) -> None:
    """Only that the pod's status gets here; what each of them means is tested with the pure layer."""
    bad = {
        "RunCrashed": apps.run('{"error": "no such file"}', code=3),
        "ResultMissing": apps.run(""),
        "ResultMalformed": apps.run("fine"),
        "ResultNotFinite": apps.run(
            '{"metrics": {"NSE": NaN}, "windows": [{"start": "2013-01-01", "end": "2013-02-01"}]}'
        ),
    }
    city.store(*(apps.version(f"{n}.0.0", calibration=run) for n, run in enumerate(bad.values(), 1)))
    city.platform()
    city.start()
    made = [city.install(f"bad-{n}", version=f"{n}.0.0") for n in range(1, len(bad) + 1)]
    for app, reason in zip(made, bad, strict=True):
        app.wait_for("Calibrated", "False", reason)
        assert condition(app.body(), "Stalled")["status"] == "True"
    assert "exit code 3: no such file" in condition(made[0].body(), "Calibrated")["message"]
    city.settled()
    assert city.cluster.children(city.namespace, KINDS["Deployment"]) == []


# As a listing may well have it, and as the API server does not store it.
ODD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ prefix }}-side", annotations: {note: "{{ parameters.objective }}"}}
spec:
  replicas: 1
  selector: {matchLabels: {app: "{{ prefix }}-side"}}
  template:
    metadata: {labels: {app: "{{ prefix }}-side"}}
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: side
          image: localhost/nothing:1
          ports: [{containerPort: 9000}]
          env: [{name: EMPTY, value: ""}]
          resources: {requests: {cpu: 0.5, memory: 1024Mi}, limits: {cpu: 1000m, memory: 1.0Gi}}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities: {drop: [ALL]}
---
apiVersion: v1
kind: Service
metadata: {name: "{{ prefix }}-side"}
spec: {selector: {app: "{{ prefix }}-side"}, ports: [{port: 9000}]}
"""


def test_a_template_that_the_api_server_stores_otherwise_is_applied_once(city: City) -> None:
    operator = city.start()
    mark = city.cluster.mark()
    flood = city.everything(apps.version(templates=[{"name": "side", "manifest": ODD}]))
    flood.served()
    city.settled()

    def sent(since: int) -> list[str]:
        requests = city.cluster.requests(city.rights.user, since)
        return [r.kind for r in requests if r.writes and r.name.endswith("-side")]

    assert sorted(sent(mark)) == ["deployments", "services"]

    def versions() -> dict[str, str]:
        return {d["metadata"]["name"]: d["metadata"]["resourceVersion"] for d in flood.children(KINDS["Deployment"])}

    before, mark = versions(), city.cluster.mark()
    operator.kill()
    operator.start()
    city.settled()
    assert versions() == before, "it was changed by a restart"
    assert len(sent(mark)) <= 1, "what the API server made of it is learnt again, once"
