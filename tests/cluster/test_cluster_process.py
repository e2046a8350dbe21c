"""The process itself: its own port, its log, and what it must never tell."""

import base64
import json

import cluster_apps as apps
from cluster_city import City
from cluster_kit import KINDS, condition

CANARY = "canary-5c1f7a"


def test_health_readiness_and_metrics(city: City) -> None:
    operator = city.start()
    flood = city.everything()
    flood.served()
    assert operator.get("/healthz") == (200, "ok\n")
    assert operator.get("/readyz") == (200, "ok\n")
    assert operator.get("/nothing")[0] == 404
    status, metrics = operator.get("/metrics")
    assert status == 200
    samples = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if line and not line.startswith("#"))
    assert float(samples["ddtas_leader"]) == 1
    assert float(samples['ddtas_objects{kind="Installation",reason="Serving"}']) == 1
    assert float(samples['ddtas_objects{kind="MunicipalityPlatform",reason="SourcesReachable"}']) == 1
    assert float(samples['ddtas_reconciles_total{kind="Installation",outcome="ok"}']) >= 3
    assert float(samples['ddtas_probes_total{kind="http-csv",reason="Reachable"}']) >= 1
    assert float(samples['ddtas_api_requests_total{kind="Job",status="201",verb="apply"}']) == 2
    assert float(samples["ddtas_queue_length"]) == 0
    assert float(samples["process_resident_memory_bytes"]) < 200 * 1024 * 1024
    names = (city.namespace, "flood", city.app)
    assert not [line for line in metrics.splitlines() if any(n in line for n in names)], "labels without a bound"


def test_the_log_is_json_and_tells_what_was_done(city: City) -> None:
    operator = city.start()
    flood = city.everything()
    flood.served()
    assert operator.terminate() == 0
    records = operator.records()
    assert all({"time", "level", "logger", "message"} <= record.keys() for record in records)
    made = [r["message"] for r in records if r.get("object", "").startswith(f"{city.namespace}/flood")]
    assert made[:4].count("created ConfigMap") == 1
    assert sorted(made) == sorted(
        ["created ConfigMap"] * 3
        + ["created Job"] * 2
        + [f"created {kind}" for kind in ("ControllerRevision", "Deployment", "NetworkPolicy", "Secret", "Service")]
    )
    assert {record["level"] for record in records} == {"INFO"}


def test_a_secret_is_told_to_nobody(city: City) -> None:
    """Searched for in plain and in base64: in good and bad times, at the most talkative log level."""
    secret = f"{CANARY}-password"
    city.supplier.passwords |= {"/private.csv": secret, "/closed.csv": "another"}
    city.cluster.apply(apps.credentials(city.namespace, "gauge", username=f"{CANARY}-user", password=secret))
    city.cluster.apply(apps.credentials(city.namespace, "odd", username="x", password=f"{CANARY}\n"))
    operator = city.start(log_level="DEBUG", probe_interval_seconds="5")
    city.store()
    with_secret = {"credentials": {"secretName": "gauge", "scheme": "Basic"}, "purposes": ["testing"]}
    city.platform(
        apps.source(city.supplier.url(f"/private.csv?key={CANARY}"), **with_secret),  # type: ignore[arg-type]
        apps.source(city.supplier.url("/private.csv"), name="private", **with_secret),
        apps.source(city.supplier.url("/closed.csv"), name="closed", **with_secret),
        apps.source(city.supplier.url("/x"), name="odd", credentials={"secretName": "odd", "scheme": "Basic"}),
    )
    flood = city.install(bindings=[{"requirement": "series", "dataSource": "private"}])
    flood.served()
    refused = city.install("refused", bindings=[{"requirement": "series", "dataSource": "closed"}])
    refused.wait_for("DataBound", "False", "DataSourceUnreachable")
    unreadable = city.install("unreadable", bindings=[{"requirement": "series", "dataSource": "odd"}])
    unreadable.wait_for("DataBound", "False", "DataSourceUnreachable")
    assert "Unauthorized" in condition(refused.body(), "DataBound")["message"]
    assert "correct the Secret" in condition(unreadable.body(), "DataBound")["message"]

    told = {
        "/metrics": operator.get("/metrics")[1],
        "Events": city.cluster.kubectl("get", "events", "-n", city.namespace, "-o", "json"),
        "describe": city.cluster.kubectl("describe", "inst", "-n", city.namespace),
        "status of the platform": json.dumps(
            city.cluster.get(KINDS["MunicipalityPlatform"], city.namespace, "oup")["status"]
        ),
    }
    for kind in ("Installation", "ConfigMap", "Deployment", "Job", "Pod", "ControllerRevision", "Service"):
        told[kind] = json.dumps(city.cluster.all(KINDS[kind], city.namespace))
    assert operator.terminate() == 0
    told["the log"] = operator.output
    assert len(told["the log"]) > 1000
    words = [CANARY, *(base64.b64encode(s.encode()).decode().rstrip("=") for s in (secret, f"{CANARY}-user"))]
    words.append(base64.b64encode(f"{CANARY}-user:{secret}".encode()).decode().rstrip("="))
    for place, text in told.items():
        assert [word for word in words if word in text] == [], f"in {place}"

    (wired,) = flood.children(KINDS["Secret"])
    assert base64.b64decode(wired["data"]["password"]).decode() == secret, "the search would have found it"
