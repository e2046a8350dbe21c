"""The API server as these tests see it: what the end-to-end layer's kit brings, quicker polls, and the audit log."""

import contextlib
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e_kit import KINDS, NAMESPACE, Cluster, JsonObject, Refused, Twin, condition
from urllib3.exceptions import ProtocolError

from ddtas import names
from ddtas.cluster.rest.resources import ResourceType

__all__ = [
    "KINDS",
    "NAMESPACE",
    "ApiServer",
    "JsonObject",
    "Refused",
    "Request",
    "Twin",
    "condition",
    "eventually",
    "listed",
]

REPO = Path(__file__).parents[2]
SESSION = secrets.token_hex(2)  # in the name of whatever is not namespaced: two sessions do not meet

OURS = "ddtas-tests"  # the label of what has no namespace

# Generous, for a busy machine with two cores. A test that passes waits less.
PATIENCE_SECONDS = 90.0
POLL_SECONDS = 0.1


def eventually(what: str, look: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Poll until `look` gives something."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still no {what}"
        time.sleep(POLL_SECONDS)


@dataclass(frozen=True)
class Request:
    """One line of the audit log."""

    verb: str  # get, list, watch, create, patch (server-side apply included), update, delete
    kind: str  # the plural, and the subresource where there is one: installations/status
    namespace: str
    name: str
    user: str
    agent: str
    code: int

    @property
    def writes(self) -> bool:
        """Whether it changes something."""
        return self.verb not in ("get", "list", "watch")


class ApiServer(Cluster):
    """The API server of the tests."""

    def __init__(self, kubeconfig: str, audit_log: Path) -> None:
        super().__init__(kubeconfig)
        self.audit_log = audit_log

    def wait(
        self, what: str, look: Callable[[], Any], namespace: str | None = None, seconds: float = PATIENCE_SECONDS
    ) -> Any:
        """Poll until `look` gives something; the failure brings what a person would look at."""
        try:
            return eventually(what, look, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.diagnosis(namespace)}") from None

    def diagnosis(self, namespace: str | None = None) -> str:
        """The objects of the namespace."""
        if namespace is None:
            return ""
        return self.kubectl("describe", "oup,inst,pods", "-n", namespace)

    def dry_run(self, manifest: JsonObject) -> str:
        """Create without effect; what the API server says against it, or an empty text."""
        resource, metadata = KINDS[manifest["kind"]], manifest["metadata"]
        path = f"{resource.path(metadata.get('namespace'))}?dryRun=All&fieldValidation=Strict"
        try:
            self.request("POST", path, manifest)
        except Refused as refused:
            return str(refused)
        return ""

    def make_namespace(self, name: str) -> str:
        """A namespace like that of a municipality: Pod Security "restricted"."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted", OURS: SESSION}
        self.request("POST", NAMESPACE.path(), {"metadata": {"name": name, "labels": labels}})
        return name

    def sweep(self) -> None:
        """Take away everything that tests made and did not take away themselves."""
        kinds = "namespaces,listing,clusterroles,clusterrolebindings,persistentvolumes,storageclasses"
        self.kubectl("delete", kinds, "-l", OURS, "--wait=false")

    def stream(self, path: str) -> Any:
        """A GET whose answer goes on."""
        settings = self._api.configuration
        return self._api.rest_client.pool_manager.request("GET", settings.host + path, preload_content=False)

    def children(self, namespace: str, resource: ResourceType) -> list[JsonObject]:
        """All of the operator's objects of a kind."""
        return self.all(resource, namespace, names.LABEL_INSTALLATION)

    # ---- the audit log ----

    def mark(self) -> int:
        """A place in the audit log: that of now."""
        return self.audit_log.stat().st_size

    def requests(self, user: str, since: int = 0) -> list[Request]:
        """All requests of a user that were answered since a place in the log; those of the operator's probes of its
        own connection (/version, API discovery) aside.

        A watch has its line when it begins, and another one when it ends.
        """
        return [r for r in self._lines(since) if r.user == user]

    def _lines(self, since: int) -> Iterator[Request]:
        with self.audit_log.open("rb") as log:
            log.seek(since)
            for line in log:
                if not line.endswith(b"\n"):
                    return  # being written
                entry = json.loads(line)
                place = entry.get("objectRef")
                if place is None or entry["stage"] == "ResponseStarted":
                    continue
                yield Request(
                    verb=entry["verb"],
                    kind="/".join(filter(None, (place["resource"], place.get("subresource")))),
                    namespace=place.get("namespace", ""),
                    name=place.get("name", ""),
                    user=entry["user"]["username"],
                    agent=entry.get("userAgent", ""),
                    code=entry["responseStatus"]["code"],
                )


def listed(cluster: ApiServer, resource: ResourceType, namespace: str | None = None) -> JsonObject:
    """All objects of a kind, as the API server lists them; it may need a moment to be able to.

    Of a CRD that was just established it first reads what there is, and answers 404 or 429 until then.
    """

    def look() -> JsonObject | None:
        status, answer = cluster.raw("GET", resource.path(namespace))
        assert status in (200, 404, 429), f"HTTP {status}: {answer[:300]!r}"
        found: JsonObject = json.loads(answer) if status == 200 else {}
        return found

    found: JsonObject = eventually(f"list of {resource.plural}", look)
    return found


class History:
    """Every state that one object goes through while the context is open."""

    def __init__(self, cluster: ApiServer, resource: ResourceType, namespace: str, name: str) -> None:
        self._path = f"{resource.path(namespace)}?watch=true&fieldSelector=metadata.name={name}&timeoutSeconds=300"
        self._cluster = cluster
        self.states: list[JsonObject] = []

    def __enter__(self) -> "History":
        self._answer = self._cluster.stream(self._path)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._answer.shutdown()
        self._reader.join(10)

    def _read(self) -> None:
        buffer = b""
        with contextlib.suppress(ProtocolError):  # that is how it ends
            for chunk in self._answer.stream(65536):
                *lines, buffer = (buffer + chunk).split(b"\n")
                self.states += [json.loads(line)["object"] for line in lines if line]

    def up_to(self, body: JsonObject) -> list[JsonObject]:
        """All states until that one, when the watch has brought it."""
        version = body["metadata"]["resourceVersion"]
        eventually(f"version {version}", lambda: version in [s["metadata"]["resourceVersion"] for s in self.states])
        return self.states[: [s["metadata"]["resourceVersion"] for s in self.states].index(version) + 1]


def by_kind(requests: list[Request]) -> dict[str, int]:
    """How many there are of each verb and kind, such as "patch jobs"."""
    return dict(sorted(Counter(f"{r.verb} {r.kind}" for r in requests).items()))
