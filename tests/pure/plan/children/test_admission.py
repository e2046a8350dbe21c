"""Admission: a good object passes; each single change that an app may not make is refused, with its path."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from ddtas.errors import TemplateError
from ddtas.plan.children.admission import admit
from ddtas.plan.children.pod_security import restricted_violations

PREFIX = "flood-3f9a2c71b0"
WEB = f"{PREFIX}-web"

Object = dict[str, Any]


def pod_spec() -> Object:
    return {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [container("fetch")],
        "containers": [container("web")],
        "volumes": [
            {"name": "config", "configMap": {"name": WEB, "items": [{"key": "a", "path": "a.json"}]}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
        ],
        "terminationGracePeriodSeconds": 10,
        "enableServiceLinks": False,
    }


def container(name: str) -> Object:
    return {
        "name": name,
        "image": "ghcr.example/web:1.0",
        "command": ["web"],
        "args": ["--port=8080"],
        "env": [
            {"name": "A", "value": "1"},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": WEB, "key": "a"}}},
            {"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        "envFrom": [{"configMapRef": {"name": WEB}}],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 5},
        "livenessProbe": {"exec": {"command": ["true"]}},
        "resources": {"requests": {"cpu": 0.1, "memory": "64Mi"}, "limits": {"cpu": "500m", "memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "privileged": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "config", "mountPath": "/etc/web", "readOnly": True}],
    }


def config_map() -> Object:
    metadata = {"name": WEB, "namespace": "delft", "labels": {"app": WEB}, "annotations": {"note": "x"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a.json": "{}"}}


def service() -> Object:
    spec = {
        "type": "ClusterIP",
        "selector": {"app": WEB},
        "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": WEB}, "spec": spec}


def deployment() -> Object:
    template = {
        "metadata": {"labels": {"app": WEB}, "annotations": {"prometheus.io/scrape": "true"}},
        "spec": pod_spec(),
    }
    spec = {
        "replicas": 2,
        "selector": {"matchLabels": {"app": WEB}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
        "template": template,
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": WEB}, "spec": spec}


def changed(item: Object, path: str, value: object) -> Object:
    """The object with `value` at a dotted path; numbers are indexes, and a value of ... removes the field."""
    item = copy.deepcopy(item)
    steps: list[Any] = [int(step) if step.isdigit() else step.replace("~", ".") for step in path.split(".")]
    *way, last = steps
    place: Any = item
    for step in way:
        place = place[step] if isinstance(place, list) else place.setdefault(step, {})
    if value is ...:
        del place[last]
    elif isinstance(place, list):
        place.insert(last, value)
    else:
        place[last] = value
    return item


def refusal(*objects: Object, **options: Any) -> str:
    with pytest.raises(TemplateError) as caught:
        admit(objects, prefix=PREFIX, namespace="delft", **options)
    assert caught.value.reason == "TemplateForbidden"
    return caught.value.message


def test_good_objects_pass_unchanged() -> None:
    objects = [config_map(), service(), deployment()]
    assert admit(copy.deepcopy(objects), prefix=PREFIX, namespace="delft") == objects
    assert admit([], prefix=PREFIX, namespace="delft") == []


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("v1", "Secret"),
        ("v1", "Pod"),
        ("v1", "ServiceAccount"),
        ("v1", "List"),
        ("v1", "PersistentVolumeClaim"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding"),
        ("batch/v1", "Job"),
        ("networking.k8s.io/v1", "Ingress"),
        ("ddtas.nl/v1alpha1", "Installation"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1beta1", "Deployment"),
        ("v1", "Deployment"),
        (None, None),
        (["v1"], {"a": 1}),
    ],
)
def test_other_kinds_are_refused(version: object, kind: object) -> None:
    message = refusal({"apiVersion": version, "kind": kind, "metadata": {"name": WEB}})
    assert "is not allowed: use ConfigMap (v1), Service (v1), Deployment (apps/v1)" in message


POD = "spec.template.spec"
BOX = f"{POD}.containers.0"
BOX_PATH = f"{POD}.containers[0]"
NOT_ALLOWED = " is not allowed in an app: remove it"
NAMED = f" must be a name that begins with {PREFIX}-"


@pytest.mark.parametrize(
    ("make", "path", "value", "message"),
    [
        # metadata
        (config_map, "metadata.name", "kube-root-ca.crt", "metadata.name" + NAMED),
        (config_map, "metadata.name", PREFIX, "metadata.name" + NAMED),
        (config_map, "metadata.name", f"{PREFIX}-", "metadata.name" + NAMED),
        (config_map, "metadata.name", f"{PREFIX}-Web", "metadata.name" + NAMED),
        (config_map, "metadata.name", f"{PREFIX}-{'a' * 60}", "metadata.name" + NAMED),
        (config_map, "metadata.name", f"{PREFIX}-a\n", "metadata.name" + NAMED),
        (config_map, "metadata.name", 5, "metadata.name" + NAMED),
        (config_map, "metadata.name", ..., "metadata.name is missing"),
        (config_map, "metadata", None, "metadata must be a mapping"),
        (config_map, "metadata", ..., "metadata is missing"),
        (config_map, "metadata.namespace", "kube-system", "metadata.namespace must be delft"),
        (config_map, "metadata.generateName", WEB, "metadata.generateName" + NOT_ALLOWED),
        (config_map, "metadata.finalizers", ["a/b"], "metadata.finalizers" + NOT_ALLOWED),
        (config_map, "metadata.ownerReferences", [], "metadata.ownerReferences" + NOT_ALLOWED),
        (config_map, "metadata.labels.ddtas~nl/installation", "x", "metadata.labels[ddtas.nl/installation] is not all"),
        (
            config_map,
            "metadata.labels.app~kubernetes~io/managed-by",
            "x",
            "metadata.labels[app.kubernetes.io/managed-by]",
        ),
        (config_map, "metadata.labels.tier", "db", "metadata.labels[tier] is not allowed in an app: the only label is"),
        (config_map, "metadata.labels.app", "geoserver", "metadata.labels[app]" + NAMED),
        (config_map, "metadata.labels", ["app"], "metadata.labels must be a mapping"),
        (config_map, "metadata.annotations.ddtas~nl/retry", "x", "metadata.annotations[ddtas.nl/retry] is not allowed"),
        (config_map, "metadata.annotations.external-dns~alpha~kubernetes~io/hostname", "x", "is not allowed in an app"),
        (
            config_map,
            "metadata.annotations.note",
            5,
            "metadata.annotations[note] must be a text: write {{ … | tojson }}",
        ),
        # ConfigMap
        (config_map, "data.a~json", {"b": 1}, "data[a.json] must be a text"),
        (config_map, "data", "x", "data must be a mapping"),
        (config_map, "spec", {}, "spec" + NOT_ALLOWED),
        (config_map, "status", {}, "status" + NOT_ALLOWED),
        # Service
        (service, "spec.type", "NodePort", "spec.type must be ClusterIP"),
        (service, "spec.type", "LoadBalancer", "spec.type must be ClusterIP"),
        (service, "spec.type", "ExternalName", "spec.type must be ClusterIP"),
        (service, "spec.externalName", "example.org", "spec.externalName" + NOT_ALLOWED),
        (service, "spec.externalIPs", ["1.1.1.1"], "spec.externalIPs" + NOT_ALLOWED),
        (service, "spec.loadBalancerIP", "1.1.1.1", "spec.loadBalancerIP" + NOT_ALLOWED),
        (service, "spec.clusterIP", "10.0.0.1", "spec.clusterIP must be None"),
        (service, "spec.ports.0.nodePort", 30000, "spec.ports[0].nodePort" + NOT_ALLOWED),
        (service, "spec.ports.0.port", True, "spec.ports[0].port must be a whole number from 1 to 65535"),
        (service, "spec.ports", {}, "spec.ports must be a list"),
        (service, "spec.selector", ..., "spec.selector is missing"),
        (service, "spec.selector", {}, "spec.selector.app is missing"),
        (service, "spec.selector", {"app": "geoserver"}, "spec.selector.app" + NAMED),
        (service, "spec.selector", {"app": WEB, "tier": "x"}, "spec.selector.tier" + NOT_ALLOWED),
        # Deployment
        (deployment, "spec.replicas", 1000, "spec.replicas must be a whole number from 0 to 10"),
        (deployment, "spec.paused", True, "spec.paused" + NOT_ALLOWED),
        (deployment, "spec.selector.matchLabels.app", f"{PREFIX}-other", "must equal spec.template.metadata.labels"),
        (deployment, "spec.selector.matchLabels.app", "geoserver", "spec.selector.matchLabels.app" + NAMED),
        (deployment, "spec.selector.matchExpressions", [], "spec.selector.matchExpressions" + NOT_ALLOWED),
        (deployment, "spec.template.metadata.labels.app", "geoserver", "spec.template.metadata.labels.app" + NAMED),
        (deployment, "spec.template.metadata.labels.tier", "db", "spec.template.metadata.labels.tier" + NOT_ALLOWED),
        (deployment, "spec.template.metadata.name", "x", "spec.template.metadata.name" + NOT_ALLOWED),
        (
            deployment,
            "spec.template.metadata.annotations.container~apparmor~security~beta~kubernetes~io/web",
            "unconfined",
            "is not allowed in an app",
        ),
        # pod
        (deployment, f"{POD}.hostNetwork", True, f"Deployment {WEB}: {POD}.hostNetwork" + NOT_ALLOWED),
        (deployment, f"{POD}.hostPID", True, f"{POD}.hostPID" + NOT_ALLOWED),
        (deployment, f"{POD}.hostIPC", True, f"{POD}.hostIPC" + NOT_ALLOWED),
        (deployment, f"{POD}.hostUsers", True, f"{POD}.hostUsers" + NOT_ALLOWED),
        (deployment, f"{POD}.hostAliases", [], f"{POD}.hostAliases" + NOT_ALLOWED),
        (deployment, f"{POD}.hostname", "x", f"{POD}.hostname" + NOT_ALLOWED),
        (deployment, f"{POD}.nodeName", "x", f"{POD}.nodeName" + NOT_ALLOWED),
        (deployment, f"{POD}.nodeSelector", {}, f"{POD}.nodeSelector" + NOT_ALLOWED),
        (deployment, f"{POD}.tolerations", [], f"{POD}.tolerations" + NOT_ALLOWED),
        (deployment, f"{POD}.affinity", {}, f"{POD}.affinity" + NOT_ALLOWED),
        (deployment, f"{POD}.priorityClassName", "x", f"{POD}.priorityClassName" + NOT_ALLOWED),
        (deployment, f"{POD}.schedulerName", "x", f"{POD}.schedulerName" + NOT_ALLOWED),
        (deployment, f"{POD}.runtimeClassName", "x", f"{POD}.runtimeClassName" + NOT_ALLOWED),
        (deployment, f"{POD}.serviceAccountName", "admin", f"{POD}.serviceAccountName" + NOT_ALLOWED),
        (deployment, f"{POD}.serviceAccount", "admin", f"{POD}.serviceAccount" + NOT_ALLOWED),
        (deployment, f"{POD}.imagePullSecrets", [], f"{POD}.imagePullSecrets" + NOT_ALLOWED),
        (deployment, f"{POD}.shareProcessNamespace", True, f"{POD}.shareProcessNamespace" + NOT_ALLOWED),
        (deployment, f"{POD}.ephemeralContainers", [], f"{POD}.ephemeralContainers" + NOT_ALLOWED),
        (deployment, f"{POD}.dnsConfig", {}, f"{POD}.dnsConfig" + NOT_ALLOWED),
        (deployment, f"{POD}.automountServiceAccountToken", True, f"{POD}.automountServiceAccountToken must be false"),
        (deployment, f"{POD}.automountServiceAccountToken", 0, f"{POD}.automountServiceAccountToken must be false"),
        (deployment, f"{POD}.automountServiceAccountToken", ..., f"{POD}.automountServiceAccountToken is missing"),
        (deployment, f"{POD}.securityContext.sysctls", [], f"{POD}.securityContext.sysctls" + NOT_ALLOWED),
        (deployment, f"{POD}.securityContext.runAsNonRoot", False, f"{POD}.securityContext.runAsNonRoot must be true"),
        (deployment, f"{POD}.securityContext.runAsUser", 0, f"{POD}.securityContext.runAsUser must be a whole number"),
        (deployment, f"{POD}.securityContext.fsGroup", 0, f"{POD}.securityContext.fsGroup must be a whole number"),
        (
            deployment,
            f"{POD}.securityContext.seLinuxOptions",
            {},
            f"{POD}.securityContext.seLinuxOptions" + NOT_ALLOWED,
        ),
        (deployment, f"{POD}.securityContext.seccompProfile.type", "Unconfined", "type must be RuntimeDefault"),
        (deployment, f"{POD}.securityContext.seccompProfile.type", "Localhost", "type must be RuntimeDefault"),
        (
            deployment,
            f"{POD}.securityContext.seccompProfile",
            ...,
            "seccompProfile.type must be RuntimeDefault, here or",
        ),
        (deployment, f"{POD}.securityContext.runAsNonRoot", ..., "runAsNonRoot must be true, here or for the pod"),
        # volumes
        (deployment, f"{POD}.volumes.0", {"name": "x", "hostPath": {"path": "/"}}, f"{POD}.volumes[0].hostPath"),
        (deployment, f"{POD}.volumes.0", {"name": "x", "secret": {"secretName": "s"}}, f"{POD}.volumes[0].secret"),
        (deployment, f"{POD}.volumes.0", {"name": "x", "projected": {"sources": []}}, f"{POD}.volumes[0].projected"),
        (
            deployment,
            f"{POD}.volumes.0",
            {"name": "x", "persistentVolumeClaim": {}},
            "volumes[0].persistentVolumeClaim",
        ),
        (deployment, f"{POD}.volumes.0", {"name": "x", "csi": {}}, f"{POD}.volumes[0].csi" + NOT_ALLOWED),
        (deployment, f"{POD}.volumes.0", {"name": "x", "nfs": {}}, f"{POD}.volumes[0].nfs" + NOT_ALLOWED),
        (deployment, f"{POD}.volumes.0.configMap.name", "other", f"{POD}.volumes[0].configMap.name" + NAMED),
        # containers
        (
            deployment,
            f"{POD}.initContainers.0.securityContext.privileged",
            True,
            "initContainers[0].securityContext.priv",
        ),
        (deployment, f"{BOX}.securityContext", ..., f"{BOX_PATH}.securityContext is missing"),
        (deployment, f"{BOX}.securityContext.allowPrivilegeEscalation", True, "allowPrivilegeEscalation must be false"),
        (deployment, f"{BOX}.securityContext.allowPrivilegeEscalation", ..., "allowPrivilegeEscalation is missing"),
        (deployment, f"{BOX}.securityContext.capabilities.drop", ["NET_RAW"], "capabilities.drop must have ALL"),
        (deployment, f"{BOX}.securityContext.capabilities.add", ["SYS_ADMIN"], "capabilities.add" + NOT_ALLOWED),
        (deployment, f"{BOX}.securityContext.procMount", "Unmasked", "securityContext.procMount" + NOT_ALLOWED),
        (deployment, f"{BOX}.securityContext.runAsNonRoot", False, "securityContext.runAsNonRoot must be true"),
        (deployment, f"{BOX}.securityContext.runAsUser", 0, "securityContext.runAsUser must be a whole number"),
        (deployment, f"{BOX}.securityContext.windowsOptions", {}, "securityContext.windowsOptions" + NOT_ALLOWED),
        (deployment, f"{BOX}.ports.0.hostPort", 80, f"{BOX_PATH}.ports[0].hostPort" + NOT_ALLOWED),
        (deployment, f"{BOX}.ports.0.hostIP", "0.0.0.0", f"{BOX_PATH}.ports[0].hostIP" + NOT_ALLOWED),
        (deployment, f"{BOX}.readinessProbe.httpGet.host", "1.1.1.1", "readinessProbe.httpGet.host" + NOT_ALLOWED),
        (deployment, f"{BOX}.lifecycle", {}, f"{BOX_PATH}.lifecycle" + NOT_ALLOWED),
        (deployment, f"{BOX}.volumeDevices", [], f"{BOX_PATH}.volumeDevices" + NOT_ALLOWED),
        (deployment, f"{BOX}.volumeMounts.0.mountPropagation", "Bidirectional", "mountPropagation" + NOT_ALLOWED),
        (deployment, f"{BOX}.resources", ..., f"{BOX_PATH}.resources is missing"),
        (deployment, f"{BOX}.resources.limits", ..., f"{BOX_PATH}.resources.limits is missing"),
        (deployment, f"{BOX}.resources.requests.cpu", ..., f"{BOX_PATH}.resources.requests.cpu is missing"),
        (deployment, f"{BOX}.resources.limits.memory", "lots", "limits.memory must be a quantity"),
        (deployment, f"{BOX}.resources.limits.nvidia~com/gpu", 1, "limits.nvidia.com/gpu" + NOT_ALLOWED),
        (deployment, f"{BOX}.env.0.value", True, f"{BOX_PATH}.env[0].value must be a text: write {{{{ … | tojson }}}}"),
        (
            deployment,
            f"{BOX}.env.0.valueFrom.secretKeyRef",
            {"name": "s", "key": "k"},
            f"{BOX_PATH}.env[0].valueFrom.secretKeyRef" + NOT_ALLOWED,
        ),
        (deployment, f"{BOX}.env.1.valueFrom.configMapKeyRef.name", "other", "configMapKeyRef.name" + NAMED),
        (
            deployment,
            f"{BOX}.env.2.valueFrom.fieldRef.fieldPath",
            "spec.nodeName",
            "fieldPath must be metadata.name or",
        ),
        (
            deployment,
            f"{BOX}.envFrom.0",
            {"secretRef": {"name": "s"}},
            f"{BOX_PATH}.envFrom[0].secretRef" + NOT_ALLOWED,
        ),
        (deployment, f"{BOX}.envFrom.0.configMapRef.name", "other", "configMapRef.name" + NAMED),
    ],
)
def test_each_change_that_an_app_may_not_make(
    make: Callable[[], Object], path: str, value: object, message: str
) -> None:
    assert message in refusal(changed(make(), path, value))


def test_the_same_kind_and_name_twice() -> None:
    assert f"ConfigMap {WEB}: another object has this kind and name" in refusal(config_map(), config_map())
    assert "another object" in refusal(service(), taken={("Service", WEB)})
    admit([config_map(), service()], prefix=PREFIX, namespace="delft", taken={("Deployment", WEB)})


def test_three_violations_are_listed_and_the_rest_counted() -> None:
    bad = config_map() | {"a": 1, "b": 2, "c": 3, "d": 4}
    assert refusal(bad) == "; ".join(f"ConfigMap {WEB}: {name}{NOT_ALLOWED}" for name in "abc") + "; and 1 more"


def test_hostile_names_are_cut_and_printable_in_the_message() -> None:
    message = refusal(config_map() | {"x\n\u202e" + "y" * 500: 1})
    assert "x??yyy" in message
    assert len(message) < 250


# ---- Pod Security "restricted" ----


def minimal() -> Object:
    """What the standard asks for, and nothing more: without what `admit` adds."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}
    return {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "a", "image": "b", "securityContext": security}],
        "volumes": [{"name": "s", "secret": {"secretName": "s"}}, {"name": "p", "projected": {"sources": []}}],
    }


