"""A street: a namespace with many Installations, one operator for them, and a proxy between it and the cluster."""

import contextlib
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cluster_apps as apps
import yaml
from cluster_kit import KINDS, SESSION, ApiServer, JsonObject, Refused
from cluster_operator import Operator, Rights
from cluster_remote import authority_of, server_of
from cluster_supplier import Supplier
from cluster_witness import Witness
from faults_proxy import Call, Proxy

from ddtas.cluster.rest.resources import EVENT, ResourceType

INSTALLATION, PLATFORM, CONFIG_MAP = KINDS["Installation"], KINDS["MunicipalityPlatform"], KINDS["ConfigMap"]
VOLUME = ResourceType("PersistentVolume", "/api/v1", "persistentvolumes")
LISTING = f"faults-{SESSION}"
OLD, NEW = "1.0.0", "2.0.0"
# Where the data are that all these platforms have.
_DATA = {"name": "data", "mountPath": "/archive", "size": "1Gi"}
_REVISION = re.compile(r"[0-9a-f]{10}")
POLL_SECONDS = 0.15


def version(number: str) -> JsonObject:
    """A version of the app of all streets: it has a volume, so that there is one of each kind of child."""
    made = apps.version(number)
    made["components"][0]["volumes"] = [_DATA]
    return made


def is_of(call: Call, name: str) -> bool:
    """Whether a request is for an Installation's own objects: itself, its platform, its children, its Events."""
    return call.name == name or call.name.startswith((f"{name}-", f"{name}."))


def write_of(call: Call, name: str) -> str:
    """What a write is, in words that are the same in each course: without names, revisions and digests."""
    if call.kind == "events":
        return f"create Event {call.body.get('reason')}"
    if call.subresource == "status":
        conditions = call.body.get("status", {}).get("conditions", [])
        ready = next((c["reason"] for c in conditions if c["type"] == "Ready"), "none")
        return f"{call.verb} {call.kind}/status {ready}"
    rest = _REVISION.sub("", call.name.removeprefix(name)).strip("-")
    return " ".join(filter(None, (call.verb, call.kind, rest)))


