"""For each watch: what happens that only this watch tells, and how it shows that the operator has heard."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

import cluster_apps as apps
import faults_actions as a
from cluster_city import App
from cluster_kit import KINDS, SESSION, JsonObject
from faults_proxy import Action, Call, LineAction, Rule
from faults_street import INSTALLATION, PLATFORM, Street

from ddtas import names

LISTING = KINDS["AppListing"]
HELD = "9.0.0"
CREDENTIALS = "login"
# What a child says of who manages it: a person writes something else.
_MARK = names.LABEL_MANAGED_BY

# Each fault is to meet a revision of its own.
_DEPTHS = itertools.count(1)
_PLURALS = {resource.plural: resource for resource in KINDS.values()}
LINES: dict[str, LineAction] = {
    "half-open": a.silent,
    "cut": a.cut_line,
    "ended": a.end_line,
    "junk line": a.before_it(b"{junk\n"),
    "null line": a.before_it(b"null\n"),
    "blank line": a.before_it(b"\n"),
    "odd line": a.before_it(b'["MODIFIED", 1]\n'),
    "odd object": a.before_it(b'{"type": "MODIFIED", "object": {"metadata": []}}\n'),
    "endless line": a.endless_line,
    "ERROR 410": a.error(410, "Expired"),
    "ERROR 500": a.error(500, "InternalError"),
    "ERROR 429": a.error(429, "TooManyRequests"),
    "410, then 503": a.error(410, "Expired"),
    "dropped": a.dropped,
    "duplicated": a.duplicated,
    "late": a.delayed(2.0),
}
_REFUSALS: tuple[Action, ...] = (
    a.refuse(403, "Forbidden"),
    a.refuse(500, "InternalError"),
    a.refuse(503, "ServiceUnavailable"),
)


def listing_of(street: Street) -> str:
    """The app of a street whose watches are broken: it is edited there."""
    return f"watched-{SESSION}-{street.namespace[-4:]}"


def store(street: Street) -> None:
    """Put it into the store: a version that runs through, and one whose calibration waits to be told."""
    held = apps.version(HELD, calibration=apps.run(apps.CALIBRATED, held=True))
    volume = {"name": "data", "mountPath": "/archive", "size": "1Gi"}
    plain = apps.version()
    plain["components"][0]["volumes"] = held["components"][0]["volumes"] = [volume]
    street.cluster.apply(apps.listing(listing_of(street), plain, held))


@dataclass(frozen=True)
class Watch:
    """One watch, on a street where one Installation for each bears the name of what is watched."""

    street: Street
    kind: str

    @property
    def name(self) -> str:
        """Of its Installation."""
        return self.kind

    @property
    def _app(self) -> App:
        return App(self.street.cluster, self.street.namespace, self.name)

    def is_it(self, call: Call) -> bool:
        """Whether a request opens this watch, or lists what it watches."""
        if self.kind == "credentials":
            return call.kind == "secrets" and names.LABEL_CREDENTIALS in call.selector
        return call.kind == self.kind and names.LABEL_CREDENTIALS not in call.selector

    def _tells(self, event: JsonObject) -> bool:
        """Whether an event is of what was done in `begin`."""
        if event.get("type") == "BOOKMARK":
            return False
        body = event.get("object", {})
        metadata = body.get("metadata", {})
        match self.kind:
            case "applistings":
                return bool(metadata.get("name") == listing_of(self.street))
            case "credentials":
                return bool(metadata.get("name") == CREDENTIALS)
            case "installations" | "municipalityplatforms":
                return bool(metadata.get("name") == self.name)
            case "jobs":
                conditions = body.get("status", {}).get("conditions", [])
                return self._mine(metadata) and any(c["type"] == "Complete" for c in conditions)
            case "pods":
                return self._mine(metadata) and body.get("status", {}).get("phase") == "Succeeded"
        return self._mine(metadata)

    def _mine(self, metadata: JsonObject) -> bool:
        return bool(metadata.get("labels", {}).get(names.LABEL_INSTALLATION) == self.name)

    def rules(self, fault: str) -> list[Rule]:
        """What goes wrong."""

        def opened(call: Call) -> bool:
            return call.verb == "watch" and self.is_it(call)

        if fault == "mute":
            return [Rule(opened, a.mute)]
        if fault == "refused":
            return [Rule(opened, action) for action in _REFUSALS]
        rules = [Rule(opened, line=LINES[fault], on=self._tells)]
        if fault == "410, then 503":
            rules.append(Rule(lambda call: call.verb == "list" and self.is_it(call), _REFUSALS[-1], times=2))
        return rules

    # ---- what happens ----

    def prepare(self) -> None:
        """What must be so before it can happen."""
        if self.kind in ("jobs", "pods"):
            self.street.edit(self.name, {"spec": {"version": HELD}})
            self._retry()
            self._app.running("calibrate")

    def _retry(self) -> None:
        now = str(time.monotonic_ns())
        self.street.edit(self.name, {"metadata": {"annotations": {names.ANNOTATION_RETRY: now}}})
        self._until(lambda: self._app.body()["status"].get("lastRetry") == now)

    def _until(self, look: Callable[[], bool]) -> None:
        assert self.street.until(look, 120.0), self.street.says(self.name)

    def begin(self) -> Callable[[], bool]:
        """Let it happen; says whether the operator has heard of it, and done what it had to."""
        match self.kind:
            case "applistings":
                return self._edited(LISTING, None, listing_of(self.street), {"spec": {"description": _now()}})
            case "municipalityplatforms":
                change = {"spec": {"municipality": {"name": _now()}}}
                return self._edited(PLATFORM, self.street.namespace, self.name, change)
            case "installations":
                change = {"spec": {"parameters": {"depth": 1 + next(_DEPTHS) / 1000}}}  # type: ignore[dict-item]
                return self._edited(INSTALLATION, self.street.namespace, self.name, change)
            case "credentials":
                return self._credentials_go()
            case "jobs" | "pods":
                self._app.release("calibrate")
                return self._is_ready
        return self._marked()

    def _edited(self, kind: object, namespace: str | None, name: str, change: JsonObject) -> Callable[[], bool]:
        cluster = self.street.cluster
        cluster.merge(kind, namespace, name, change)  # type: ignore[arg-type]

        def look() -> bool:
            body = cluster.get(kind, namespace, name)  # type: ignore[arg-type]
            return bool(body["status"].get("observedGeneration") == body["metadata"]["generation"])

        return look

    def _credentials_go(self) -> Callable[[], bool]:
        """The Secret of the platform loses its label, and so is gone for the operator, or gets it back."""
        cluster, namespace = self.street.cluster, self.street.namespace
        secret = cluster.get(KINDS["Secret"], namespace, CREDENTIALS)
        there = names.LABEL_CREDENTIALS in secret["metadata"].get("labels", {})
        mark = None if there else "true"
        cluster.merge(
            KINDS["Secret"], namespace, CREDENTIALS, {"metadata": {"labels": {names.LABEL_CREDENTIALS: mark}}}
        )

        def look() -> bool:
            sources = cluster.get(PLATFORM, namespace, self.name)["status"]["dataSources"]
            return bool((sources[0].get("reason") == "CredentialsMissing") == there)

        return look

    def _marked(self) -> Callable[[], bool]:
        """A person takes a child away or, what has data or runs, writes on it."""
        cluster, namespace, kind = self.street.cluster, self.street.namespace, _PLURALS[self.kind]
        child = self._app.children(kind)[0]["metadata"]
        if self.kind in ("deployments", "persistentvolumeclaims"):
            cluster.merge(kind, namespace, child["name"], {"metadata": {"labels": {_MARK: "somebody"}}})

            def corrected() -> bool:
                return bool(cluster.get(kind, namespace, child["name"])["metadata"]["labels"][_MARK] != "somebody")

            return corrected
        cluster.delete(kind, namespace, child["name"])

        def made() -> bool:
            found = cluster.find(kind, namespace, child["name"])
            return found is not None and bool(found["metadata"]["uid"] != child["uid"])

        return made

    def _is_ready(self) -> bool:
        body = self._app.body()
        ready = next(c for c in body["status"]["conditions"] if c["type"] == "Ready")
        return ready["status"] == "True" and bool(ready["observedGeneration"] == body["metadata"]["generation"])


def _now() -> str:
    return f"At {time.monotonic_ns()}"
