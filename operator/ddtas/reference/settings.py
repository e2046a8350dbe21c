"""The page of settings."""

from typing import Any

from ddtas.reference.markdown import code, page, table
from ddtas.settings import CHART_VALUE, Settings

_ABOUT = """
Environment variables, which are read once at the start. Lists are separated by commas. The chart sets those that have a
chart value. Outside a pod the operator uses `KUBECONFIG`, or `~/.kube/config`.
"""


def text() -> str:
    """The page."""
    schema = Settings.model_json_schema()["properties"]
    rows = [
        (
            code(f"DDTAS_{name.upper()}"),
            code(_default(field.default)),
            _values(schema[name]),
            code(schema[name].get(CHART_VALUE, "")),
            " ".join(str(field.description).split()),
        )
        for name, field in Settings.model_fields.items()
    ]
    head = ("variable", "default", "values", "chart value", "meaning")
    return "\n".join([*page("Settings", _ABOUT), *table(head, rows)]) + "\n"


def _default(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _values(schema: dict[str, Any]) -> str:
    """What a value may be, in words."""
    match schema:
        case {"enum": options}:
            return ", ".join(map(code, options))
        case {"type": "array", "items": {"anyOf": _}}:
            return "ranges of addresses"
        case {"type": "array"}:
            return "names"
        case {"type": "boolean"}:
            return "`true`, `false`"
        case {"minimum": least, "maximum": most}:
            return f"{least} to {most}"
        case {"minimum": least}:
            return f"at least {least:g}"
        case {"exclusiveMinimum": bound}:
            return f"more than {bound:g}"
    return "text"
