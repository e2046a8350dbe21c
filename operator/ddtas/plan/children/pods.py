"""The pods of one revision: of its runs and of what serves.

All keep to Pod Security "restricted", and have their configuration and their bindings as files.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ddtas import names
from ddtas.api.workload import Component, Container, ResourceList, Task
from ddtas.plan.capabilities.needs import ARCHITECTURE_LABEL
from ddtas.plan.children import fetching, orders, scored
from ddtas.plan.children.confinement import SECURITY_CONTEXT
from ddtas.plan.quantity import canonical
from ddtas.plan.revision import RevisionInputs
from ddtas.plan.runs.evidence import CALIBRATE, MONITOR, SERVE, VALIDATE
from ddtas.plan.snapshot import Manifest

_PRE_STOP_SECONDS = 5
# The group that a volume's files belong to, whatever the user of the image.
_VOLUME_GROUP = 65532
# What a phase finds in its configuration beside the parameters: what the runs before it found.
_RESULTS = {
    CALIBRATE: (),
    VALIDATE: ("calibrated",),
    MONITOR: ("calibrated", "evidence"),
    SERVE: ("calibrated", "evidence"),
}


@dataclass(frozen=True, slots=True)
class Pods:
    """Builds the pod specs of one revision.

    Attributes:
        installation: the name of the Installation.
        revision: the id of the revision.
        inputs: of the revision.
        runner: the image that fetches data.
    """

    installation: str
    revision: str
    inputs: RevisionInputs
    runner: str

    def run(self, run: Task, phase: str, texts: Mapping[str, str]) -> Manifest:
        """Of a run; of an app with targets, one that is scored.

        Args:
            run: its declaration.
            phase: which run.
            texts: the orders of the revision, by key.
        """
        pod = self._pod(run, phase, phase) | {"restartPolicy": "Never"}
        if self.inputs.version.targets:
            scored.add(pod, self.runner, self._name(fetching.ORDER), phase, texts, sealed=not self.inputs.open_runs)
        return pod

    def component(self, component: Component) -> Manifest:
        """Of a component that serves."""
        pod = self._pod(component, component.name, SERVE)
        container = pod["containers"][0]
        if component.volumes:
            self._mount(component, pod)
        if component.ports:
            container["ports"] = [{"name": p.name, "containerPort": p.port, "protocol": "TCP"} for p in component.ports]
            # The nodes hear a moment later than the kubelet that a pod is to go: until then they send it requests.
            container["lifecycle"] = {"preStop": {"sleep": {"seconds": _PRE_STOP_SECONDS}}}
        if component.readiness is not None:
            probe = {"httpGet": {"path": component.readiness.path, "port": component.readiness.port}}
            container["readinessProbe"] = probe | {"periodSeconds": 5, "timeoutSeconds": 5}
        return pod

    def _mount(self, component: Component, pod: Manifest) -> None:
        """Have a pod mount the component's volumes, which are the same for all revisions."""
        for volume in component.volumes:
            claim = names.claim(self.installation, component.name, volume.name)
            name = f"volume-{volume.name}"
            pod["volumes"].append({"name": name, "persistentVolumeClaim": {"claimName": claim}})
            pod["containers"][0]["volumeMounts"].append({"name": name, "mountPath": volume.mount_path})
        # Whatever user the image names can write. A volume with many files is gone over once, not at each start.
        pod["securityContext"] |= {"fsGroup": _VOLUME_GROUP, "fsGroupChangePolicy": "OnRootMismatch"}
        if not all(volume.shared for volume in component.volumes):
            # The next revision starts beside this one, and one node alone can have the volume: the same node, then.
            # Where there is no such pod yet, the scheduler takes this to be the first one, and any node will do.
            selector = {names.LABEL_INSTALLATION: self.installation, names.LABEL_COMPONENT: component.name}
            term = {"labelSelector": {"matchLabels": selector}, "topologyKey": "kubernetes.io/hostname"}
            same_node = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
            pod["affinity"] = pod.get("affinity", {}) | same_node

    def _pod(self, container: Container, name: str, phase: str) -> Manifest:
        """A pod of one container."""
        volumes, mounts = self._files(container, phase)
        bound = orders.tables(container, self.inputs.bindings)
        spec: Manifest = {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [_container(container, name, mounts, fetched=bool(bound))],
            "volumes": volumes,
            **self._node(container),
        }
        if bound:
            secrets = {b.requirement: self._name(b.requirement) for b in bound}
            order = (self._name(fetching.ORDER), orders.key(phase, name if phase == SERVE else ""))
            fetching.add(spec, self.runner, order, secrets, serves=phase == SERVE)
        return spec

    def _files(self, container: Container, phase: str) -> tuple[list[Manifest], list[Manifest]]:
        """Volumes and their mounts: a place for temporary files, the configuration, and each binding."""
        config = {
            "name": self._name("config"),
            "items": [
                {"key": "parameters.json", "path": "parameters.json"},
                {"key": f"{phase}.json", "path": "run.json"},
            ],
        }
        sources = [{"configMap": config}, *({"configMap": {"name": self._name(part)}} for part in _RESULTS[phase])]
        volumes: list[Manifest] = [
            {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
            {"name": "config", "projected": {"sources": sources}},
        ]
        mounts: list[Manifest] = [
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - inside the container, an emptyDir
            {"name": "config", "mountPath": names.CONFIG_ROOT, "readOnly": True},
        ]
        sealed = bool(self.inputs.version.targets) and not self.inputs.open_runs
        for binding in orders.read_by(container, self.inputs.bindings):
            if binding.table is not None or (sealed and phase != SERVE):
                continue  # the app gets the data, and not where it is; without a network it cannot read it itself
            volume = f"binding-{binding.requirement}"
            volumes.append({"name": volume, "secret": {"secretName": self._name(binding.requirement)}})
            path = f"{names.SERVICE_BINDING_ROOT}/{binding.requirement}"
            mounts.append({"name": volume, "mountPath": path, "readOnly": True})
        return volumes, mounts

    def _name(self, part: str) -> str:
        return names.child(self.installation, self.revision, part)

    def _node(self, container: Container) -> Manifest:
        """What sends a pod to a node that can run it."""
        required = self.inputs.version.platform_requirements
        architectures = required.architectures if required is not None else None
        placement: Manifest = {}
        if architectures:
            term = {"key": ARCHITECTURE_LABEL, "operator": "In", "values": list(architectures)}
            terms = {"nodeSelectorTerms": [{"matchExpressions": [term]}]}
            placement["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
        if container.devices:
            # By convention such nodes have a taint of that name; many clusters add this themselves
            # (ExtendedResourceToleration).
            placement["tolerations"] = [
                {"key": d.name, "operator": "Exists", "effect": "NoSchedule"} for d in container.devices
            ]
        return placement


def _container(container: Container, name: str, mounts: Sequence[Manifest], *, fetched: bool) -> Manifest:
    env = [
        {"name": "SERVICE_BINDING_ROOT", "value": names.SERVICE_BINDING_ROOT},
        {"name": "DDTAS_CONFIG", "value": names.CONFIG_ROOT},
    ]
    if fetched:
        env.append({"name": "DDTAS_DATA", "value": names.DATA_ROOT})
    own = {entry["name"] for entry in env}
    env += [{"name": e.name, "value": e.value} for e in container.env if e.name not in own and e.value]
    limits = _quantities(container.resources.limits) | {d.name: str(d.count) for d in container.devices}
    spec: Manifest = {
        "name": name,
        "image": container.image,
        "imagePullPolicy": "IfNotPresent",
        "env": env,
        "resources": {"requests": _quantities(container.resources.requests), "limits": limits},
        "securityContext": SECURITY_CONTEXT,
        "volumeMounts": list(mounts),
        # An app that ends with an error and says nothing: the end of its log does. Never where it ends well.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if container.command:
        spec["command"] = list(container.command)
    if container.args:
        spec["args"] = list(container.args)
    return spec


def _quantities(resources: ResourceList) -> dict[str, str]:
    return {"cpu": canonical(resources.cpu), "memory": canonical(resources.memory)}
