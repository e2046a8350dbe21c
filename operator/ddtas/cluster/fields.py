"""Is what is there what we want? Answered from the fields that our field manager owns, and no others.

The API server records in `metadata.managedFields` which fields each manager applied (the fieldsV1 format of
structured-merge-diff: `f:NAME` a field, `k:{…}` a list item by its keys, `v:…` a set's member, `.` the thing itself).
An object's owned part has the same digest as the manifest that we applied, unless someone changed or took a field.
"""

import json
from typing import Any

from ddtas.names import FIELD_MANAGER
from ddtas.plan.revision import digest

_IDENTITY = ("apiVersion", "kind")
_NAMES = ("name", "namespace")


def desired_digest(manifest: dict[str, Any]) -> str:
    """Digest of what a manifest asks for."""
    body = {key: value for key, value in manifest.items() if key not in _IDENTITY}
    body["metadata"] = {key: value for key, value in manifest["metadata"].items() if key not in _NAMES}
    return digest(body)[:16]


def owned_digest(live: dict[str, Any]) -> str:
    """Digest of the part of a live object that our field manager applied; "" when it applied nothing."""
    for entry in live.get("metadata", {}).get("managedFields", ()):
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource"):
            return digest(_project(live, entry.get("fieldsV1", {})))[:16]
    return ""


def _project(value: Any, fields: dict[str, Any]) -> Any:
    """The part of `value` that `fields` names."""
    names = [name for name in fields if name != "."]
    if not names:
        return value
    if isinstance(value, dict):
        return {
            name[2:]: _project(value[name[2:]], fields[name])
            for name in names
            if name.startswith("f:") and name[2:] in value
        }
    if isinstance(value, list):
        keyed = [(json.loads(name[2:]), fields[name]) for name in names if name.startswith("k:")]
        members = [json.loads(name[2:]) for name in names if name.startswith("v:")]
        result = []
        for item in value:
            if item in members:
                result.append(item)
            result += [
                _project(item, sub) for keys, sub in keyed if isinstance(item, dict) and keys.items() <= item.items()
            ]
        return result
    return value
