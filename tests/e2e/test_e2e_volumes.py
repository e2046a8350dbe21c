"""Data on a volume: over an upgrade, and over the deletion of the Installation."""

import json
from collections.abc import Iterator

import e2e_apps as apps
import pytest
from e2e_city import SESSION, City
from e2e_kit import KINDS, NAMESPACE, POD, Cluster, JsonObject, Twin

from ddtas.cluster.rest.resources import INSTALLATION, ResourceType

CLAIM = KINDS["PersistentVolumeClaim"]
NODE = ResourceType("Node", "/api/v1", "nodes")
VOLUME = ResourceType("PersistentVolume", "/api/v1", "persistentvolumes")

NAME = "diary-web.data"
# Where nodes have room for what outlives a pod; kind's nodes are containers, and have it too.
SHELF, FOLDER = "/var/tmp", f"ddtas-e2e-{SESSION}"  # noqa: S108 - of the node

# Counts how often it was started, on its volume.
COUNT = """
import http.server, json, os, pathlib
file = pathlib.Path('/archive/starts')
starts = json.loads(file.read_text()) if file.exists() else []
run = json.load(open('/etc/ddtas/run.json'))
file.write_text(json.dumps(starts + [run['version']]))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({'version': run['version'], 'starts': json.loads(file.read_text())}).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(('', 8080), Handler).serve_forever()
"""


def version(image: str, number: str) -> JsonObject:
    """An app that writes to its volume."""
    made = apps.version(image, number=number, serve=COUNT)
    made["components"][0]["volumes"] = [{"name": "data", "mountPath": "/archive", "size": "16Mi"}]
    return made


def real_node(cluster: Cluster) -> str:
    """The hostname label of a node that runs containers."""
    found = [n["metadata"]["labels"] for n in cluster.all(NODE) if "type" not in n["metadata"]["labels"]]
    return str(found[0]["kubernetes.io/hostname"])


class Shelf:
    """A folder on the node, and the volume that it is: what a city's storage would bring."""

    def __init__(self, city: City) -> None:
        self._cluster, self._image = city.cluster, city.image
        self._space = f"e2e-{SESSION}-shelf"
        self._node = real_node(city.cluster)
        # Not "restricted": the folder is made and removed by root.
        self._cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._space}})
        self._run("make", f"os.makedirs('/shelf/{FOLDER}', mode=0o700)")

    def _run(self, name: str, code: str) -> None:
        """Run a piece of Python on the node, as root."""
        container = apps.python(self._image, f"import os, shutil; {code}")
        pod = apps.restricted_pod(self._space, name, {}, container)
        spec = pod["spec"]
        spec |= {"restartPolicy": "Never", "nodeSelector": {"kubernetes.io/hostname": self._node}}
        spec["securityContext"] = {"runAsUser": 0}
        spec["volumes"] = [{"name": "shelf", "hostPath": {"path": SHELF}}]
        spec["containers"][0] |= {"volumeMounts": [{"name": "shelf", "mountPath": "/shelf"}], "securityContext": {}}
        self._cluster.apply(pod)

        def ended() -> bool:
            phase = self._cluster.get(POD, self._space, name)["status"]["phase"]
            assert phase != "Failed", self._cluster.log_of(self._space, name)
            return bool(phase == "Succeeded")

        self._cluster.wait(f"end of pod {name}", ended, self._space)

    def volume(self, namespace: str) -> None:
        """A volume for that one claim. Of kind `local`: the kubelet makes it writable to the group of the pod."""
        hostname = {"key": "kubernetes.io/hostname", "operator": "In", "values": [self._node]}
        spec = {
            "capacity": {"storage": "16Mi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": f"{SHELF}/{FOLDER}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [hostname]}]}},
            "claimRef": {"namespace": namespace, "name": NAME},
        }
        self._cluster.request("POST", VOLUME.path(), {"metadata": {"name": FOLDER}, "spec": spec})

    def clear(self) -> None:
        """Take all of it away."""
        self._cluster.delete(VOLUME, None, FOLDER)
        self._run("clear", f"shutil.rmtree('/shelf/{FOLDER}')")
        self._cluster.delete(NAMESPACE, None, self._space)


@pytest.fixture
def shelf(city: City) -> Iterator[Shelf]:
    made = Shelf(city)
    try:
        yield made
    finally:
        made.clear()


def starts(twin: Twin, number: str, count: int) -> list[str]:
    """Wait until that version answers, and it was started so often; by which versions."""

    def look() -> list[str] | None:
        status, body = twin.ask("/")
        answer = json.loads(body) if status == 200 else {}
        found: list[str] = answer.get("starts", [])
        return found if answer.get("version") == number and len(found) == count else None

    found: list[str] = twin.cluster.wait(f"{count} starts of {twin}", look, twin.namespace)
    return found


def test_an_app_finds_its_data_again(cluster: Cluster, city: City, shelf: Shelf) -> None:
    space = f"e2e-{SESSION}-diary"
    shelf.volume(space)
    diary = city.install("diary", version(city.image, "1.0.0"), version(city.image, "2.0.0"))
    diary.ready()
    assert starts(diary, "1.0.0", 1) == ["1.0.0"]
    uid = cluster.get(CLAIM, space, NAME)["metadata"]["uid"]

    # The next version is started beside the one that serves, and both have the volume.
    diary.edit(version="2.0.0")
    diary.ready()
    assert starts(diary, "2.0.0", 2) == ["1.0.0", "2.0.0"]

    cluster.delete(INSTALLATION, space, "diary")
    cluster.wait("end of all pods", lambda: diary.children(POD) == [], space)
    assert NAME in diary.told("VolumesKept")["message"]
    assert cluster.get(CLAIM, space, NAME)["metadata"]["uid"] == uid

    listing = city.listing("diary", version(city.image, "1.0.0"), version(city.image, "2.0.0"))
    cluster.apply(apps.installation(space, "diary", listing, version="2.0.0", volumes="Delete"))
    diary.ready()
    assert starts(diary, "2.0.0", 3) == ["1.0.0", "2.0.0", "2.0.0"]
    assert cluster.get(CLAIM, space, NAME)["metadata"]["uid"] == uid

    cluster.delete(INSTALLATION, space, "diary")
    cluster.wait("end of the claim", lambda: cluster.find(CLAIM, space, NAME) is None, space)
