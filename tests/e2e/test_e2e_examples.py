"""The examples of this repository: a forecast, the refusal of its careless sister, and a city that lacks one thing."""

import json
import math
from datetime import date, timedelta

import pytest
from e2e_kit import (
    DEPLOYMENT,
    JOB,
    KINDS,
    POD,
    SERVICE,
    STEPS,
    Cluster,
    JsonObject,
    Twin,
    condition,
    evidence,
)

PNG = b"\x89PNG\r\n\x1a\n"
# Three cities calibrate at once, each with thousands of runs of the model.
PATIENCE_SECONDS = 600.0


@pytest.fixture(scope="module")
def flood(cluster: Cluster, example: str) -> Twin:
    return Twin(cluster, example, "flood")


@pytest.fixture(scope="module")
def serving(flood: Twin) -> JsonObject:
    return flood.ready(PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def careless(cluster: Cluster, example: str) -> Twin:
    twin = Twin(cluster, example, "flood-kge")
    twin.wait("Validated", "False", "ThresholdNotMet", PATIENCE_SECONDS)
    twin.refused("Validated", "ThresholdNotMet")
    return twin


def test_each_condition_holds_and_came_after_the_one_before(serving: JsonObject) -> None:
    found = [condition(serving, step) for step in STEPS]
    assert [c["status"] for c in found] == ["True"] * len(STEPS)
    times = [c["lastTransitionTime"] for c in found]
    assert times == sorted(times)
    assert condition(serving, "Reconciling")["status"] == condition(serving, "Stalled")["status"] == "False"
    assert serving["status"]["progress"] == "6/6"
    assert serving["status"]["observedGeneration"] == serving["metadata"]["generation"]


def test_the_events_tell_the_story_in_order(flood: Twin, serving: JsonObject) -> None:
    flood.told("Serving")
    told = [e["reason"] for e in flood.events()]
    milestones = ("Calibrating", "Calibrated", "Serving")
    assert [r for r in told if r in milestones] == list(milestones)
    assert {e["type"] for e in flood.events() if e["reason"] in milestones} == {"Normal"}


def test_the_status_holds_the_evidence(serving: JsonObject) -> None:
    runs = evidence(serving)
    assert {p["name"] for p in runs["calibration"]["parameters"]} == {"cmax", "bexp", "alpha", "Ks", "Kq"}
    assert all(math.isfinite(float(p["value"])) for p in runs["calibration"]["parameters"])
    assert runs["calibration"]["windows"] == [{"start": "2013-01-01", "end": "2014-12-31"}]
    assert runs["validation"]["windows"] == [{"start": "2015-01-01", "end": "2016-12-31"}]
    judged = {m["name"]: m for m in runs["validation"]["metrics"] if "threshold" in m}
    assert {name: m["threshold"] for name, m in judged.items()} == {
        "NSE": "> 0.50",
        "RSR": "< 0.70",
        "absPBIAS": "< 25",
    }
    assert {m["verdict"] for m in judged.values()} == {"Met"}
    assert float(judged["NSE"]["low"]) < 0.5 < float(judged["NSE"]["value"]) < float(judged["NSE"]["high"])
    assert [runs[phase]["assurance"] for phase in ("calibration", "validation")] == ["Sealed", "Sealed"]
    (predicted,) = runs["validation"]["predictions"]
    assert (predicted["target"], predicted["rows"]) == ("discharge", 731)
    binding = serving["status"]["bindings"][0]
    assert (binding["dataSource"], binding["verdict"]) == ("river-gauge", "Met")


def test_the_inventory_is_what_there_is(cluster: Cluster, flood: Twin, serving: JsonObject) -> None:
    listed = {(i["kind"], i["name"]) for i in serving["status"]["inventory"]}
    for resource in (DEPLOYMENT, JOB, SERVICE):
        there = {(resource.kind, o["metadata"]["name"]) for o in flood.children(resource)}
        assert there == {entry for entry in listed if entry[0] == resource.kind}
    assert len([k for k, _ in listed if k == "Job"]) == 2


def test_the_forecast_is_of_the_calibrated_model(flood: Twin, serving: JsonObject) -> None:
    status, body = flood.ask("/forecast")
    assert status == 200, body[:500]
    forecast = json.loads(body)
    assert forecast["revision"] == serving["status"]["servingRevision"] == serving["status"]["revision"]
    found = {p["name"]: float(p["value"]) for p in evidence(serving)["calibration"]["parameters"]}
    assert forecast["calibrated"] == found
    days = forecast["days"]
    first = date.fromisoformat(days[0]["date"])
    assert [d["date"] for d in days] == [(first + timedelta(days=n)).isoformat() for n in range(14)]
    assert all(0 <= d["low"] <= d["median"] <= d["high"] < math.inf for d in days)


def test_the_page_and_the_plot_are_there(flood: Twin, serving: JsonObject) -> None:
    status, plot = flood.ask("/plot.png")
    assert status == 200
    assert plot.startswith(PNG)
    assert len(plot) > 10_000
    status, page = flood.ask("/")
    assert status == 200
    assert b"Voorbeeldstad" in page


def test_the_url_of_the_status_leads_to_the_app_from_within_the_cluster(
    cluster: Cluster, flood: Twin, serving: JsonObject
) -> None:
    (pod,) = flood.children(POD, component="web")
    url = serving["status"]["url"]
    assert url == f"http://flood-web.{flood.namespace}.svc:8080/"
    code = f"import urllib.request; print(urllib.request.urlopen('{url}healthz', timeout=20).read())"
    exec_in = ("exec", "-n", flood.namespace, pod["metadata"]["name"], "--", "python3", "-c", code)
    # The node hears of a new Service a moment after the status says that it serves.
    cluster.wait("answer at status.url", lambda: "ok" in cluster.kubectl(*exec_in), flood.namespace)


def test_its_pods_are_restricted_in_deed(cluster: Cluster, flood: Twin, serving: JsonObject) -> None:
    (pod,) = flood.children(POD, component="web")
    code = (
        "import os\n"
        "for path in ('/opt/app/x', '/x', '/etc/ddtas/x', '/bindings/discharge-series/x'):\n"
        "    try: open(path, 'w'); print('WROTE', path)\n"
        "    except OSError as error: print('refused', error)\n"
        "open('/tmp/x', 'w'); print('tmp is writable')\n"
        "print('uid', os.getuid(), 'token', os.path.exists('/var/run/secrets/kubernetes.io'))\n"
        "print('capabilities', [l.split()[1] for l in open('/proc/self/status') if l.startswith('CapEff')])\n"
    )
    said = cluster.kubectl("exec", "-n", flood.namespace, pod["metadata"]["name"], "--", "python3", "-c", code)
    assert said.count("refused") == 4, said
    assert "WROTE" not in said
    assert "tmp is writable" in said
    assert "token False" in said
    assert "uid 0" not in said
    assert "capabilities ['0000000000000000']" in said


def test_every_pod_declares_what_it_uses(flood: Twin, serving: JsonObject) -> None:
    pods = flood.children(POD)
    assert len(pods) == 3
    for pod in pods:
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            assert set(container["resources"]["limits"]) == {"cpu", "memory"}
            assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_a_run_is_fetched_sealed_and_scored(flood: Twin, serving: JsonObject) -> None:
    for phase in ("calibrate", "validate"):
        (pod,) = flood.children(POD, phase=phase)
        fetch, app = pod["spec"]["initContainers"]
        (scorer,) = pod["spec"]["containers"]
        assert [fetch["name"], app["name"], scorer["name"]] == ["fetch", phase, "score"]
        assert app["command"][0] == "/seal/seal"
        mounts = {m["mountPath"] for m in app["volumeMounts"]}
        assert not mounts & {"/truth", "/bindings/discharge-series"}


def test_the_one_that_overfits_is_refused_with_metric_and_threshold(careless: Twin) -> None:
    found = careless.condition("Validated")
    assert "NSE is 0." in found["message"]
    assert "must be > 0.50" in found["message"]
    assert careless.condition("Calibrated")["status"] == "True"
    body = careless.body()
    nse = next(m for m in evidence(body)["validation"]["metrics"] if m["name"] == "NSE")
    assert (nse["threshold"], nse["verdict"]) == ("> 0.50", "NotMet")
    assert float(nse["value"]) < 0.5


def test_the_one_that_overfits_serves_nothing(careless: Twin) -> None:
    assert careless.children(DEPLOYMENT) == []
    assert careless.children(SERVICE) == []
    body = careless.body()
    assert condition(body, "Serving")["status"] == "False"
    assert "url" not in body["status"]
    assert "servingRevision" not in body["status"]


def test_describe_tells_what_a_person_needs_at_three_in_the_morning(cluster: Cluster, careless: Twin) -> None:
    careless.told("ThresholdNotMet")
    told = cluster.kubectl("describe", "inst", "-n", careless.namespace, careless.name)
    listed = cluster.kubectl("get", "inst", "-n", careless.namespace, careless.name)
    message = careless.condition("Validated")["message"]
    conditions, events = told.split("\nEvents:", 1)
    assert message in conditions
    assert "ThresholdNotMet" in conditions
    assert "a person must act" in conditions
    assert "Warning  ThresholdNotMet" in events
    assert message in events
    assert "NSE" in conditions
    assert "NotMet" in conditions
    assert listed.splitlines()[1].split()[:6] == ["flood-kge", "False", "ThresholdNotMet", "flood-twin", "1.0.0", "4/6"]


def test_the_village_lacks_one_thing_and_is_told_which(cluster: Cluster, example: str, village: str) -> None:
    twin = Twin(cluster, village, "flood")
    told = twin.refused("DataBound", "RequirementNotMet")
    assert "the data runs 2012-01-01…2014-12-31" in told["message"]
    (binding,) = twin.body()["status"]["bindings"]
    verdicts = {c["name"]: (c["declared"], c["measured"]) for c in binding["checks"]}
    assert verdicts.pop("period") == ("Met", "NotMet")
    assert not [pair for pair in verdicts.values() if "NotMet" in pair or "Met" not in pair]
    (miss,) = binding["nearMisses"]
    assert (miss["dataSource"], len(miss["missing"])) == ("village-gauge", 1)
    assert twin.children(JOB) == []


def test_a_city_whose_data_is_written_otherwise_gets_the_same_app(
    cluster: Cluster, example: str, harbour: str, serving: JsonObject
) -> None:
    """Other names, units, steps and marks: the same table, so the same verdict, and nearly the same parameters.

    The seed is another: it is the city's.
    """
    body = Twin(cluster, harbour, "flood").ready(PATIENCE_SECONDS)
    (binding,) = body["status"]["bindings"]
    assert {f["field"]: (f["from"], f.get("conversion")) for f in binding["fields"]} == {
        "date": ("DATUM", "timestamp to date"),
        "precipitation_mm": ("NEERSLAG", "sum of PT12H"),
        "potential_evapotranspiration_mm": ("VERDAMPING", "sum of PT12H"),
        "discharge_m3s": ("DEBIET_M3H", "m3/h to m3/s; mean of PT12H"),
    }
    there, here = evidence(body), evidence(serving)
    (table,), (other,) = there["validation"]["tables"], here["validation"]["tables"]
    assert (table["rows"], table["start"], table["end"]) == (other["rows"], other["start"], other["end"])
    metrics = [{m["name"]: float(m["value"]) for m in runs["validation"]["metrics"]} for runs in (there, here)]
    assert metrics[0] == pytest.approx(metrics[1], rel=1e-3)


def test_the_platforms_say_what_they_have_and_which_apps_could_run(
    cluster: Cluster, example: str, village: str, serving: JsonObject
) -> None:
    rows = {}
    for namespace in (example, village):
        told = cluster.kubectl("get", "oup", "-n", namespace, "oup")
        rows[namespace] = told.splitlines()[1].split()
        assert told.splitlines()[0].split()[4:7] == ["SOURCES", "CONFORMANT", "APPS"]
    assert rows[example][1:3] == ["True", "SourcesReachable"]
    assert rows[example][4:6] == ["1/1", "1/1"]
    assert rows[village][1:3] == ["False", "SourcesNotConformant"]
    assert rows[village][4:6] == ["1/1", "0/1"]
    described = cluster.kubectl("describe", "oup", "-n", village, "oup")
    for text in ("Sampled:", "1096", "2014-12-31", "P1D", "Latency Milliseconds:", "Probed At:", "flood-twin"):
        assert text in described, text
    status = cluster.get(KINDS["MunicipalityPlatform"], village, "oup")["status"]
    fit = next(f for f in status["listings"] if f["name"] == "flood-twin")
    assert fit["verdict"] == "NotMet"
    assert "the data runs 2012-01-01…2014-12-31" in fit["missing"][0]
