"""The operator as a process of its own, with the rights that its chart gives it and no more."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import yaml
from cluster_kit import OURS, REPO, SESSION, ApiServer, JsonObject, eventually
from resolver import loop_holds
from resolver.loop_holds import Hold

_RESOLVER = Path(__file__).parent / "resolver"
GRACE_SECONDS = 120  # Kubernetes gives a pod 30; this machine may be slow


class Rights:
    """A service account with what the chart grants for one namespace."""

    def __init__(self, cluster: ApiServer, namespace: str, folder: Path) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._release = f"ddtas-{namespace}"
        self.user = f"system:serviceaccount:{namespace}:{self._release}"
        self._file = folder / "rbac.yaml"
        self._render()
        self.grant()
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(yaml.safe_dump(self._access()))

    def _render(self, *values: str) -> None:
        command = ["helm", "template", self._release, str(REPO / "charts" / "ddtas-operator"), "-n", self._namespace]
        command += ["--show-only", "templates/rbac.yaml", "--set", f"namespaces={{{self._namespace}}}"]
        command += [part for value in values for part in ("--set", value)]
        self._file.write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    def change(self, *values: str) -> None:
        """What the chart grants with these values."""
        self._render(*values)
        self.grant()

    def _access(self) -> JsonObject:
        admin = yaml.safe_load(Path(self._cluster.kubeconfig).read_text())
        token = self._cluster.kubectl("create", "token", self._release, "-n", self._namespace).strip()
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": admin["clusters"][0]["cluster"]}],
            "users": [{"name": "operator", "user": {"token": token}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "operator"}}],
            "current-context": "tests",
        }

    def grant(self) -> None:
        """Give them, also for a second time."""
        said = self._cluster.kubectl("apply", "--server-side", "-f", str(self._file))
        assert "serverside-applied" in said, said
        self._cluster.kubectl("label", "clusterrole,clusterrolebinding", self._release, f"{OURS}=true")

    def withdraw(self) -> None:
        """Remove what has no namespace; the rest goes with it."""
        self._cluster.kubectl("delete", "clusterrole,clusterrolebinding", self._release, "--wait=false")
        self._cluster.kubectl("delete", "role,rolebinding", f"{self._release}-events", "-n", "default", "--wait=false")


class Operator:
    """One replica."""

    def __init__(self, rights: Rights, namespace: str, folder: Path, **settings: str) -> None:
        self.name = f"operator-{SESSION}-{len(list(folder.glob('*.log')))}"
        self.port = free_port()
        self._log = folder / f"{self.name}.log"
        self._environment = {
            "PATH": os.environ["PATH"],
            # First, where names of Services lead to this machine: see resolver/sitecustomize.py.
            "PYTHONPATH": os.pathsep.join([str(_RESOLVER), os.environ.get("PYTHONPATH", "")]),
            "KUBECONFIG": str(rights.kubeconfig),
            "DDTAS_NAMESPACES": namespace,
            "DDTAS_LEASE_NAMESPACE": namespace,
            "DDTAS_LEADER_ELECTION": "false",
            "DDTAS_RUNNER_IMAGE": "localhost/nothing:1",
            "DDTAS_IDENTITY": self.name,
            "DDTAS_HTTP_HOST": "127.0.0.1",
            "DDTAS_HTTP_PORT": str(self.port),
            "DDTAS_PROBE_ALLOWED_RANGES": "127.0.0.0/8",
            "DDTAS_CLUSTER_ALLOWED_RANGES": "127.0.0.0/8",
            "DDTAS_CLUSTER_INTERVAL_SECONDS": "1",
            "LOOP_HOLDS": str(folder / f"{self.name}.holds"),
        } | {f"DDTAS_{name.upper()}": value for name, value in settings.items()}
        self._process: subprocess.Popen[bytes] | None = None
        self._held_before = 0

    def untimed(self) -> "Operator":
        """Do not time each callback of its event loop: `holds` has none then."""
        self._environment["LOOP_HOLDS"] = ""
        return self

    def start(self, *, ready: bool = True) -> "Operator":
        """Start it, and wait until its caches are filled."""
        assert self._process is None
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "ddtas", "run"]
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=subprocess.STDOUT)
        if ready:
            eventually(f"readiness of {self.name}", lambda: self.running and self.get("/readyz")[0] == 200)
            self._held_before = len(self.holds())
        return self

    @property
    def running(self) -> bool:
        """True; an assertion error with the log when it ended unasked."""
        assert self._process is not None
        assert self._process.poll() is None, f"the operator ended with {self._process.returncode}:\n{self.output}"
        return True

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def output(self) -> str:
        """All that it wrote."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def records(self) -> list[JsonObject]:
        """Its log, line by line; every line is JSON."""
        return [json.loads(line) for line in self.output.splitlines()]

    def holds(self) -> list[Hold]:
        """What held its event loop for more than 20 ms of processor time, since it was ready."""
        return loop_holds.read_from(self._environment["LOOP_HOLDS"])[self._held_before :]

    def get(self, path: str) -> tuple[int, str]:
        """A GET to its own port; 0 when nothing listens."""
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()
        except (URLError, ConnectionError, TimeoutError):
            return 0, ""

    def terminate(self) -> int:
        """What Kubernetes does to a pod; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(GRACE_SECONDS)
        self._process = None
        return code

    def signal(self, number: int) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def has_ended(self) -> int | None:
        """The exit code where it ended; None while it runs."""
        return None if self._process is None else self._process.poll()

    def ended(self, seconds: float) -> int:
        """Wait until it ends by itself; the exit code."""
        assert self._process is not None
        code = self._process.wait(seconds)
        self._process = None
        return code

    def kill(self) -> None:
        """As a node that loses power: nothing is finished."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