class Street:
    """What a walk has. The operator is started anew when it ends by itself, as Kubernetes would do it."""

    def __init__(self, cluster: ApiServer, supplier: Supplier, folder: Path, label: str) -> None:
        self.cluster, self.supplier, self.folder = cluster, supplier, folder
        self.namespace = cluster.make_namespace(f"faults-{SESSION}-{label}")
        self.rights = Rights(cluster, self.namespace, folder)
        self.proxy = Proxy(server_of(cluster), authority_of(cluster))
        self._lead_through_proxy()
        self.witness = Witness(cluster, self.namespace)
        self.baits: dict[str, list[JsonObject]] = {}
        self.ended_by_itself: list[str] = []
        self.restarts = 0  # of an operator that ended by itself
        self.forgives = ""  # the words of one that may do so
        self.shifts = False  # its clock goes wrong
        self.tells = True  # Events can be made
        self.remembers = True  # what was seen counts; not where the kinds themselves went away
        self._operators: list[Operator] = []

    def _lead_through_proxy(self) -> None:
        access = yaml.safe_load(self.rights.kubeconfig.read_text())
        access["clusters"][0]["cluster"] = {"server": self.proxy.url}
        self.rights.kubeconfig.write_text(yaml.safe_dump(access))

    # ---- the operator ----

    def start(self, **settings: str) -> None:
        """Start the operator."""
        self.another(**settings)

    def another(self, **settings: str) -> Operator:
        """One more replica."""
        made = Operator(self.rights, self.namespace, self.folder, **settings)
        self._operators.append(made)
        return made.start(ready=False)

    @property
    def operator(self) -> Operator:
        """The first one."""
        return self._operators[0]

    def kill(self) -> None:
        """SIGKILL, and another one."""
        self.operator.kill()
        self.operator.start(ready=False)

    def look_after(self) -> None:
        """Start an operator anew that ended by itself."""
        for operator in self._operators:
            code = operator.has_ended()
            if code is None:
                continue
            lines = operator.output.splitlines()
            tail = "\n".join(lines[-5:])
            # All of its watches may say, after it, that they broke off.
            if not self.forgives or not any(self.forgives in line for line in lines[-60:]):
                self.ended_by_itself.append(f"the operator ended by itself with {code}: {tail[-1500:]}")
            self.restarts += 1
            operator.kill()
            operator.start(ready=False)

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.until(lambda: False, seconds)

    def until(self, look: Callable[[], bool], seconds: float) -> bool:
        """Poll until something holds, and keep the operator up meanwhile; whether it does."""
        deadline = time.monotonic() + seconds
        while not look():
            if time.monotonic() > deadline:
                return False
            self.look_after()
            time.sleep(POLL_SECONDS)
        return True

    # ---- its Installations ----

    def settle(self, name: str, listing: str = LISTING, source: JsonObject | None = None) -> None:
        """Make a platform and an Installation on it, and objects of somebody else that look like theirs."""
        marks = {"app.kubernetes.io/managed-by": "somebody-else", "app.kubernetes.io/instance": name}
        self.baits[name] = [
            self.cluster.request(
                "POST",
                CONFIG_MAP.path(self.namespace),
                {"metadata": {"name": bait, "namespace": self.namespace, "labels": marks}, "data": {"a": "b"}},
            )
            for bait in (f"{name}-of-somebody-else", f"{name}-0123456789-config")
        ]
        claim = {"namespace": self.namespace, "name": f"{name}-web.data"}
        spec = {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": "/nowhere"},
            "claimRef": claim,
        }
        metadata = {"name": f"{self.namespace}.{name}", "labels": apps.OURS}
        self.cluster.request("POST", VOLUME.path(), {"metadata": metadata, "spec": spec})
        self.declare(name, listing, source)

    def declare(self, name: str, listing: str = LISTING, source: JsonObject | None = None) -> None:
        """The platform and the Installation, as a person has them in a file."""
        self.cluster.apply(apps.platform(self.namespace, source or apps.source(self.supplier.url()), name=name))
        self.cluster.apply(apps.installation(self.namespace, name, listing, version=OLD, platform=name, removal="Wait"))

    def installations(self) -> dict[str, JsonObject]:
        """All of them, by name."""
        return {body["metadata"]["name"]: body for body in self.cluster.all(INSTALLATION, self.namespace)}

    def edit(self, name: str, patch: JsonObject) -> None:
        """Change an Installation."""
        self.cluster.merge(INSTALLATION, self.namespace, name, patch)

    @staticmethod
    def is_ready(body: JsonObject) -> bool:
        """Whether an Installation is Ready at its generation, and the revision that it asks for serves."""
        status = body.get("status", {})
        ready: JsonObject = next((c for c in status.get("conditions", []) if c["type"] == "Ready"), {})
        now = (ready.get("status"), ready.get("observedGeneration"), status.get("servingRevision"))
        return bool(now == ("True", body["metadata"]["generation"], status.get("revision")))

    def says(self, name: str) -> str:
        """The conditions of an Installation, for a person."""
        body = self.installations().get(name)
        if body is None:
            return "it is gone"
        conditions = body.get("status", {}).get("conditions", [])
        return "; ".join(f"{c['type']}={c['status']} {c['reason']}: {c['message'][:150]}" for c in conditions)

    def events(self) -> list[JsonObject]:
        """All Events of the namespace."""
        items: list[JsonObject] = self.cluster.request("GET", EVENT.path(self.namespace))["items"]
        return items

    def children(self) -> list[tuple[str, JsonObject]]:
        """Kind and body of each object with our label."""
        return [
            (kind.kind, body)
            for kind in KINDS.values()
            if kind.kind not in ("Namespace", "AppListing", "Installation", "MunicipalityPlatform")
            for body in self.cluster.children(self.namespace, kind)
        ]

    def writes(self, since: int) -> list[Any]:
        """What the operator wrote since a place in the audit log."""
        return [r for r in self.cluster.requests(self.rights.user, since) if r.writes and r.kind != "leases"]

    def _is_ready(self) -> bool:
        try:
            return self.operator.get("/readyz")[0] == 200
        except OSError:
            return False

    def rests(self, quiet: float = 2.0, patience: float = 120.0) -> bool:
        """Wait until it has written nothing for so long; whether that came. One that has just been started says first
        that it is ready: what it is about to do is no quiet."""
        self.until(self._is_ready, patience)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            mark = self.cluster.mark()
            time.sleep(quiet)
            self.look_after()
            if not self.writes(mark):
                return True
        return False

    def end(self, volumes: Iterable[str] = ()) -> None:
        """End what runs, and take it away."""
        for operator in self._operators:
            operator.kill()
        for name in self.installations():  # what waits for an operator would keep its namespace
            with contextlib.suppress(Refused):  # it is gone by now
                self.edit(name, {"metadata": {"finalizers": None}})
        with contextlib.suppress(Exception):  # a watch of a kind that went away has ended by itself
            self.witness.dismiss()
        self.proxy.close()
        self.cluster.delete(KINDS["Namespace"], None, self.namespace)
        for name in self.baits:
            self.cluster.delete(VOLUME, None, f"{self.namespace}.{name}")
        self.rights.withdraw()
