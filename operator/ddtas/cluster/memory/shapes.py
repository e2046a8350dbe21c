"""What a pod is made of, as one digest: of the template that asks for it, and of the pod that came of it, the same.

What the API server fills in, and what says where a pod runs, is not part of it. A container more, another image or
mount, or a namespace that is shared with the node, is.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

_SHARED = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace")
_OF_CONTAINER = ("name", "image", "command", "args", "env", "envFrom", "workingDir", "lifecycle", "restartPolicy")
_DEFAULTS = ("defaultMode", "sizeLimit")


def shape(spec: Mapping[str, Any]) -> str:
    """The digest of a pod's spec; "" of what is no spec."""
    if not spec.get("containers"):
        return ""
    try:
        parts = {
            "init": [_container(c) for c in spec.get("initContainers") or ()],
            "main": [_container(c) for c in spec.get("containers") or ()],
            "later": [c.get("name") for c in spec.get("ephemeralContainers") or ()],
            "volumes": sorted((_volume(v) for v in spec.get("volumes") or ()), key=lambda v: str(v["name"])),
            "shared": [name for name in _SHARED if spec.get(name)],
        }
        text = json.dumps(parts, sort_keys=True)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return ""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]


def _container(container: Mapping[str, Any]) -> dict[str, Any]:
    mounts = [
        [m["mountPath"], m["name"], bool(m.get("readOnly")), m.get("subPath", ""), m.get("mountPropagation", "")]
        for m in container.get("volumeMounts") or ()
    ]
    kept = {name: container[name] for name in _OF_CONTAINER if container.get(name)}
    return kept | {"mounts": sorted(mounts), "privileged": _privileged(container.get("securityContext") or {})}


def _privileged(context: Mapping[str, Any]) -> list[Any]:
    capabilities = context.get("capabilities") or {}
    return [
        bool(context.get("privileged")),
        context.get("allowPrivilegeEscalation", True),
        capabilities.get("add") or [],
        (context.get("seccompProfile") or {}).get("type", ""),
    ]


def _volume(volume: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the API server fills in."""
    made: dict[str, Any] = {"name": volume["name"]}
    for kind, source in volume.items():
        if kind != "name":
            made[kind] = {k: v for k, v in source.items() if k not in _DEFAULTS} if isinstance(source, dict) else source
    return made
