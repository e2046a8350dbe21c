"""What an app's templates may put into a city's namespace: an allow-list, field by field.

- Kinds: ConfigMap, Service (ClusterIP), Deployment. Every name begins with the revision's prefix.
- One label, `app`, with a value that begins with the prefix: it is what Deployments and Services select by. So no
  Service takes traffic meant for another app, and no pod gets any. The operator adds its own labels afterwards.
- Pods keep to Pod Security "restricted", and to more: no Secret, no service account token, no ConfigMap of another
  app, nothing about where the pod runs; and every container says what processor and memory it needs.

The rules are data: `_kinds` below reads as the list of what is allowed. A field that is not in it is refused, so that
what Kubernetes adds later has to be allowed on purpose.

Source of `restricted_violations`: https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from ddtas.errors import TemplateError

SHOWN_VIOLATIONS = 3

# What is allowed in one place: says how a value violates it; the second argument is where that is.
Allowed = Callable[[object, str], Iterator[str]]


def admit(
    objects: Sequence[dict[str, Any]],
    *,
    prefix: str,
    namespace: str,
    taken: Collection[tuple[str, str]] = (),
    pinned: bool = False,
) -> list[dict[str, Any]]:
    """The same objects, once each has proved to be one that an app may have.

    Args:
        objects: as rendered by `ddtas.plan.children.template`.
        prefix: what each name begins with, followed by a hyphen.
        namespace: the only one that the objects may name; they need not.
        taken: (kind, name) of the children that the operator makes itself.
        pinned: the store asks for images with a digest.

    Raises:
        TemplateError: TemplateForbidden, with the first three violations.
    """
    kinds = _kinds(prefix, namespace, pinned)
    seen = set(taken)
    violations: list[str] = []
    for item in objects:
        kind, name = identity = _identity(item)
        found = _violations(item, kinds)
        if identity in seen:
            found.append("another object has this kind and name: choose another name")
        seen.add(identity)
        violations += [f"{_short(kind)} {_short(name)}: {violation}" for violation in found]
    if violations:
        more = f"; and {len(violations) - SHOWN_VIOLATIONS} more" if len(violations) > SHOWN_VIOLATIONS else ""
        raise TemplateError("TemplateForbidden", "; ".join(violations[:SHOWN_VIOLATIONS]) + more)
    return list(objects)


def _identity(item: Mapping[str, Any]) -> tuple[str, str]:
    """Kind and name, whatever else is wrong with the object."""
    metadata = item.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return str(item.get("kind") or "object"), str(name or "without a name")


def _violations(item: Mapping[str, Any], kinds: Mapping[tuple[str, str], Allowed]) -> list[str]:
    check = kinds.get((str(item.get("apiVersion")), str(item.get("kind"))))
    if check is None:
        allowed = ", ".join(f"{kind} ({version})" for version, kind in kinds)
        return [f"kind {_short(item.get('kind'))} ({_short(item.get('apiVersion'))}) is not allowed: use {allowed}"]
    found = list(check(item, ""))
    if not found and item["kind"] == "Deployment":  # only now is each value of the type that it should be
        found = [
            f"spec.template.spec.{violation}" for violation in restricted_violations(item["spec"]["template"]["spec"])
        ]
        found += _selector_violations(item)
    return found


def _selector_violations(deployment: Mapping[str, Any]) -> list[str]:
    """A Deployment selects the pods that it makes."""
    spec = deployment["spec"]
    if spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]:
        return []
    return ["spec.selector.matchLabels must equal spec.template.metadata.labels"]


# ---- the checks ----


def _short(value: object) -> str:
    """A piece of hostile input, made fit for a status message."""
    text = "".join(character if character.isprintable() else "?" for character in str(value))
    return text if len(text) <= 63 else text[:62] + "…"


def _fields(required: Mapping[str, Allowed], optional: Mapping[str, Allowed] | None = None) -> Allowed:
    """A mapping with these fields and no other."""
    known = {**required, **(optional or {})}

    def check(value: object, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{path or 'it'} must be a mapping"
            return
        inside = f"{path}." if path else ""
        for name, item in value.items():
            if name in known:
                yield from known[name](item, inside + name)
            else:
                yield f"{inside}{_short(name)} is not allowed in an app: remove it"
        for name in required:
            if name not in value:
                yield f"{inside}{name} is missing"

    return check


def _list(of: Allowed) -> Allowed:
    def check(value: object, path: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{path} must be a list"
            return
        for index, item in enumerate(value):
            yield from of(item, f"{path}[{index}]")

    return check


def _map(key: Callable[[str], bool], value: Allowed, advice: str) -> Allowed:
    """A mapping with free keys, of which `key` says whether they are allowed."""

    def check(mapping: object, path: str) -> Iterator[str]:
        if not isinstance(mapping, dict):
            yield f"{path} must be a mapping"
            return
        for name, item in mapping.items():
            if key(name):
                yield from value(item, f"{path}[{_short(name)}]")
            else:
                yield f"{path}[{_short(name)}] is not allowed in an app: {advice}"

    return check


def _value(valid: Callable[[Any], bool], what: str) -> Allowed:
    def check(value: object, path: str) -> Iterator[str]:
        if not valid(value):
            yield f"{path} must be {what}"

    return check


def _one_of(*allowed: object) -> Allowed:
    """One of these values. True is not 1 here, as it is in Python."""
    names = " or ".join(str(item).lower() if isinstance(item, bool) else f"{item}" for item in allowed)
    return _value(lambda value: any(value == item and type(value) is type(item) for item in allowed), names)


def _integer(low: int, high: int) -> Allowed:
    return _value(lambda value: type(value) is int and low <= value <= high, f"a whole number from {low} to {high}")


_TEXT = _value(lambda value: isinstance(value, str), "a text: write {{ … | tojson }}")
_FLAG = _value(lambda value: isinstance(value, bool), "true or false")
_SECONDS = _integer(0, 3600)
_ID = _integer(1, 2**31 - 1)
_PORT = _integer(1, 65535)
_PORT_OR_NAME = _value(
    lambda value: (type(value) is int and 1 <= value <= 65535) or isinstance(value, str), "a port or the name of one"
)
_NUMBER_OR_PERCENTAGE = _value(
    lambda value: type(value) in (int, str) and re.fullmatch(r"[0-9]+%?", str(value)) is not None,
    "a number or a percentage",
)
_QUANTITY = _value(
    lambda value: (
        type(value) in (int, float, str)
        and re.fullmatch(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?", str(value)) is not None
    ),
    "a quantity, such as 500m or 128Mi",
)
_PINNED_IMAGE = _value(
    lambda value: isinstance(value, str) and re.fullmatch(r"[^\s@]+@sha256:[a-f0-9]{64}", value) is not None,
    "an image with its digest (…@sha256:…): the store asks for it",
)
_DNS_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"

# Annotations steer controllers: a DNS record, an ingress, an injected sidecar. Only these are harmless.
_ANNOTATIONS = frozenset(f"prometheus.io/{name}" for name in ("scrape", "port", "path", "scheme"))


def _kinds(prefix: str, namespace: str, pinned: bool) -> dict[tuple[str, str], Allowed]:
    """All that is allowed: for each (apiVersion, kind), its fields."""
    own = _value(
        lambda value: (
            isinstance(value, str)
            and len(value) <= 63
            and value.startswith(f"{prefix}-")
            and re.fullmatch(_DNS_LABEL, value) is not None
        ),
        f"a name that begins with {prefix}- (write {{{{ prefix }}}}-…), of at most 63 lower-case letters, digits and -",
    )
    labels = _map(lambda key: key == "app", own, "the only label is app")
    annotations = _map(
        lambda key: "/" not in key or key in _ANNOTATIONS, _TEXT, "only prometheus.io/… and keys without a domain are"
    )
    metadata = _fields({"name": own}, {"labels": labels, "annotations": annotations, "namespace": _one_of(namespace)})
    selector = _fields({"app": own})
    head: dict[str, Allowed] = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": metadata}
    pod = _fields(
        {
            "metadata": _fields({"labels": selector}, {"annotations": annotations}),
            "spec": _pod(own, _PINNED_IMAGE if pinned else _TEXT),
        },
    )
    return {
        ("v1", "ConfigMap"): _fields(head, {"data": _map(lambda _: True, _TEXT, ""), "immutable": _FLAG}),
        ("v1", "Service"): _fields({**head, "spec": _service(selector)}),
        ("apps/v1", "Deployment"): _fields(
            {
                **head,
                "spec": _fields(
                    {"selector": _fields({"matchLabels": selector}), "template": pod},
                    {
                        "replicas": _integer(0, 10),
                        "strategy": _fields(
                            {"type": _one_of("RollingUpdate", "Recreate")},
                            {
                                "rollingUpdate": _fields(
                                    {}, {"maxSurge": _NUMBER_OR_PERCENTAGE, "maxUnavailable": _NUMBER_OR_PERCENTAGE}
                                )
                            },
                        ),
                        "minReadySeconds": _SECONDS,
                        "progressDeadlineSeconds": _SECONDS,
                        "revisionHistoryLimit": _integer(0, 10),
                    },
                ),
            }
        ),
    }


def _service(selector: Allowed) -> Allowed:
    port = _fields(
        {"port": _PORT},
        {"name": _TEXT, "targetPort": _PORT_OR_NAME, "protocol": _one_of("TCP", "UDP"), "appProtocol": _TEXT},
    )
    return _fields(
        {"selector": selector, "ports": _list(port)},
        {"type": _one_of("ClusterIP"), "clusterIP": _one_of("None")},
    )


def _pod(own: Allowed, image: Allowed) -> Allowed:
    volume = _fields(
        {"name": _TEXT},
        {
            "configMap": _fields(
                {"name": own},
                {
                    "items": _list(_fields({"key": _TEXT, "path": _TEXT}, {"mode": _integer(0, 0o777)})),
                    "defaultMode": _integer(0, 0o777),
                    "optional": _FLAG,
                },
            ),
            "emptyDir": _fields({}, {"sizeLimit": _QUANTITY, "medium": _one_of("", "Memory")}),
        },
    )
    security = {
        "runAsNonRoot": _one_of(True),
        "runAsUser": _ID,
        "runAsGroup": _ID,
        "seccompProfile": _fields({"type": _one_of("RuntimeDefault")}),
    }
    containers = _list(_container(own, security, image))
    return _fields(
        {"containers": containers, "automountServiceAccountToken": _one_of(False)},
        {
            "initContainers": containers,
            "volumes": _list(volume),
            "securityContext": _fields(
                {},
                {
                    **security,
                    "fsGroup": _ID,
                    "fsGroupChangePolicy": _one_of("OnRootMismatch", "Always"),
                    "supplementalGroups": _list(_ID),
                },
            ),
            "restartPolicy": _one_of("Always"),
            "terminationGracePeriodSeconds": _SECONDS,
            "enableServiceLinks": _FLAG,
        },
    )


def _container(own: Allowed, security: Mapping[str, Allowed], image: Allowed) -> Allowed:
    reference = {"name": own}
    env = _fields(
        {"name": _TEXT},
        {
            "value": _TEXT,
            "valueFrom": _fields(
                {},
                {
                    "configMapKeyRef": _fields({**reference, "key": _TEXT}, {"optional": _FLAG}),
                    "fieldRef": _fields(
                        {"fieldPath": _one_of("metadata.name", "metadata.namespace", "status.podIP")},
                        {"apiVersion": _one_of("v1")},
                    ),
                },
            ),
        },
    )
    env_from = _fields({"configMapRef": _fields(reference, {"optional": _FLAG})}, {"prefix": _TEXT})
    amounts = _fields({"cpu": _QUANTITY, "memory": _QUANTITY}, {"ephemeral-storage": _QUANTITY})
    probe = _probe()
    return _fields(
        {
            "name": _TEXT,
            "image": image,
            "resources": _fields({"requests": amounts, "limits": amounts}),
            "securityContext": _fields(
                {
                    "allowPrivilegeEscalation": _one_of(False),
                    "capabilities": _fields({"drop": _list(_TEXT)}),
                },
                {**security, "privileged": _one_of(False), "readOnlyRootFilesystem": _FLAG},
            ),
        },
        {
            "command": _list(_TEXT),
            "args": _list(_TEXT),
            "workingDir": _TEXT,
            "imagePullPolicy": _one_of("Always", "IfNotPresent"),
            "env": _list(env),
            "envFrom": _list(env_from),
            "ports": _list(
                _fields({"containerPort": _PORT}, {"name": _TEXT, "protocol": _one_of("TCP", "UDP")}),
            ),
            "volumeMounts": _list(
                _fields({"name": _TEXT, "mountPath": _TEXT}, {"subPath": _TEXT, "readOnly": _FLAG}),
            ),
            "livenessProbe": probe,
            "readinessProbe": probe,
            "startupProbe": probe,
        },
    )


def _probe() -> Allowed:
    http = _fields({"port": _PORT_OR_NAME}, {"path": _TEXT, "scheme": _one_of("HTTP", "HTTPS")})
    return _fields(
        {},
        {
            "httpGet": http,
            "tcpSocket": _fields({"port": _PORT_OR_NAME}),
            "grpc": _fields({"port": _PORT}, {"service": _TEXT}),
            "exec": _fields({"command": _list(_TEXT)}),
            "initialDelaySeconds": _SECONDS,
            "periodSeconds": _SECONDS,
            "timeoutSeconds": _SECONDS,
            "successThreshold": _integer(1, 100),
            "failureThreshold": _integer(1, 1000),
        },
    )


# ---- Pod Security "restricted" ----

_VOLUME_TYPES = frozenset(
    ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret")
)
_SELINUX_TYPES = frozenset(("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"))
_HOOKS = ("livenessProbe", "readinessProbe", "startupProbe")


def restricted_violations(pod_spec: Mapping[str, Any]) -> list[str]:
    """Why Pod Security "restricted" would refuse this (well-formed) pod spec; empty where it would not.

    It is the standard (less its list of safe sysctls: none is needed), and no more: Secret volumes, for one, are fine
    with it. For an app's templates `admit` adds to it; for the operator's own pods, tests use it as it is.

    Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/ (Baseline and Restricted, Linux).
    """
    pod_security = pod_spec.get("securityContext") or {}
    found = [f"{field} must not be true" for field in ("hostNetwork", "hostPID", "hostIPC") if pod_spec.get(field)]
    for index, volume in enumerate(pod_spec.get("volumes") or []):
        found += [
            f"volumes[{index}].{kind} is not an allowed type of volume"
            for kind in volume
            if kind not in _VOLUME_TYPES | {"name"}
        ]
    if pod_security.get("sysctls"):
        found.append("securityContext.sysctls must not be set")
    found += _context_violations(pod_security, "securityContext")
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(pod_spec.get(group) or []):
            found += _container_violations(container, pod_security, f"{group}[{index}]")
    return found


def _context_violations(security: Mapping[str, Any], path: str) -> Iterator[str]:
    """What the security contexts of pods and of containers have in common."""
    if security.get("runAsUser") == 0:
        yield f"{path}.runAsUser must not be 0"
    if security.get("runAsNonRoot") is False:
        yield f"{path}.runAsNonRoot must be true"
    for profile in ("seccompProfile", "appArmorProfile"):
        if security.get(profile) is not None and security[profile].get("type") not in ("RuntimeDefault", "Localhost"):
            yield f"{path}.{profile}.type must be RuntimeDefault"
    selinux = security.get("seLinuxOptions") or {}
    if selinux.get("type", "") not in _SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield f"{path}.seLinuxOptions must not change the user, the role or the type"
    if (security.get("windowsOptions") or {}).get("hostProcess"):
        yield f"{path}.windowsOptions.hostProcess must not be true"


def _container_violations(container: Mapping[str, Any], pod_security: Mapping[str, Any], path: str) -> Iterator[str]:
    security = container.get("securityContext") or {}
    capabilities = security.get("capabilities") or {}
    yield from _context_violations(security, f"{path}.securityContext")
    if security.get("privileged"):
        yield f"{path}.securityContext.privileged must not be true"
    if security.get("allowPrivilegeEscalation") is not False:
        yield f"{path}.securityContext.allowPrivilegeEscalation must be false"
    if "ALL" not in (capabilities.get("drop") or []):
        yield f"{path}.securityContext.capabilities.drop must have ALL"
    if set(capabilities.get("add") or []) - {"NET_BIND_SERVICE"}:
        yield f"{path}.securityContext.capabilities.add must have nothing but NET_BIND_SERVICE"
    if security.get("procMount", "Default") != "Default":
        yield f"{path}.securityContext.procMount must be Default"
    if security.get("runAsNonRoot") is None and pod_security.get("runAsNonRoot") is not True:
        yield f"{path}.securityContext.runAsNonRoot must be true, here or for the pod"
    if not (security.get("seccompProfile") or pod_security.get("seccompProfile")):
        yield f"{path}.securityContext.seccompProfile.type must be RuntimeDefault, here or for the pod"
    for index, port in enumerate(container.get("ports") or []):
        if port.get("hostPort"):
            yield f"{path}.ports[{index}].hostPort must not be set"
    yield from _host_violations(container, path)


def _host_violations(container: Mapping[str, Any], path: str) -> Iterator[str]:
    """A probe or hook with a host of its own has the kubelet, which sits on the node, call any address."""
    lifecycle = container.get("lifecycle") or {}
    hooks = {name: container.get(name) for name in _HOOKS}
    hooks |= {f"lifecycle.{name}": hook for name, hook in lifecycle.items() if name in ("postStart", "preStop")}
    for name, hook in hooks.items():
        for action in ("httpGet", "tcpSocket"):
            if ((hook or {}).get(action) or {}).get("host"):
                yield f"{path}.{name}.{action}.host must not be set"
