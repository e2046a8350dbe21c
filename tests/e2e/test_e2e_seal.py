"""`seal` on a real node, in a restricted pod like those of runs: what an app reaches with it, and without."""

import json
from collections.abc import Iterator

import pytest
from e2e_kit import KINDS, Cluster, JsonObject

from ddtas import names
from ddtas.plan.children.confinement import SECURITY_CONTEXT

NAMESPACE, POD = KINDS["Namespace"], KINDS["Pod"]
SPACE = "e2e-seal"

FETCH = """
from pathlib import Path
from ddtas.runner import sealing
sealing.install(Path("/opt/runner/seal"), Path("/seal/seal"))
Path("/data/in.csv").write_text("1")
Path("/truth/truth.csv").write_text("2")
"""

# What an app tries; each attempt is a name and whether it came to something.
APP = """
import ctypes, json, multiprocessing, os, socket, sys
from pathlib import Path

def attempt(function):
    try:
        return bool(function())
    except Exception as error:
        print(function.__name__, error, file=sys.stderr)
        return False

def reads_data(): return Path("/data/in.csv").read_text() == "1"
def writes_output(): return Path("/output", sys.argv[1]).write_text("3")
def has_processes():
    with multiprocessing.Pool(2) as pool:
        return pool.map(abs, [-1, 2]) == [1, 2]
def has_local_sockets(): return socket.socketpair()

def writes_data(): return Path("/data/x").write_text("x")
def replaces_seal(): return Path("/seal/seal").rename("/seal/other")
def sees_truth(): return os.path.exists("/truth/truth.csv")
def follows_link():
    Path("/output", sys.argv[1] + "-link").symlink_to("/truth/truth.csv")
    return Path("/output", sys.argv[1] + "-link").read_text()
def connects(): return socket.create_connection((os.environ["KUBERNETES_SERVICE_HOST"], 443), 10)
def has_loopback(): return socket.create_server(("127.0.0.1", 0))
def has_netlink(): return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)
def traces():
    child = os.fork()
    if not child:
        os.execvp("sleep", ["sleep", "5"])
    return ctypes.CDLL(None).syscall({"x86_64": 101, "aarch64": 117}[os.uname().machine], 0x4206, child, 0, 0) == 0

functions = (
    reads_data, writes_output, has_processes, has_local_sockets, writes_data, replaces_seal, sees_truth, follows_link,
    connects, has_loopback, has_netlink, traces,
)
print(json.dumps({function.__name__: attempt(function) for function in functions}))
"""
WORKS = {"reads_data", "writes_output", "has_processes", "has_local_sockets"}
OPEN = {"connects", "has_loopback", "has_netlink", "traces"}

SCORE = """
from pathlib import Path
print(Path("/output/sealed").read_text(), Path("/truth/truth.csv").read_text())
"""


def container(name: str, image: str, command: list[str], **mounts: bool) -> JsonObject:
    """A container, and its volumes by name: whether it may write."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "securityContext": SECURITY_CONTEXT,
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - inside the container
            *({"name": v, "mountPath": f"/{v}", "readOnly": not writes} for v, writes in mounts.items()),
        ],
    }


@pytest.fixture(scope="module")
def pod(bare_cluster: Cluster, alone: None, images: dict[str, str], app_image: str) -> Iterator[JsonObject]:
    """A pod that has ended: fetch, the app without seal, the app with it, score."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    bare_cluster.request("POST", NAMESPACE.path(), {"metadata": {"name": SPACE, "labels": labels}})
    runner, app = images["localhost/ddtas-runner"], ["python3", "-c", APP]
    volumes = ("tmp", "data", "truth", "output", "seal")
    spec = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, "fsGroup": 65532},
        "volumes": [{"name": name, "emptyDir": {}} for name in volumes],
        "initContainers": [
            container("fetch", runner, ["python", "-c", FETCH], data=True, truth=True, seal=True),
            container("free", app_image, [*app, "free"], data=False, output=True, seal=False),
            container("sealed", app_image, [names.LAUNCHER, "--", *app, "sealed"], data=False, output=True, seal=False),
        ],
        "containers": [container("score", runner, ["python", "-c", SCORE], output=False, truth=False)],
    }
    bare_cluster.request("POST", POD.path(SPACE), {"metadata": {"name": "run"}, "spec": spec})

    def ended() -> JsonObject | None:
        found = bare_cluster.get(POD, SPACE, "run")
        return found if found["status"].get("phase") in ("Succeeded", "Failed") else None

    yield bare_cluster.wait("end of the pod", ended, SPACE)
    bare_cluster.delete(NAMESPACE, None, SPACE)


def reached(cluster: Cluster, name: str) -> set[str]:
    """What the app came to in a container."""
    log = cluster.log_of(SPACE, "run", container=name)
    last: dict[str, bool] = json.loads(log.strip().splitlines()[-1])
    return {what for what, came in last.items() if came}


def test_an_app_has_files_alone(bare_cluster: Cluster, pod: JsonObject) -> None:
    said = {name: bare_cluster.log_of(SPACE, "run", container=name) for name in ("fetch", "free", "sealed", "score")}
    assert pod["status"]["phase"] == "Succeeded", said
    assert reached(bare_cluster, "free") == WORKS | OPEN, said
    assert reached(bare_cluster, "sealed") == WORKS, said
    assert said["score"].split() == ["3", "2"]