def test_the_standard_allows_what_it_allows() -> None:
    assert restricted_violations(minimal()) == []
    assert restricted_violations(pod_spec()) == []
    moved = minimal()
    moved["containers"][0]["securityContext"] |= moved.pop("securityContext")
    assert restricted_violations(moved) == []
    localhost = {"type": "Localhost", "localhostProfile": "a"}
    assert restricted_violations(changed(minimal(), "securityContext.seccompProfile", localhost)) == []
    assert restricted_violations(changed(minimal(), "containers.0.securityContext.seLinuxOptions.level", "s0")) == []


STANDARD_BOX = "containers.0"


@pytest.mark.parametrize(
    ("path", "value", "violation"),
    [
        ("hostNetwork", True, "hostNetwork must not be true"),
        ("hostPID", True, "hostPID must not be true"),
        ("hostIPC", True, "hostIPC must not be true"),
        ("volumes.0", {"name": "h", "hostPath": {"path": "/"}}, "volumes[0].hostPath is not an allowed type of volume"),
        ("securityContext.sysctls", [{"name": "a"}], "securityContext.sysctls must not be set"),
        ("securityContext.runAsUser", 0, "securityContext.runAsUser must not be 0"),
        (
            "securityContext.seccompProfile.type",
            "Unconfined",
            "securityContext.seccompProfile.type must be RuntimeDefault",
        ),
        ("securityContext.appArmorProfile.type", "Unconfined", "securityContext.appArmorProfile.type must be Runtime"),
        ("securityContext.seLinuxOptions.type", "spc_t", "securityContext.seLinuxOptions must not change"),
        ("securityContext.seLinuxOptions.user", "x", "securityContext.seLinuxOptions must not change"),
        (
            "securityContext.windowsOptions.hostProcess",
            True,
            "securityContext.windowsOptions.hostProcess must not be true",
        ),
        ("securityContext.runAsNonRoot", ..., "containers[0].securityContext.runAsNonRoot must be true, here or"),
        ("securityContext.seccompProfile", ..., "containers[0].securityContext.seccompProfile.type must be Runtime"),
        (
            f"{STANDARD_BOX}.securityContext.runAsNonRoot",
            False,
            "containers[0].securityContext.runAsNonRoot must be true",
        ),
        (
            f"{STANDARD_BOX}.securityContext.privileged",
            True,
            "containers[0].securityContext.privileged must not be true",
        ),
        (f"{STANDARD_BOX}.securityContext.allowPrivilegeEscalation", ..., "allowPrivilegeEscalation must be false"),
        (f"{STANDARD_BOX}.securityContext.capabilities.drop", ["KILL"], "capabilities.drop must have ALL"),
        (f"{STANDARD_BOX}.securityContext.capabilities.add", ["SYS_TIME"], "capabilities.add must have nothing but"),
        (
            f"{STANDARD_BOX}.securityContext.procMount",
            "Unmasked",
            "containers[0].securityContext.procMount must be Default",
        ),
        (
            f"{STANDARD_BOX}.ports",
            [{"containerPort": 1, "hostPort": 1}],
            "containers[0].ports[0].hostPort must not be set",
        ),
        (
            f"{STANDARD_BOX}.livenessProbe.tcpSocket.host",
            "1.1.1.1",
            "containers[0].livenessProbe.tcpSocket.host must not be",
        ),
        (
            f"{STANDARD_BOX}.lifecycle.preStop.httpGet.host",
            "1.1.1.1",
            "containers[0].lifecycle.preStop.httpGet.host must not",
        ),
        ("initContainers", [{}], "initContainers[0].securityContext.allowPrivilegeEscalation must be false"),
        ("ephemeralContainers", [{}], "ephemeralContainers[0].securityContext.capabilities.drop must have ALL"),
    ],
)
def test_each_rule_of_the_standard(path: str, value: object, violation: str) -> None:
    found = restricted_violations(changed(minimal(), path, value))
    assert any(violation in item for item in found), found


