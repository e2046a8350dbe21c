"""A new revision comes beside the old one, and takes over without a request lost; one that fails changes nothing."""

import base64
from collections.abc import Callable

import e2e_apps as apps
import pytest
from e2e_city import City
from e2e_kit import DEPLOYMENT, JOB, POD, SECRET, SERVICE, Cluster, JsonObject, Twin, condition, evidence

from ddtas import names

# Asks for ever, on a connection of its own each time: what another twin in the city would do. The Service's name is
# looked up once: its address stays as long as the Service, and on an overloaded machine look-ups run out of time.
CALLERS = 4
CALLER = """
import json, socket, threading, time, urllib.parse, urllib.request
printing = threading.Lock()
url = urllib.parse.urlsplit('{url}forecast')
address = None
while address is None:
    try:
        address = socket.gethostbyname(url.hostname)
    except OSError:
        time.sleep(0.05)

def call():
    try:
        with urllib.request.urlopen(f'http://{{address}}:{{url.port}}{{url.path}}', timeout=30) as answer:
            said = json.load(answer)['revision']
    except Exception as error:
        said = f'FAILED {{time.time():.2f}} {{error!r}}'
    with printing:
        print(said, flush=True)
    time.sleep(0.05)
    return said

def call_on():
    while True:
        call()

while call().startswith('FAILED'):
    pass
for _ in range({callers}):
    threading.Thread(target=call_on).start()
"""


@pytest.fixture(scope="module")
def twin(city: City, example: str) -> Twin:
    """The example's app, in a city of its own."""
    space = city.namespace("upgrade")
    city.cluster.apply(apps.platform(space, city.endpoint), apps.installation(space, "flood", "flood-twin"))
    return Twin(city.cluster, space, "flood")


@pytest.fixture(scope="module")
def first(twin: Twin) -> JsonObject:
    return twin.ready()


@pytest.fixture(scope="module")
def answers(cluster: Cluster, city: City, twin: Twin, first: JsonObject) -> Callable[[], list[str]]:
    """All answers that the caller got so far."""
    container = apps.python(city.image, CALLER.format(url=first["status"]["url"], callers=CALLERS))
    cluster.apply(apps.restricted_pod(twin.namespace, "caller", {"app": "caller"}, container))

    def log() -> list[str]:
        lines = cluster.log_of(twin.namespace, "caller").splitlines()
        # Until the node has heard of a new Service, nothing answers there: the first answer is the beginning.
        heard = next((n for n, line in enumerate(lines) if line == first["status"]["revision"]), len(lines))
        return lines[heard:]

    cluster.wait("answer to the caller", log, twin.namespace)
    return log


def leads_to(twin: Twin) -> str:
    """The revision that the Service selects."""
    return str(twin.cluster.get(SERVICE, twin.namespace, "flood-web")["spec"]["selector"][names.LABEL_REVISION])


@pytest.fixture(scope="module")
def upgraded(cluster: Cluster, twin: Twin, first: JsonObject, answers: Callable[[], list[str]]) -> JsonObject:
    old = first["status"]["revision"]
    twin.edit(parameters={"horizonDays": 7})
    under_way = twin.wait("Serving", "True", "KeepsServing")
    with cluster.explained(twin.namespace):
        assert under_way["status"]["servingRevision"] == old != under_way["status"]["revision"]
        assert f"revision {old} (version 1.0.0) keeps serving" in condition(under_way, "Serving")["message"]
        assert condition(under_way, "Ready")["status"] != "True"
        assert condition(under_way, "Reconciling")["status"] == "True"
        assert leads_to(twin) == old
    new: JsonObject = twin.ready()
    cluster.wait("answer of the new revision", lambda: answers()[-1] == new["status"]["revision"], twin.namespace)
    return new


def test_the_new_revision_takes_over(twin: Twin, first: JsonObject, upgraded: JsonObject) -> None:
    assert upgraded["status"]["revision"] == upgraded["status"]["servingRevision"] != first["status"]["revision"]
    assert leads_to(twin) == upgraded["status"]["revision"]
    assert upgraded["status"]["url"] == first["status"]["url"]
    assert evidence(upgraded)["validation"]["outcome"] == "Passed"


