"""Pod Security "restricted": https://kubernetes.io/docs/concepts/security/pod-security-standards/."""

from collections.abc import Iterator, Mapping
from typing import Any

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
    violations = [f"{field} must not be true" for field in ("hostNetwork", "hostPID", "hostIPC") if pod_spec.get(field)]
    for index, volume in enumerate(pod_spec.get("volumes") or []):
        violations += [
            f"volumes[{index}].{kind} is not an allowed type of volume"
            for kind in volume
            if kind not in _VOLUME_TYPES | {"name"}
        ]
    if pod_security.get("sysctls"):
        violations.append("securityContext.sysctls must not be set")
    violations += _context_violations(pod_security, "securityContext")
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(pod_spec.get(group) or []):
            violations += _container_violations(container, pod_security, f"{group}[{index}]")
    return violations


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
