"""Is what is there what we want? Answered from the fields that our field manager owns, and no others.

The API server records in `metadata.managedFields` which fields each manager applied (the fieldsV1 format of
structured-merge-diff: `f:NAME` a field, `k:{…}` a list item by its keys, `v:…` a set's member, `.` the thing itself).
An object's owned part has the same digest as the manifest that we applied, unless someone changed or took a field.
"""

import json
from typing import Any

from ddtas.names import ANNOTATION_APPLIED, FIELD_MANAGER
from ddtas.plan.revision import digest


def marked(manifest: dict[str, Any], asked: str) -> dict[str, Any]:
    """A manifest with the digest of what it asks for: so an edit by hand can be told from news of ours."""
    metadata = manifest["metadata"]
    annotations = metadata.get("annotations", {}) | {ANNOTATION_APPLIED: asked}
    return manifest | {"metadata": metadata | {"annotations": annotations}}


def asked_digest(live: dict[str, Any]) -> str:
    """Digest of what was last asked for, as `marked` wrote it; "" where it did not."""
    asked = (live["metadata"].get("annotations") or {}).get(ANNOTATION_APPLIED)
    return asked if isinstance(asked, str) else ""


def owned_digest(live: dict[str, Any]) -> str:
    """Digest of the part of a live object that our field manager applied; "" when it applied nothing.

    It is that of the manifest (`plan.diff.desired_digest`): what `marked` added is left out.
    """
    owned = owned_part(live)
    return digest(_unmarked(owned))[:16] if owned is not None else ""


def owned_part(live: dict[str, Any]) -> dict[str, Any] | None:
    """The part of a live object that our field manager applied; None when it applied nothing."""
    for entry in live.get("metadata", {}).get("managedFields") or ():
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource"):
            owned = _project(live, entry.get("fieldsV1") or {})
            return owned if isinstance(owned, dict) else None
    return None


def _unmarked(owned: dict[str, Any]) -> dict[str, Any]:
    metadata = owned.get("metadata", {})
    if ANNOTATION_APPLIED not in metadata.get("annotations", {}):
        return owned
    annotations = {key: value for key, value in metadata["annotations"].items() if key != ANNOTATION_APPLIED}
    metadata = {key: value for key, value in metadata.items() if key != "annotations"}
    return owned | {"metadata": metadata | ({"annotations": annotations} if annotations else {})}


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
