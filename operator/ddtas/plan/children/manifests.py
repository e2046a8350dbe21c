"""Desired children of one revision, as Kubernetes objects.

Each function builds one kind of child from the revision's inputs; nothing here decides *when* a child should exist.
Values are written as the API server reads them back (canonical quantities, explicit protocols, no empty fields), so
that "is what is there what we want" is a plain comparison.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ddtas import names
from ddtas.api.evidence import Evidence
from ddtas.api.installation_status import ProductStatus
from ddtas.api.requirements import Threshold
from ddtas.api.workload import Component, Task
from ddtas.data.delivery.order import Network
from ddtas.plan.children import fetching, holdout, orders, scored
from ddtas.plan.children.desired import Desired, Owner
from ddtas.plan.children.network_policy import Traffic, policy
from ddtas.plan.children.pods import Pods
from ddtas.plan.children.wiring import Wiring
from ddtas.plan.products import Ref, of_version
from ddtas.plan.revision import Revision, RevisionInputs
from ddtas.plan.runs.evidence import CALIBRATE, MONITOR, SERVE, VALIDATE
from ddtas.plan.snapshot import Key, Manifest

# What would be put beside the app in the pod of a run might carry something in or out, and never ends.
_ALONE = {"sidecar.istio.io/inject": "false", "linkerd.io/inject": "disabled"}


@dataclass(frozen=True)
class Renderer:
    """Builds the children of one revision."""

    owner: Owner
    revision: Revision
    # The image that fetches data.
    runner: str = ""

    @property
    def inputs(self) -> RevisionInputs:
        """What the revision is made of."""
        return self.revision.inputs

    @cached_property
    def _pods(self) -> Pods:
        return Pods(self.owner.name, self.revision.id, self.inputs, self.runner)

    @property
    def prefix(self) -> str:
        """Every child of the revision begins with this."""
        return names.revision_prefix(self.owner.name, self.revision.id)

    def name(self, part: str) -> str:
        """The name of a child."""
        return names.child(self.owner.name, self.revision.id, part)

    def labels(self, **more: str) -> dict[str, str]:
        """The labels of every child, and `component` or `phase` where given."""
        keys = {"component": names.LABEL_COMPONENT, "phase": names.LABEL_PHASE}
        elsewhere = {names.LABEL_PLATFORM: self.owner.platform, names.LABEL_OWNER: self.owner.uid}
        return {
            names.LABEL_MANAGED_BY: names.MANAGED_BY,
            names.LABEL_INSTALLATION: self.owner.name,
            names.LABEL_REVISION: self.revision.id,
            **(elsewhere if self.owner.platform else {}),
        } | {keys[key]: value for key, value in more.items()}

    def _object(self, api_version: str, kind: str, name: str, labels: Mapping[str, str], **body: Any) -> Manifest:
        return {
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {
                "name": name,
                "namespace": self.owner.namespace,
                "labels": dict(labels),
                # On another cluster it would name nobody, and the garbage collector would remove the object.
                **({} if self.owner.platform else {"ownerReferences": [self.owner.reference]}),
            },
            **body,
        }

    def _config_map(self, part: str, data: Mapping[str, Any]) -> Desired:
        texts = {key: json.dumps(value, sort_keys=True, ensure_ascii=False) for key, value in data.items()}
        return Desired(self._object("v1", "ConfigMap", self.name(part), self.labels(), data=texts))

    def record(self) -> Desired:
        """The inputs themselves, so that this revision can be rendered when the spec has moved on."""
        body = self._object(
            "apps/v1", "ControllerRevision", self.prefix, self.labels(), data=self.inputs.serialised(), revision=1
        )
        return Desired(body, once=True)

    def config(self) -> Desired:
        """parameters.json, and a run.json for each phase."""
        version = self.inputs.version
        thresholds = {
            "calibration": _thresholds(version.calibration.thresholds),
            "validation": _thresholds(version.validation.thresholds),
        }
        phases = [CALIBRATE, VALIDATE, SERVE]
        if version.monitoring is not None:
            thresholds["monitoring"] = _thresholds(version.monitoring.thresholds)
            phases.append(MONITOR)
        common: dict[str, Any] = {
            "installation": self.owner.name,
            "namespace": self.owner.namespace,
            "municipality": self.inputs.municipality.dump(),
            "listing": self.inputs.listing,
            "version": version.version,
            "revision": self.revision.id,
            "windows": self.inputs.windows.dump(),
            "thresholds": thresholds,
        }
        if version.targets:
            common |= {"targets": [t.dump() for t in version.targets], "seed": holdout.seed(self.inputs)}
        runs = {f"{phase}.json": {"phase": phase} | common for phase in phases}
        return self._config_map("config", {"parameters.json": self.inputs.parameters} | runs)

    def calibrated(self, calibration: Evidence) -> Desired:
        """calibrated.json: the parameters that calibration found."""
        values = {p.name: float(p.value) for p in calibration.parameters}
        return self._config_map("calibrated", {"calibrated.json": values})

    def evidence(self, calibration: Evidence, validation: Evidence) -> Desired:
        """evidence.json: what the runs showed, for the app's own pages."""
        runs = {"calibration": calibration, "validation": validation}
        data = {name: _summary(run) for name, run in runs.items()}
        return self._config_map("evidence", {"evidence.json": data})

    def bindings(self, wiring: Sequence[Wiring]) -> list[Desired]:
        """One servicebinding.io Secret for each requirement."""
        return [
            Desired(
                self._object(
                    "v1",
                    "Secret",
                    self.name(w.requirement),
                    self.labels(),
                    type=f"servicebinding.io/{w.source.kind.value}",
                    data=w.entries(),
                )
            )
            for w in wiring
        ]

    def order(self, wiring: Sequence[Wiring], network: Network) -> list[Desired]:
        """What is to be fetched for each container, without any secret; nothing where none gets a table."""
        made = orders.orders(self.inputs, wiring, network, self.owner.namespace)
        files = {key: order.dump() for key, order in (made | orders.score_orders(self.inputs)).items()}
        return [self._config_map(fetching.ORDER, files)] if made else []

    def network_policy(self, traffic: Traffic) -> Desired:
        """Who may reach the revision's pods, and whom they may reach. Its runs' pods count among them."""
        selector = {names.LABEL_INSTALLATION: self.owner.name, names.LABEL_REVISION: self.revision.id}
        spec = policy(traffic, selector)
        return Desired(
            self._object("networking.k8s.io/v1", "NetworkPolicy", self.name("network"), self.labels(), spec=spec)
        )

    def ports(self, rendered: Sequence[Manifest]) -> frozenset[tuple[int, str]]:
        """Number and protocol of each port that the revision's pods declare, those that templates make included."""
        found = {(port.port, "TCP") for component in self.inputs.version.components for port in component.ports}
        for manifest in rendered:
            spec = manifest.get("spec", {})
            if manifest["kind"] == "Deployment":
                for container in spec["template"]["spec"]["containers"]:
                    ports = container.get("ports", ())
                    found |= {(port["containerPort"], port.get("protocol", "TCP")) for port in ports}
            elif manifest["kind"] == "Service":
                targets = ((p.get("targetPort", p["port"]), p.get("protocol", "TCP")) for p in spec["ports"])
                found |= {(number, protocol) for number, protocol in targets if isinstance(number, int)}
        return frozenset(found)

    def job(self, phase: str, run: Task, part: str | None = None, order: Sequence[Desired] = ()) -> Desired:
        """The Job of a run. A restarted operator finds it by name, so it is started once for a revision.

        Args:
            phase: which run.
            run: its declaration.
            part: what the name ends in, where that is not the phase.
            order: what is fetched for it, as `order` gives it.
        """
        labels = self.labels(phase=phase)
        spec = {
            "activeDeadlineSeconds": run.effective_timeout_seconds
            + (fetching.SECONDS if orders.tables(run, self.inputs.bindings) else 0)
            + (scored.SECONDS if self.inputs.version.targets else 0),
            "backoffLimit": run.retries or 0,
            # An eviction or a drained node says nothing about the run: it is not counted as a failure.
            "podFailurePolicy": {
                "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
            },
            "template": {
                "metadata": {"labels": labels, "annotations": _ALONE},
                "spec": self._pods.run(run, phase, {k: v for d in order for k, v in d.manifest["data"].items()}),
            },
        }
        return Desired(self._object("batch/v1", "Job", self.name(part or phase), labels, spec=spec), once=True)

    def deployment(self, component: Component, bindings: str) -> Desired:
        """The Deployment of a component; its pods are replaced when the digest of its bindings changes."""
        labels = self.labels(component=component.name)
        spec = {
            "replicas": component.replicas or 1,
            "selector": {
                "matchLabels": {
                    key: labels[key] for key in (names.LABEL_INSTALLATION, names.LABEL_REVISION, names.LABEL_COMPONENT)
                }
            },
            "revisionHistoryLimit": 1,
            "progressDeadlineSeconds": 300,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": {
                "metadata": {"labels": labels, "annotations": {names.ANNOTATION_BINDINGS: bindings}},
                "spec": self._pods.component(component),
            },
        }
        return Desired(self._object("apps/v1", "Deployment", self.name(component.name), labels, spec=spec))

    def services(self) -> list[Desired]:
        """A Service for each component with ports; it leads to this revision and no other."""
        return [
            Desired(
                self._object(
                    "v1",
                    "Service",
                    names.service(self.owner.name, component.name),
                    self.labels(component=component.name),
                    spec={
                        "selector": {
                            names.LABEL_INSTALLATION: self.owner.name,
                            names.LABEL_REVISION: self.revision.id,
                            names.LABEL_COMPONENT: component.name,
                        },
                        "ports": [
                            {"name": p.name, "port": p.port, "targetPort": p.port, "protocol": "TCP"}
                            for p in component.ports
                        ],
                    },
                )
            )
            for component in self.inputs.version.components
            if component.ports
        ]

    def products(self, of: Ref) -> tuple[ProductStatus, ...]:
        """The data products of an Installation that are data sources, as its version has them.

        Their addresses are those in the cluster where the children are.
        """
        products = of_version(of, self.inputs.listing, self.inputs.version, self.owner.namespace)
        return tuple(
            ProductStatus(
                name=product.name,
                secret_name=names.product(self.owner.name, product.name),
                source=source,
                declassified=product.declassified,
            )
            for product, source in products
        )

    def product_bindings(self, products: Sequence[ProductStatus]) -> list[Desired]:
        """For each product a Secret that tells where it is: what a servicebinding.io Provisioned Service leads to."""
        return [
            Desired(
                self._object(
                    "v1",
                    "Secret",
                    product.secret_name,
                    self.labels(),
                    type=f"servicebinding.io/{product.source.kind.value}",
                    data=Wiring(product.name, product.source).entries(),
                )
            )
            for product in products
        ]

    def url(self) -> str | None:
        """Where the first component with a port is served, inside the cluster."""
        for component in self.inputs.version.components:
            if component.ports:
                host = f"{names.service(self.owner.name, component.name)}.{self.owner.namespace}.svc"
                return f"http://{host}:{component.ports[0].port}/"
        return None

    def taken(self) -> frozenset[Key]:
        """Kind and name of the objects that the operator makes itself, and that no template may make."""
        parts = ("config", "calibrated", "evidence", fetching.ORDER)
        deployments = (("Deployment", self.name(c.name)) for c in self.inputs.version.components)
        return frozenset({*(("ConfigMap", self.name(part)) for part in parts), *deployments})

    def adopted(self, rendered: Sequence[Manifest]) -> list[Desired]:
        """The objects that the listing's templates gave, with our labels and owner."""
        return [self._adopt(manifest) for manifest in rendered]

    def _adopt(self, manifest: Manifest) -> Desired:
        metadata = manifest["metadata"]
        labels = metadata.get("labels", {}) | self.labels()
        body = {k: v for k, v in manifest.items() if k not in ("apiVersion", "kind", "metadata")}
        if manifest["kind"] == "Deployment":  # its pods are the revision's, for its NetworkPolicy and for people
            template = body["spec"]["template"]
            inside = template["metadata"] | {"labels": template["metadata"]["labels"] | self.labels()}
            body["spec"] = body["spec"] | {"template": template | {"metadata": inside}}
        adopted = self._object(manifest["apiVersion"], manifest["kind"], metadata["name"], labels, **body)
        if metadata.get("annotations"):
            adopted["metadata"]["annotations"] = metadata["annotations"]
        return Desired(adopted)


def _thresholds(thresholds: Sequence[Threshold]) -> list[dict[str, Any]]:
    return [t.dump() for t in thresholds]


def _summary(evidence: Evidence) -> dict[str, Any]:
    return {
        "metrics": {m.name: float(m.value) for m in evidence.metrics},
        "windows": [w.dump() for w in evidence.windows],
    }


def storage_requests(components: Sequence[Component]) -> list[str]:
    """The size of each volume, for a comparison with the platform's limits."""
    return [volume.size for component in components for volume in component.volumes]
