"""A cluster as the tests see it: plain requests, patient polls, and a failure that brings its own evidence."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from kubernetes import config

from ddtas import names
from ddtas.cluster.rest.resources import APP_LISTING, CHILDREN, INSTALLATION, PLATFORM, ResourceType
from ddtas_dev import deploy

JsonObject = dict[str, Any]

# Generous: these are for a machine with two slow cores that does other things as well. A passing test waits less.
PATIENCE_SECONDS = 180.0
POLL_SECONDS = 0.5

STEPS = ("Accepted", "DataBound", "Provisioned", "Calibrated", "Validated", "Serving")

NAMESPACE = ResourceType("Namespace", "/api/v1", "namespaces")
DEPLOYMENT = ResourceType("Deployment", "/apis/apps/v1", "deployments")
EVENT = ResourceType("Event", "/api/v1", "events")
JOB = ResourceType("Job", "/apis/batch/v1", "jobs")
LEASE = ResourceType("Lease", "/apis/coordination.k8s.io/v1", "leases")
POD = ResourceType("Pod", "/api/v1", "pods")
SECRET = ResourceType("Secret", "/api/v1", "secrets")
SERVICE = ResourceType("Service", "/api/v1", "services")
CONFIG_MAP = ResourceType("ConfigMap", "/api/v1", "configmaps")
KINDS = {r.kind: r for r in (*CHILDREN, NAMESPACE, APP_LISTING, INSTALLATION, PLATFORM)}

OPERATOR_LABELS = "app.kubernetes.io/name=ddtas-operator"


class Refused(AssertionError):
    """The API server said no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status = status


def _message(data: bytes) -> str:
    """What a refusal says: a Status, but for a kind that the API server does not know."""
    try:
        return str(json.loads(data).get("message", ""))
    except ValueError:
        return data.decode(errors="replace")


