"""A page for each kind: its fields, by type, as `kubectl explain` has them by path."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ddtas.api.crd import Kind, joined_lines
from ddtas.names import GROUP, VERSION
from ddtas.reference.markdown import code, page, table
from ddtas.schema.model import SAYS

Schema = dict[str, Any]


@dataclass
class _Type:
    """An object type of a kind, and the paths of the fields that have it."""

    schema: Schema
    paths: list[str] = field(default_factory=list)


def text(kind: Kind) -> str:
    """The page of a kind."""
    schema = kind.model.model_json_schema(by_alias=True)
    definitions = schema["$defs"]
    types: dict[str, _Type] = {}
    for part in ("spec", "status"):
        _collect(schema["properties"][part], part, definitions, types)
    lines = page(
        kind.name,
        f"{joined_lines(schema['description'])}\n\n"
        f"`apiVersion: {GROUP}/{VERSION}`, `kind: {kind.name}`. Scope: {kind.scope}. Short name: `{kind.short_name}`. "
        f"{kind.model.about_names()}.",
    )
    for name, type_ in types.items():
        lines += _section(name, type_, definitions)
    return "\n".join(lines).rstrip() + "\n"


def _collect(schema: Schema, path: str, definitions: Schema, types: dict[str, _Type]) -> None:
    """Add the object type of a field, and those of the fields in it, in the order in which a reader meets them."""
    plain = _plain(schema)
    if plain.get("type") == "array":
        _collect(plain["items"], f"{path}[]", definitions, types)
        return
    name = _reference(plain)
    if name is None or "properties" not in definitions[name]:
        return
    new = name not in types
    type_ = types.setdefault(name, _Type(definitions[name]))
    type_.paths.append(path)
    if new or len(type_.paths) <= _MOST_PATHS:
        for child, child_schema in definitions[name]["properties"].items():
            _collect(child_schema, f"{path}.{child}", definitions, types)


_MOST_PATHS = 4  # that a section names; a reader who has seen these knows how the others go


def _section(name: str, type_: _Type, definitions: Schema) -> Iterator[str]:
    schema = type_.schema
    yield from (f"## {name}", "", joined_lines(schema["description"]), "")
    paths = list(dict.fromkeys(type_.paths))
    more = ", and elsewhere" if len(paths) > _MOST_PATHS else ""
    yield from (f"At {', '.join(code(path) for path in paths[:_MOST_PATHS])}{more}.", "")
    required = schema.get("required", ())
    rows = [
        (code(child), _type(value, definitions), "yes" if child in required else "", _meaning(value, definitions))
        for child, value in schema["properties"].items()
    ]
    yield from (*table(("field", "type", "required", "meaning"), rows), "")
    rules = [rule["message"] for rule in schema.get("x-kubernetes-validations", ())]
    if rules:
        yield from ("Rules:", "", *(f"- {rule}" for rule in rules), "")


def _plain(schema: Schema) -> Schema:
    """The schema of a field without that it may be null."""
    options = [option for option in schema.get("anyOf", ()) if option.get("type") != "null"]
    return {**schema, **options[0]} if options else schema


def _reference(schema: Schema) -> str | None:
    target = schema.get("$ref")
    return None if target is None else str(target).rsplit("/", 1)[-1]


def _type(schema: Schema, definitions: Schema) -> str:
    """The type of a field with its bounds."""
    plain = _plain(schema)
    name = _reference(plain)
    if name is not None:
        target = definitions[name]
        return f"[{name}](#{name.lower()})" if "properties" in target else _type(target, definitions)
    match plain:
        case {"enum": options}:
            return ", ".join(map(code, options))
        case {"const": only}:
            return code(only)
        case {"type": "array", "items": items}:
            return f"list of {_bounds(plain, 'Items', 'entries')}: {_type(items, definitions)}"
        case {"type": "object"}:
            return f"map of {_bounds(plain, 'Properties', 'entries')}"
        case {"type": "string", "format": form}:
            return str(form)
        case {"type": "string"}:
            return f"string of {_bounds(plain, 'Length', 'characters')}"
        case {"type": "integer"}:
            least, most = plain.get("minimum"), plain.get("maximum")
            bounds = [f"from {least}"] * (least is not None) + [f"to {most}"] * (most is not None)
            return " ".join(["integer", *bounds])
    return str(plain["type"])


def _bounds(schema: Schema, what: str, unit: str) -> str:
    least, most = schema.get(f"min{what}", 0), schema[f"max{what}"]
    if least == most:
        return f"{most} {unit}"
    return f"{least} to {most} {unit}" if least else f"up to {most} {unit}"


def _meaning(schema: Schema, definitions: Schema) -> str:
    plain = _plain(schema)
    name, must = _reference(plain), plain.get(SAYS)
    # A field that is described as its type is has no description of its own.
    described = schema if "description" in schema or name is None else definitions[name]
    text = joined_lines(described["description"]).replace("\n\n", " ")
    if must is None:
        return text
    before, absent, after = text.partition(" Absent")
    return f"{before} It {must}.{absent}{after}"