# ---- images with a digest ----

DIGEST = f"@sha256:{'0' * 64}"


def pinned(image: str, group: str) -> str:
    """What is said of a Deployment where one container of a group has that image."""
    made = deployment()
    spec = made["spec"]["template"]["spec"]
    for one in (*spec["initContainers"], *spec["containers"]):
        one["image"] += DIGEST
    spec[group][0]["image"] = image
    try:
        admit([made], prefix=PREFIX, namespace="delft", pinned=True)
    except TemplateError as error:
        return error.message
    return ""


@pytest.mark.parametrize("group", ["containers", "initContainers"])
@pytest.mark.parametrize(
    "image",
    [
        "ghcr.example/web:1.0",
        "web",
        "web@sha256:0",
        f"web@sha512:{'0' * 64}",
        f"web@sha256:{'G' * 64}",
        f" web{DIGEST}",
        1,
    ],
)
def test_where_the_store_asks_for_digests_each_image_of_a_template_has_one(image: str, group: str) -> None:
    said = pinned(image, group)
    assert f"spec.template.spec.{group}[0].image must be an image with its digest" in said


@pytest.mark.parametrize("group", ["containers", "initContainers"])
def test_an_image_with_a_digest_is_let_in(group: str) -> None:
    assert pinned(f"ghcr.example/web{DIGEST}", group) == ""
    assert pinned(f"ghcr.example:5000/web:1.0{DIGEST}", group) == ""
