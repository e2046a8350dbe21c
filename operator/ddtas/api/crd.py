"""pydantic models → CustomResourceDefinitions with structural schemas.

What differs between JSON Schema and a structural schema is put right here, in one walk: `$ref` is inlined,
`anyOf[X, null]` becomes an optional X, `const` a one-value enum, titles and defaults go. One default is there: that of
a status which nobody has written yet.
Source: kubernetes.io, "Extend the Kubernetes API with CustomResourceDefinitions".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from ddtas.api.base import Resource
from ddtas.api.installation import Installation
from ddtas.api.listing import AppListing
from ddtas.api.platform import MunicipalityPlatform
from ddtas.names import GROUP, VERSION
from ddtas.schema.model import SAYS, cel

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """The names of a kind, and the columns of `kubectl get`."""

    model: type[Resource]
    plural: str
    short_name: str
    scope: str
    columns: tuple[JsonObject, ...]
    selectable: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The kind's name: that of its model."""
        return self.model.__name__


def _column(name: str, path: str, kind: str = "string", **more: Any) -> JsonObject:
    return {"name": name, "type": kind, "jsonPath": path, **more}


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


_AGE = _column("Age", ".metadata.creationTimestamp", "date")
_READY = _column("Ready", _condition("Ready", "status"))
_REASON = _column("Reason", _condition("Ready", "reason"))
_MESSAGE = _column("Message", _condition("Ready", "message"), priority=1)

KINDS: tuple[Kind, ...] = (
    Kind(
        AppListing,
        "applistings",
        "listing",
        "Cluster",
        (
            _READY,
            _REASON,
            _column("Title", ".spec.title"),
            _column("Category", ".spec.category"),
            _column("Versions", ".spec.versions[*].version", priority=1),
            _MESSAGE,
            _AGE,
        ),
    ),
    Kind(
        MunicipalityPlatform,
        "municipalityplatforms",
        "oup",
        "Namespaced",
        (
            _READY,
            _REASON,
            _column("Municipality", ".spec.municipality.name"),
            _column("Sources", ".status.sources"),
            _column("Conformant", ".status.conformant"),
            _column("Apps", ".status.apps"),
            _MESSAGE,
            _AGE,
        ),
    ),
    Kind(
        Installation,
        "installations",
        "inst",
        "Namespaced",
        (
            _READY,
            _REASON,
            _column("Listing", ".spec.listing"),
            _column("Version", ".status.version"),
            _column("Progress", ".status.progress"),
            _column("URL", ".status.url", priority=1),
            _MESSAGE,
            _AGE,
        ),
        (".spec.listing", ".spec.platform"),
    ),
)

# Whoever waits by kstatus (helm, Flux) takes an object without a status for one that is done. Of this one it sees that
# its generation was not observed.
_NOT_OBSERVED: JsonObject = {"observedGeneration": -1}
_DROPPED = frozenset({"title", "default", "additionalProperties", "$defs"})


def joined_lines(docstring: str) -> str:
    """A docstring without the line breaks that only keep the source narrow."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in docstring.split("\n\n"))


def _structural(schema: JsonObject, definitions: JsonObject, *, says: bool) -> JsonObject:
    def inner(part: JsonObject) -> JsonObject:
        return _structural(part, definitions, says=says)

    if "$ref" in schema:
        target = definitions[schema["$ref"].rsplit("/", 1)[-1]]
        # What stands beside a reference (a description) is said of this use, so it wins.
        return inner({**target, **{k: v for k, v in schema.items() if k != "$ref"}})
    if "anyOf" in schema:
        (only,) = [option for option in schema["anyOf"] if option.get("type") != "null"]
        return inner({**only, **{k: v for k, v in schema.items() if k != "anyOf"}})
    result = {key: value for key, value in schema.items() if key not in _DROPPED}
    if "description" in result:
        result["description"] = joined_lines(result["description"])
    what = result.pop(SAYS, None)
    if says and what is not None:  # a pattern has no message of its own; a rule does
        result |= cel((f"self.matches(r'{result.pop('pattern')}')", what))
    if "const" in result:
        result["enum"] = [result.pop("const")]
    if "enum" in result:
        result["enum"] = sorted(result["enum"])
    if "properties" in result:
        result["properties"] = {k: inner(v) for k, v in result["properties"].items()}
    if "items" in result:
        result["items"] = inner(result["items"])
    for tuple_keyword in ("prefixItems", "oneOf", "allOf"):
        if tuple_keyword in result:
            raise TypeError(f"{tuple_keyword} has no structural form: {schema}")
    return result


def _schema(kind: Kind) -> JsonObject:
    raw = kind.model.model_json_schema(by_alias=True)
    definitions = raw.get("$defs", {})
    # A person writes the spec, the operator the status.
    schemas = {part: _structural(raw, definitions, says=part == "spec") for part in ("spec", "status")}
    properties = {part: schema["properties"][part] for part, schema in schemas.items()}
    properties["status"]["default"] = _NOT_OBSERVED
    result: JsonObject = {
        "type": "object",
        "description": joined_lines(raw["description"]),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"The version of this schema: {GROUP}/{VERSION}."},
            "kind": {"type": "string", "description": f"The kind of the object: {kind.name}."},
            "metadata": {"type": "object"},  # which the API server describes, and allows nobody else to
        }
        | properties,
    }
    return result | _name_rule(kind.model)


def _name_rule(model: type[Resource]) -> JsonObject:
    """A bound on the name of a new object. One that is there already must still be able to get a status."""
    right = f"size(self.metadata.name) <= {model.longest_name} && !self.metadata.name.contains('.')"
    rules = cel((f"oldSelf.hasValue() || {right}", model.about_names()))
    rules["x-kubernetes-validations"][0]["optionalOldSelf"] = True
    return rules


def crd(kind: Kind) -> JsonObject:
    """The CustomResourceDefinition of a kind."""
    lower = kind.name.lower()
    version: JsonObject = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _schema(kind)},
        "subresources": {"status": {}},
        "additionalPrinterColumns": list(kind.columns),
    }
    if kind.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": kind.scope,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": lower,
                "shortNames": [kind.short_name],
                "categories": ["ddtas"],
            },
            "versions": [version],
        },
    }


def undescribed() -> list[str]:
    """The fields of all kinds that `kubectl explain` would say too little of, each with what it lacks."""
    return [
        fault
        for kind in KINDS
        for part, schema in _schema(kind)["properties"].items()
        if part != "metadata"
        for fault in _undescribed({"properties": {part: schema}, "required": [part]}, kind.name)
    ]


def _undescribed(schema: JsonObject, path: str) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        where, text = f"{path}.{name}", field.get("description", "")
        if not text:
            yield f"{where} has no description: write a docstring under the field"
        elif name not in schema.get("required", ()) and "Absent" not in text:
            yield f'{where} may be left out: end its docstring with "Absent: " and what that means'
        yield from _undescribed(field, where)
        yield from _undescribed(field.get("items", {}), f"{where}[]")


class _Dumper(yaml.SafeDumper):
    """Writes each value out: anchors are legal YAML, but no reviewer likes them."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def files() -> dict[str, str]:
    """File name → content of each generated CRD."""
    return {
        f"{GROUP}_{kind.plural}.yaml": "# Generated by `python -m ddtas crds --write`. Do not edit.\n"
        + yaml.dump(crd(kind), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
        for kind in KINDS
    }