class Cluster:
    """One API server, by its kubeconfig."""

    def __init__(self, kubeconfig: str) -> None:
        self.kubeconfig = kubeconfig
        self._api = config.new_client_from_config(kubeconfig)

    # ---- requests ----

    def raw(self, method: str, path: str, body: object = None, kind: str = "application/json") -> tuple[int, bytes]:
        """One request; the HTTP status and the body of the answer."""
        settings = self._api.configuration
        headers = {"Content-Type": kind, "Accept": "*/*"}
        if token := settings.get_api_key_with_prefix("BearerToken"):
            headers["Authorization"] = token
        answer = self._api.rest_client.pool_manager.request(
            method,
            settings.host + path,
            body=None if body is None else json.dumps(body),
            headers=headers,
            retries=False,
            timeout=120,
        )
        return answer.status, answer.data

    def request(self, method: str, path: str, body: object = None, kind: str = "application/json") -> JsonObject:
        """One request that must succeed."""
        status, data = self.raw(method, path, body, kind)
        if status >= 400:
            raise Refused(status, _message(data))
        answer: JsonObject = json.loads(data)
        return answer

    def get(self, resource: ResourceType, namespace: str | None, name: str) -> JsonObject:
        """One object, which must be there."""
        return self.request("GET", resource.path(namespace, name))

    def find(self, resource: ResourceType, namespace: str | None, name: str) -> JsonObject | None:
        """One object, or None."""
        try:
            return self.get(resource, namespace, name)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def all(self, resource: ResourceType, namespace: str | None = None, labels: str = "") -> list[JsonObject]:
        """All objects of a kind that have these labels."""
        query = f"?{urlencode({'labelSelector': labels})}" if labels else ""
        items: list[JsonObject] = self.request("GET", resource.path(namespace) + query)["items"]
        return items

    def apply(self, *manifests: JsonObject) -> None:
        """Server-side apply, as a person's tool would."""
        for manifest in manifests:
            resource, metadata = KINDS[manifest["kind"]], manifest["metadata"]
            path = resource.path(metadata.get("namespace"), metadata["name"])
            self.request("PATCH", f"{path}?fieldManager=e2e&force=true", manifest, "application/apply-patch+yaml")

    def merge(self, resource: ResourceType, namespace: str | None, name: str, patch: JsonObject) -> None:
        """Change some fields."""
        self.request("PATCH", resource.path(namespace, name), patch, "application/merge-patch+json")

    def delete(self, resource: ResourceType, namespace: str | None, name: str, grace: int | None = None) -> None:
        """Ask for a deletion; what is not there is fine."""
        body: JsonObject = {"propagationPolicy": "Background"}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        try:
            self.request("DELETE", resource.path(namespace, name), body)
        except Refused as refused:
            if refused.status != 404:
                raise

    def kubectl(self, *arguments: str) -> str:
        """What kubectl prints; for what only kubectl shows, such as `describe`."""
        command = ["kubectl", "--kubeconfig", self.kubeconfig, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        return done.stdout if done.returncode == 0 else f"{done.stdout}\n{done.stderr}"

    def ask(self, namespace: str, service: str, port: int, path: str) -> tuple[int, bytes]:
        """A GET through the API server's proxy to a Service, which works from wherever the tests run."""
        return self.raw("GET", f"/api/v1/namespaces/{namespace}/services/http:{service}:{port}/proxy{path}")

    def log_of(self, namespace: str, pod: str, **query: str | int) -> str:
        """A pod's log."""
        options = f"?{urlencode(query)}" if query else ""
        status, data = self.raw("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log{options}")
        return data.decode(errors="replace") if status == 200 else f"(no log: HTTP {status})"

    # ---- the operator ----

    def operator_pods(self) -> list[JsonObject]:
        """The operator's pods that are not on their way out."""
        pods = self.all(POD, deploy.NAMESPACE, OPERATOR_LABELS)
        return [p for p in pods if "deletionTimestamp" not in p["metadata"]]

    def leader(self) -> str:
        """Who holds the Lease; an empty text when nobody does."""
        lease = self.find(LEASE, deploy.NAMESPACE, names.FIELD_MANAGER)
        return str((lease or {}).get("spec", {}).get("holderIdentity") or "")

    def kill_operator(self) -> str:
        """What `kubectl delete pod --grace-period=0 --force` does to the pod that leads; its name."""
        killed = self.leader()
        assert killed in {p["metadata"]["name"] for p in self.operator_pods()}, f"{killed or 'nobody'} leads"
        self.delete(POD, deploy.NAMESPACE, killed, grace=0)
        return killed

    # ---- waiting ----

    def wait(
        self, what: str, look: Callable[[], Any], namespace: str | None = None, seconds: float = PATIENCE_SECONDS
    ) -> Any:
        """Poll until `look` gives something; an assertion error with all that is known when it does not."""
        deadline = time.monotonic() + seconds
        while True:
            found = look()
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"after {seconds:.0f} s still no {what}\n{self.diagnosis(namespace)}")
            time.sleep(POLL_SECONDS)

    def diagnosis(self, namespace: str | None = None) -> str:
        """What a person would look at."""
        parts = ["---- pods", self.kubectl("get", "pods", "-o", "wide", *(["-n", namespace] if namespace else ["-A"]))]
        if namespace:
            parts += ["---- describe", self.kubectl("describe", "inst", "-n", namespace)]
            parts += ["---- platforms", self.kubectl("get", "oup", "-n", namespace, "-o", "yaml")]
        for pod in self.operator_pods():
            name = pod["metadata"]["name"]
            parts += [f"---- {name}", self.log_of(deploy.NAMESPACE, name, tailLines=40)]
        return "\n".join(parts)

    @contextmanager
    def explained(self, namespace: str | None) -> Iterator[None]:
        """Adds the diagnosis to an assertion that fails within."""
        try:
            yield
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.diagnosis(namespace)}") from error