def test_no_request_was_lost_on_the_way(
    first: JsonObject, upgraded: JsonObject, answers: Callable[[], list[str]]
) -> None:
    said = answers()
    failed = [line for line in said if line.startswith("FAILED")]
    assert failed == [], f"{len(failed)} of {len(said)} requests failed"
    old, new = first["status"]["revision"], upgraded["status"]["revision"]
    # At the switch the answers to several callers may overtake each other; afterwards the old one answers nobody.
    assert set(said) == {old, new}
    assert said[0] == old
    assert old not in said[said.index(new) + 3 * CALLERS :]
    assert len(said) > 50


def test_the_old_revision_goes(cluster: Cluster, twin: Twin, first: JsonObject, upgraded: JsonObject) -> None:
    old = first["status"]["revision"]

    def gone() -> bool:
        return not any(twin.children(resource, revision=old) for resource in (JOB, DEPLOYMENT))

    cluster.wait("end of what the old revision had", gone, twin.namespace)


@pytest.fixture(scope="module")
def refused(twin: Twin, upgraded: JsonObject) -> JsonObject:
    twin.edit(parameters={"horizonDays": 7, "objective": "KGE"})
    twin.refused("Validated", "ThresholdNotMet")
    return twin.body()


def test_an_upgrade_that_fails_leaves_the_old_one_serving_and_says_so(
    twin: Twin, first: JsonObject, upgraded: JsonObject, refused: JsonObject, answers: Callable[[], list[str]]
) -> None:
    serving = upgraded["status"]["revision"]
    assert refused["status"]["servingRevision"] == serving != refused["status"]["revision"]
    assert refused["status"]["url"] == upgraded["status"]["url"]
    found = condition(refused, "Serving")
    assert (found["status"], found["reason"]) == ("True", "KeepsServing")
    assert serving in found["message"]
    assert "must be > 0.50" in condition(refused, "Ready")["message"]
    assert {r["id"]: r["state"] for r in refused["status"]["revisions"]} == {
        first["status"]["revision"]: "Superseded",  # remembered, for a way back
        serving: "Serving",
        refused["status"]["revision"]: "Failed",
    }
    assert leads_to(twin) == serving
    assert twin.children(DEPLOYMENT, revision=refused["status"]["revision"]) == []
    assert answers()[-1] == serving


def test_the_way_back_needs_no_new_run(
    cluster: Cluster, twin: Twin, upgraded: JsonObject, refused: JsonObject, answers: Callable[[], list[str]]
) -> None:
    serving = upgraded["status"]["revision"]
    before = {j["metadata"]["uid"] for j in twin.children(JOB, revision=serving)}
    twin.edit(parameters={"horizonDays": 7, "objective": None})
    body = twin.ready()
    with cluster.explained(twin.namespace):
        assert body["status"]["revision"] == body["status"]["servingRevision"] == serving
        assert {j["metadata"]["uid"] for j in twin.children(JOB, revision=serving)} == before
        assert [line for line in answers() if line.startswith("FAILED")] == []
        assert answers()[-1] == serving


def test_a_source_that_moves_needs_no_new_run_and_no_new_pod(
    cluster: Cluster, city: City, twin: Twin, upgraded: JsonObject, answers: Callable[[], list[str]]
) -> None:
    """The same data at another address: what fetches it reads the address each time."""
    before = twin.ready()["status"]
    revision = before["servingRevision"]
    pods = {p["metadata"]["uid"] for p in twin.children(POD, revision=revision, component="web")}
    jobs = {j["metadata"]["uid"] for j in twin.children(JOB)}
    cluster.apply(apps.platform(twin.namespace, f"{city.endpoint}?moved"))
    secret = names.child(twin.name, revision, "discharge-series")

    def told() -> bool:
        uri = cluster.get(SECRET, twin.namespace, secret)["data"]["uri"]
        return base64.b64decode(uri).decode().endswith("?moved")

    cluster.wait("new address in the binding", told, twin.namespace)
    after = twin.ready()["status"]
    with cluster.explained(twin.namespace):
        assert after["revision"] == after["servingRevision"] == revision
        assert {j["metadata"]["uid"] for j in twin.children(JOB)} == jobs
        assert {p["metadata"]["uid"] for p in twin.children(POD, revision=revision, component="web")} == pods
        assert [line for line in answers() if line.startswith("FAILED")] == []
