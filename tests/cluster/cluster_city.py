"""A city for one test: a namespace with a platform, an app in the store, and an operator of its own."""

import time
from pathlib import Path
from typing import Any

import cluster_apps as apps
from cluster_kit import KINDS, PATIENCE_SECONDS, ApiServer, JsonObject, Twin, eventually
from cluster_operator import Operator, Rights
from cluster_supplier import Supplier

from ddtas import names

JOB, POD = KINDS["Job"], KINDS["Pod"]
STEPS = ("Accepted", "DataBound", "Provisioned", "Calibrated", "Validated", "Serving")


class App(Twin):
    """One Installation, with what the fake node needs to be told."""

    def job(self, phase: str) -> JsonObject | None:
        """The Job of a run of the newest revision."""
        revision = self.body().get("status", {}).get("revision", "none")
        jobs = self.children(JOB, phase=phase, revision=revision)
        return jobs[0] if jobs else None

    def running(self, phase: str) -> JsonObject:
        """Wait until a run that is held has a running pod; the pod."""

        def look() -> JsonObject | None:
            revision = self.body().get("status", {}).get("revision", "none")
            pods = self.children(POD, phase=phase, revision=revision)
            return next((p for p in pods if p["status"].get("phase") == "Running"), None)

        found: JsonObject = self.cluster.wait(f"running pod of {phase}", look, self.namespace)
        return found

    def release(self, phase: str) -> None:
        """Let a run end that is held."""
        pod = self.running(phase)["metadata"]["name"]
        self.cluster.merge(POD, self.namespace, pod, {"metadata": {"annotations": {apps.GO: "true"}}})

    def wait_for(self, kind: str, status: str, reason: str) -> JsonObject:
        """Wait for a condition; the condition."""
        body = self.wait(kind, status, reason, PATIENCE_SECONDS)
        return next(dict(c) for c in body["status"]["conditions"] if c["type"] == kind)

    def served(self) -> JsonObject:
        """Wait until it is Ready, and return it."""
        return self.ready(PATIENCE_SECONDS)


class City:
    """What a test has."""

    def __init__(self, cluster: ApiServer, namespace: str, supplier: Supplier, rights: Rights, folder: Path) -> None:
        self.cluster, self.namespace, self.supplier = cluster, namespace, supplier
        self.rights = rights
        self.app = f"app-{namespace}"
        self.folder = folder
        self._operators: list[Operator] = []

    def operator(self, **settings: str) -> Operator:
        """A replica that is not started."""
        made = Operator(self.rights, self.namespace, self.folder, **settings)
        self._operators.append(made)
        return made

    def start(self, **settings: str) -> Operator:
        """A replica that works."""
        return self.operator(**settings).start()

    def store(self, *versions: JsonObject, **spec: Any) -> None:
        """Put the app into the store, or edit it there."""
        self.cluster.apply(apps.listing(self.app, *versions, **spec))

    def platform(self, *sources: JsonObject, **spec: Any) -> None:
        """Make or edit the platform; its data source is a good one unless told otherwise."""
        self.cluster.apply(apps.platform(self.namespace, *(sources or (apps.source(self.supplier.url()),)), **spec))

    def install(self, name: str = "flood", **spec: Any) -> App:
        """Make an Installation."""
        self.cluster.apply(apps.installation(self.namespace, name, self.app, **spec))
        return self.known(name)

    def known(self, name: str = "flood") -> App:
        """An Installation that is there already."""
        return App(self.cluster, self.namespace, name)

    def everything(self, *versions: JsonObject, **spec: Any) -> App:
        """Store, platform and Installation."""
        self.store(*versions)
        self.platform()
        return self.install(**spec)

    def leftovers(self) -> list[str]:
        """Kind and name of each object that carries our label."""
        return [
            f"{resource.kind} {found['metadata']['name']}"
            for resource in KINDS.values()
            if resource.kind not in ("Namespace", "AppListing", "Installation", "MunicipalityPlatform")
            for found in self.cluster.children(self.namespace, resource)
        ]

    def lease(self) -> str:
        """Who leads."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/{names.FIELD_MANAGER}"
        status, _ = self.cluster.raw("GET", path)
        if status == 404:
            return ""
        return str(self.cluster.request("GET", path)["spec"].get("holderIdentity") or "")

    def settled(self, seconds: float = 2.0) -> None:
        """Wait until the operator has made no request, but those of its Lease, for so long."""

        def quiet() -> bool:
            mark = self.cluster.mark()
            time.sleep(seconds)
            return not [r for r in self.cluster.requests(self.rights.user, mark) if r.kind != "leases"]

        eventually("pause", quiet)

    def settled_but_for_looks(self, seconds: float = 4.0) -> None:
        """Wait until it has written nothing for so long."""

        def quiet() -> bool:
            mark = self.cluster.mark()
            time.sleep(seconds)
            found = self.cluster.requests(self.rights.user, mark)
            return not [r for r in found if r.writes and r.kind != "leases"]

        eventually("pause", quiet)

    def end_operators(self) -> None:
        """Kill all replicas."""
        for operator in self._operators:
            operator.kill()

    def end(self) -> None:
        """End what runs, and take away what has no namespace."""
        self.end_operators()
        self.cluster.delete(KINDS["AppListing"], None, self.app)
        self.rights.withdraw()
