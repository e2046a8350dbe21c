"""What tools that wait are told: helm itself, and the rules of kstatus, before an operator has looked and after."""

import subprocess
from pathlib import Path
from typing import Any

import cluster_apps as apps
import pytest
import yaml
from cluster_city import City
from cluster_kit import KINDS, JsonObject, condition


def kstatus(body: JsonObject) -> str:
    """Current, InProgress or Failed, by the rules of sigs.k8s.io/cli-utils for a kind that it does not know."""
    status = body.get("status", {})
    conditions = {c["type"]: c["status"] for c in status.get("conditions", ())}
    if "observedGeneration" in status and status["observedGeneration"] != body["metadata"]["generation"]:
        return "InProgress"
    if conditions.get("Reconciling") == "True":
        return "InProgress"
    if conditions.get("Stalled") == "True":
        return "Failed"
    return "InProgress" if conditions.get("Ready", "True") != "True" else "Current"


@pytest.mark.parametrize("kind", ["AppListing", "MunicipalityPlatform", "Installation"])
def test_what_nobody_has_looked_at_is_in_progress(city: City, kind: str) -> None:
    city.everything()
    name = {"AppListing": city.app, "MunicipalityPlatform": "oup", "Installation": "flood"}[kind]
    body = city.cluster.get(KINDS[kind], None if kind == "AppListing" else city.namespace, name)
    assert body["status"] == {"observedGeneration": -1}
    assert kstatus(body) == "InProgress"


def test_suspended_and_planned_are_waited_for_by_nobody(city: City) -> None:
    city.start()
    flood = city.everything(mode="Plan")
    flood.wait_for("Ready", "False", "Planned")
    assert flood.body()["status"]["plan"]["items"]
    assert kstatus(flood.body()) == "Failed"
    assert condition(flood.body(), "Stalled")["message"] == condition(flood.body(), "Ready")["message"]
    flood.edit(mode="Apply", suspend=True)
    flood.wait_for("Ready", "False", "Suspended")
    assert kstatus(flood.body()) == "Failed"
    flood.edit(suspend=False)
    assert kstatus(flood.served()) == "Current"
    flood.edit(suspend=True)
    flood.wait_for("Ready", "True", "Suspended")
    assert kstatus(flood.body()) == "Current", "it serves what is asked for"


def chart(folder: Path, *bodies: JsonObject) -> Path:
    """A chart with these objects."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: city\nversion: 1.0.0\n")
    (folder / "templates" / "all.yaml").write_text(yaml.safe_dump_all(bodies))
    return folder


def helm(city: City, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = ["helm", "install", "city", str(folder), "-n", city.namespace, "--wait", "--timeout", "90s", *more]
    environment = ["env", f"KUBECONFIG={city.cluster.kubeconfig}", f"HOME={folder}"]
    return subprocess.run([*environment, *command], capture_output=True, text=True, check=False)


@pytest.fixture
def installation(city: City) -> Any:
    def of(*versions: JsonObject, **spec: Any) -> JsonObject:
        city.store(*versions)
        city.platform()
        return apps.installation(city.namespace, "flood", city.app, **spec)

    return of


def test_helm_waits_until_it_serves(city: City, installation: Any, tmp_path: Path) -> None:
    body = installation()
    city.start()
    done = helm(city, chart(tmp_path / "chart", body))
    assert done.returncode == 0, done.stderr
    now = city.known().body()
    assert condition(now, "Ready")["status"] == "True"
    assert now["status"]["observedGeneration"] == now["metadata"]["generation"]


def test_helm_does_not_wait_for_what_a_person_must_mend(city: City, installation: Any, tmp_path: Path) -> None:
    body = installation(apps.version(calibration=apps.run("ValueError: no discharge in 2014", code=1)))
    city.start()
    done = helm(city, chart(tmp_path / "chart", body))
    assert done.returncode != 0
    assert "Failed" in done.stderr
    assert "no discharge in 2014" in done.stderr, "Stalled has what Ready says"
