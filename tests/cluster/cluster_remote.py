"""A city's own cluster, prepared by the manifest that cities get, and the network on the way there."""

import base64
import contextlib
import os
import socket
import subprocess
import threading
from pathlib import Path
from urllib.parse import urlsplit

import cluster_apps as apps
import yaml
from cluster_city import App, City
from cluster_kit import KINDS, NAMESPACE, OURS, REPO, SESSION, ApiServer, JsonObject, condition, eventually

from ddtas import names
from ddtas.cluster.rest.resources import ResourceType

EXAMPLES = REPO / "examples" / "remote"
SECRET = "city-cluster"
_KINDS = (
    "ConfigMap",
    "ControllerRevision",
    "Deployment",
    "Job",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "Secret",
    "Service",
)


class Tunnel:
    """Passes TCP on to a server, until it is told otherwise."""

    def __init__(self, server: str) -> None:
        self.lead_to(server)
        self._open: set[socket.socket] = set()
        self._hangs = False
        self._listener: socket.socket | None = None
        self.port = 0
        self.restore()

    @property
    def url(self) -> str:
        """Where the operator finds the API server."""
        return f"https://127.0.0.1:{self.port}"

    def lead_to(self, server: str) -> None:
        """New connections go to that server (a URL)."""
        parts = urlsplit(server)
        assert parts.hostname is not None
        self._to = (parts.hostname, parts.port or 443)

    def restore(self) -> None:
        """Take connections."""
        self._hangs = False
        self._listener = socket.create_server(("127.0.0.1", self.port), reuse_port=False)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Refuse connections, and break those that are there."""
        assert self._listener is not None
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.break_off()

    def break_off(self) -> None:
        """Break the connections that are there."""
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def hang(self) -> None:
        """Take connections, and pass nothing on."""
        self._hangs = True
        self.break_off()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                taken, _ = listener.accept()
            except OSError:
                return
            self._open.add(taken)
            if self._hangs:
                continue
            try:
                onward = socket.create_connection(self._to)
            except OSError:
                taken.close()
                continue
            self._open.add(onward)
            for pair in ((taken, onward), (onward, taken)):
                threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            self._open.discard(one)


class Elsewhere:
    """The namespace on the city's cluster, and the way to it."""

    def __init__(self, cluster: ApiServer, name: str, folder: Path) -> None:
        self.cluster = cluster
        self.namespace = f"twins-{name}"
        self._folder = folder
        self.tunnel = Tunnel(server_of(cluster))
        self.prepare(cluster)
        self.user = f"system:serviceaccount:{self.namespace}:ddtas-operator"

    def prepare(self, cluster: ApiServer) -> None:
        """What a city does: `kubectl apply -f access.yaml`."""
        text = (EXAMPLES / "access.yaml").read_text().replace("digital-twins", self.namespace)
        file = self._folder / "access.yaml"
        file.write_text(text)
        said = cluster.kubectl("apply", "--server-side", "-f", str(file))
        assert said.count("serverside-applied") == 5, said
        cluster.kubectl("label", "namespace", self.namespace, f"{OURS}={SESSION}")

        def has_token() -> bool:
            secret = cluster.find(KINDS["Secret"], self.namespace, "ddtas-operator-token") or {}
            return {"token", "ca.crt"} <= set(secret.get("data", {}))

        eventually("token of the account", has_token)

    def kubeconfig(self, of: ApiServer | None = None, *others: ApiServer) -> JsonObject:
        """What kubeconfig.sh prints, with the authorities of other clusters as well."""
        cluster = of or self.cluster
        command = ["sh", str(EXAMPLES / "kubeconfig.sh"), self.tunnel.url, self.namespace]
        environment = os.environ | {"KUBECONFIG": cluster.kubeconfig}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        body: JsonObject = yaml.safe_load(done.stdout)
        entry = body["clusters"][0]["cluster"]
        if others:
            pems = [base64.b64decode(entry["certificate-authority-data"]), *map(authority_of, others)]
            entry["certificate-authority-data"] = base64.b64encode(b"\n".join(pems)).decode()
        return body

    def hand_over(self, home: ApiServer, namespace: str, kubeconfig: JsonObject) -> None:
        """Put a kubeconfig into its Secret beside the platform."""
        home.apply(apps.credentials(namespace, SECRET, kubeconfig=yaml.safe_dump(kubeconfig)))

    def objects(self, cluster: ApiServer | None = None) -> dict[str, JsonObject]:
        """All that carries our label there, but pods; by kind and name."""
        return {
            f"{kind} {body['metadata']['name']}": body
            for kind in _KINDS
            for body in (cluster or self.cluster).all(KINDS[kind], self.namespace, names.LABEL_INSTALLATION)
        }

    def end(self) -> None:
        """Take it away."""
        self.tunnel.cut()
        self.cluster.delete(NAMESPACE, None, self.namespace)


class RemoteApp(App):
    """An Installation whose children are elsewhere."""

    def __init__(self, city: City, there: Elsewhere, name: str) -> None:
        super().__init__(city.cluster, city.namespace, name)
        self.there = there

    def gone(self) -> None:
        """Wait until it is no more."""

        def look() -> bool:
            return self.cluster.find(KINDS["Installation"], self.namespace, self.name) is None

        self.cluster.wait(f"end of {self}", look, self.namespace)

    def says(self, reason: str, kind: str = "Ready") -> JsonObject:
        """Wait until a condition has that reason; the condition."""

        def look() -> JsonObject | None:
            found = condition(self.body(), kind)
            return found if found.get("reason") == reason else None

        found: JsonObject = self.cluster.wait(f"{reason} of {self}", look, self.namespace)
        return found

    def children(self, resource: ResourceType, **more: str) -> list[JsonObject]:
        """Its objects of a kind, where they are."""
        return App(self.there.cluster, self.there.namespace, self.name).children(resource, **more)


def _cluster_entry(cluster: ApiServer) -> JsonObject:
    entry: JsonObject = yaml.safe_load(Path(cluster.kubeconfig).read_text())["clusters"][0]["cluster"]
    return entry


def server_of(cluster: ApiServer) -> str:
    """The URL of an API server."""
    return str(_cluster_entry(cluster)["server"])


def authority_of(cluster: ApiServer) -> bytes:
    """The certificates to trust it by."""
    return base64.b64decode(_cluster_entry(cluster)["certificate-authority-data"])