class Twin:
    """One Installation."""

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self.cluster, self.namespace, self.name = cluster, namespace, name

    def __str__(self) -> str:
        return f"Installation {self.namespace}/{self.name}"

    def body(self) -> JsonObject:
        """The whole object."""
        return self.cluster.get(INSTALLATION, self.namespace, self.name)

    def edit(self, **spec: object) -> None:
        """Change fields of the spec, as a person would."""
        self.cluster.merge(INSTALLATION, self.namespace, self.name, {"spec": spec})

    def condition(self, kind: str) -> JsonObject:
        """A condition that speaks of the spec as it is now; empty when there is none yet."""
        return condition(self.body(), kind)

    def wait(self, kind: str, status: str, reason: str | None = None, seconds: float = PATIENCE_SECONDS) -> JsonObject:
        """Wait for a condition; the object as it was then."""

        def look() -> JsonObject | None:
            body = self.body()
            found = condition(body, kind)
            holds = found.get("status") == status and reason in (None, found.get("reason"))
            return body if holds else None

        found: JsonObject = self.cluster.wait(
            f"{kind}={status} ({reason or 'any reason'}) of {self}", look, self.namespace, seconds
        )
        return found

    def ready(self, seconds: float = PATIENCE_SECONDS) -> JsonObject:
        """Wait until it is Ready; the object as it was then."""
        return self.wait("Ready", "True", seconds=seconds)

    def refused(self, kind: str, reason: str) -> JsonObject:
        """Wait until the condition says why not, and a person must act; the condition."""
        body = self.wait(kind, "False", reason)
        with self.cluster.explained(self.namespace):
            assert condition(body, "Ready")["reason"] == reason
            assert condition(body, "Ready")["status"] == "False"
            assert condition(body, "Stalled")["status"] == "True"
            assert condition(body, "Reconciling")["status"] == "False"
        return condition(body, kind)

    def children(self, resource: ResourceType, **more: str) -> list[JsonObject]:
        """Its objects of a kind."""
        keys = {"revision": names.LABEL_REVISION, "phase": names.LABEL_PHASE, "component": names.LABEL_COMPONENT}
        labels = {names.LABEL_INSTALLATION: self.name} | {keys[k]: v for k, v in more.items()}
        return self.cluster.all(resource, self.namespace, ",".join(f"{k}={v}" for k, v in labels.items()))

    def events(self) -> list[JsonObject]:
        """Its Events, in the order in which kubectl shows them."""
        query = urlencode({"fieldSelector": f"involvedObject.name={self.name},involvedObject.kind=Installation"})
        items = self.cluster.request("GET", f"{EVENT.path(self.namespace)}?{query}")["items"]
        return sorted(items, key=lambda e: (e["lastTimestamp"], e["metadata"]["name"]))

    def told(self, reason: str) -> JsonObject:
        """Wait for an Event: it is made after the status was written. The newest one with that reason."""
        found: list[JsonObject] = self.cluster.wait(
            f"Event {reason} of {self}", lambda: [e for e in self.events() if e["reason"] == reason], self.namespace
        )
        return found[-1]

    def ask(self, path: str, port: int = 8080, component: str = "web") -> tuple[int, bytes]:
        """A GET to its Service."""
        return self.cluster.ask(self.namespace, names.service(self.name, component), port, path)


def condition(body: JsonObject, kind: str) -> JsonObject:
    """A condition, where it speaks of the object's present generation; else an empty one."""
    for found in body.get("status", {}).get("conditions", []):
        if found["type"] == kind and found["observedGeneration"] == body["metadata"]["generation"]:
            return dict(found)
    return {}


def evidence(body: JsonObject, revision: str | None = None) -> JsonObject:
    """What the status knows of a revision, by default the one that the spec asks for."""
    wanted = revision or body["status"]["revision"]
    return next(dict(r) for r in body["status"]["revisions"] if r["id"] == wanted)


def in_parallel(work: Callable[[Any], Any], items: list[Any]) -> list[Any]:
    """Do the same with each, at once."""
    with ThreadPoolExecutor(max_workers=max(1, len(items))) as pool:
        return list(pool.map(work, items))
