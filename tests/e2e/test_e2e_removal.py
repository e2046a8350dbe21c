"""An Installation that is deleted leaves nothing behind, at whatever stage it was."""

import e2e_apps as apps
from e2e_city import City
from e2e_kit import NAMESPACE, POD, Cluster, Twin

from ddtas import names
from ddtas.cluster.rest.resources import INSTALLATION

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ prefix }}-extra'}\ndata: {key: value}\n"


def left_over(cluster: Cluster, twin: Twin) -> list[str]:
    """Every object of any kind in the namespace that carries the Installation's label, as kubectl finds it."""
    kinds = cluster.kubectl("api-resources", "--namespaced", "--verbs=list,delete", "-o", "name").split()
    assert {"jobs.batch", "services", "secrets", "controllerrevisions.apps"} <= set(kinds)
    label = f"{names.LABEL_INSTALLATION}={twin.name}"
    return cluster.kubectl("get", ",".join(kinds), "-n", twin.namespace, "-l", label, "-o", "name").split()


def test_nothing_is_left_behind(cluster: Cluster, city: City) -> None:
    done = city.install("removal", apps.version(city.image, templates=[CONFIG]))
    busy_app = city.listing("removal-busy", apps.version(city.image, calibrate=apps.sleeping(600, apps.CALIBRATE)))
    cluster.apply(apps.installation(done.namespace, "busy", busy_app))
    busy = Twin(cluster, done.namespace, "busy")
    done.ready()

    def calibrating() -> bool:
        return [p["status"]["phase"] for p in busy.children(POD)] == ["Running"]

    cluster.wait("running calibration", calibrating, busy.namespace)
    made = left_over(cluster, done)
    for kind in ("configmap", "secret", "service", "pod", "deployment.apps", "controllerrevision.apps", "job.batch"):
        assert any(entry.startswith(f"{kind}/") for entry in made), made

    for twin in (busy, done):
        cluster.delete(INSTALLATION, twin.namespace, twin.name)
        cluster.wait(f"end of {twin}", lambda twin=twin: cluster.find(INSTALLATION, twin.namespace, twin.name) is None)  # type: ignore[misc]
        cluster.wait(f"empty space after {twin}", lambda twin=twin: left_over(cluster, twin) == [], twin.namespace)  # type: ignore[misc]

    assert cluster.find(INSTALLATION, done.namespace, "busy") is None
    cluster.delete(NAMESPACE, None, done.namespace)
    cluster.wait("end of the namespace", lambda: cluster.find(NAMESPACE, None, done.namespace) is None)
