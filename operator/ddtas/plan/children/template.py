"""A listing's Jinja2 templates → Kubernetes objects. Templates are hostile input; the values put into them are data.

How an app builder writes a value:

- `{{ prefix }}`: bare, for a word (letters, digits and inner `.`, `_`, `/`, `-`) or a number, also as a part of a
  longer text: `name: {{ prefix }}-web`. Anything else is refused there, since it could change the YAML around it.
- `{{ value | tojson }}`: for any value, as one whole YAML value: `message: {{ parameters.message | tojson }}`.
  Twice, for JSON in a text: `settings.json: {{ {"depth": parameters.depth} | tojson | tojson }}`.

So a value stays a value, whatever is in it, and needs no check before. The YAML is the part of it that says the same
to everyone: the types of YAML 1.2 (`no` and `0644` are texts), no anchors, aliases or tags, no key twice.

This module limits what a template can reach. What it can use up (`9**9**9`, endless loops) is limited by the process
that runs it: see `ddtas.reconcile.sandbox`.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypedDict, cast

import yaml
from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, UndefinedError
from jinja2.exceptions import SecurityError, TemplateRuntimeError
from jinja2.filters import FILTERS
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range
from jinja2.utils import missing

from ddtas.errors import TemplateError

MAX_OBJECTS = 20
MAX_OUTPUT_BYTES = 64 * 1024
MAX_DEPTH = 32
MAX_MESSAGE = 400


class InstallationContext(TypedDict):
    """`installation` in a template."""

    name: str
    namespace: str


class MunicipalityContext(TypedDict):
    """`municipality` in a template."""

    name: str
    code: str


class BindingContext(TypedDict):
    """One value of `bindings` in a template; its key is the name of the data requirement."""

    source: str
    kind: str


class TemplateContext(TypedDict):
    """All that a template can read. It holds no secrets: those reach the pods as files."""

    prefix: str
    installation: InstallationContext
    municipality: MunicipalityContext
    revision: str
    parameters: Mapping[str, str | int | float | bool]
    bindings: Mapping[str, BindingContext]


class _Quoted(str):
    """JSON text, which is one whole YAML value."""

    __slots__ = ()


class _Undefined(StrictUndefined):
    """Says which names there are. A misspelt parameter is the most frequent mistake in a template."""

    def __init__(
        self,
        hint: str | None = None,
        obj: object = missing,
        name: str | None = None,
        exc: type[TemplateRuntimeError] = UndefinedError,
    ) -> None:
        super().__init__(hint or _what_there_is(obj, name), obj, name, exc)


def _what_there_is(owner: object, name: object) -> str:
    if owner is missing:
        names = [*TemplateContext.__annotations__, *_ENVIRONMENT.globals]
    elif isinstance(owner, Mapping):
        names = sorted(map(str, owner))
    else:
        return f"{name!r} is undefined: a value of type {type(owner).__name__} does not have it"
    return f"{name!r} is undefined; there is: {', '.join(names) or 'nothing'}"


_WORD = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?")


def _bare(value: object) -> object:
    """What `{{ value }}` writes."""
    if isinstance(value, _Quoted | Undefined):
        return value
    if isinstance(value, str):
        if _WORD.fullmatch(value):
            return value
        raise ValueError(f"{value!r} could change the YAML around it: write {{{{ … | tojson }}}}, as a whole value")
    if value is None or isinstance(value, bool | int | float):
        return _tojson(value)
    raise ValueError(f"a value of type {type(value).__name__} needs {{{{ … | tojson }}}}")


def _tojson(value: object) -> _Quoted:
    """JSON in ASCII, on one line. Jinja2's own filter escapes for HTML as well."""
    return _Quoted(json.dumps(value, allow_nan=False, default=_no_json))


def _no_json(value: object) -> str:
    if isinstance(value, Undefined):
        str(value)  # raises, and says which name is undefined
    raise ValueError(f"a value of type {type(value).__name__} has no JSON form")


# An allow-list: `attr`, `format`, `xmlattr`, … have each been a way out of the sandbox, or a way to exhaust memory.
# fmt: off
_FILTERS = (
    "abs", "default", "first", "float", "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min",
    "reject", "rejectattr", "replace", "round", "select", "selectattr", "sort", "string", "sum", "trim", "unique",
    "upper",
)
# fmt: on


def _environment() -> ImmutableSandboxedEnvironment:
    """No loader, so no include or import; no extension; one global."""
    environment = ImmutableSandboxedEnvironment(
        undefined=_Undefined,
        finalize=_bare,
        autoescape=False,  # HTML escapes are no protection in YAML; `_bare` and `tojson` are
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters = {name: FILTERS[name] for name in _FILTERS} | {"tojson": _tojson}
    environment.globals.clear()
    environment.globals["range"] = safe_range
    return environment


_ENVIRONMENT = _environment()


def render(templates: Sequence[tuple[str, str]], context: TemplateContext) -> list[dict[str, object]]:
    """The objects of all templates, in order. They still have to pass `ddtas.plan.children.admission`.

    Args:
        templates: name and Jinja2 source of each.
        context: JSON values only.

    Raises:
        TemplateError: TemplateForbidden where a template reaches for what the sandbox keeps from it; TemplateInvalid
            for all else. The message names the template and the line.
    """
    objects: list[dict[str, object]] = []
    room = MAX_OUTPUT_BYTES
    for name, source in templates:
        text = _fill(name, source, context, room)
        room -= len(text.encode())
        objects += _objects(name, text)
    if len(objects) > MAX_OBJECTS:
        raise TemplateError("TemplateInvalid", f"the templates make {len(objects)} objects, more than {MAX_OBJECTS}")
    return objects


def _fill(name: str, source: str, context: TemplateContext, room: int) -> str:
    """The template's text."""
    try:
        parts = []
        for part in _ENVIRONMENT.from_string(source).generate(cast("dict[str, object]", context)):
            room -= len(part.encode())
            if room < 0:
                raise ValueError(f"the templates make more than {MAX_OUTPUT_BYTES // 1024} KiB of text")
            parts.append(part)
        return "".join(parts)
    except SecurityError as error:
        raise _refused("TemplateForbidden", name, _line(error), str(error)) from error
    except MemoryError:
        raise  # the process is at its limit: for the sandbox to report
    except RecursionError as error:
        raise _refused("TemplateInvalid", name, _line(error), "nested too deeply") from error
    except Exception as error:  # hostile code can raise anything
        raise _refused("TemplateInvalid", name, _line(error), str(error) or type(error).__name__) from error


def _line(error: Exception) -> str:
    """Where in the template it went wrong, as ", line 3". Jinja2 rewrites the traceback to the template's lines."""
    if isinstance(error, TemplateSyntaxError):
        return f", line {error.lineno}"
    line = ""
    frame = error.__traceback__
    while frame:
        if frame.tb_frame.f_code.co_filename == "<template>":
            line = f", line {frame.tb_lineno}"
        frame = frame.tb_next
    return line


def _refused(reason: str, template: str, where: str, what: str) -> TemplateError:
    """One line of bounded length: it ends up in a status."""
    message = " ".join(f"template {template}{where}: {what}".split())
    return TemplateError(reason, message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…")


def _objects(name: str, text: str) -> list[dict[str, object]]:
    """The YAML documents of a rendered template; empty ones do not count."""
    try:
        documents = [document for document in _documents(text) if document is not None]
    except (yaml.YAMLError, ValueError) as error:
        raise _refused("TemplateInvalid", name, "", f"not usable YAML once rendered: {error}") from error
    for number, document in enumerate(documents, start=1):
        if not isinstance(document, dict):
            raise _refused("TemplateInvalid", name, "", f"document {number} is not an object (a mapping)")
    return cast("list[dict[str, object]]", documents)


def _documents(text: str) -> Iterator[object]:
    events = yaml.parse(text, Loader=yaml.SafeLoader)
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            yield _node(next(events), events, MAX_DEPTH)


def _node(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> object:
    """Build the value that starts with `event`. From events, since PyYAML's loaders cannot be told to refuse these."""
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        raise _at(event, "anchors and aliases are not allowed")
    if getattr(event, "tag", None):
        raise _at(event, "tags (!) are not allowed")
    if not depth:
        raise _at(event, f"nested more than {MAX_DEPTH} deep")
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event)
    if isinstance(event, yaml.SequenceStartEvent):
        return [_node(item, events, depth - 1) for item in _until(yaml.SequenceEndEvent, events)]
    mapping: dict[str, object] = {}
    for item in _until(yaml.MappingEndEvent, events):
        key = _node(item, events, depth - 1)
        if not isinstance(key, str):
            raise _at(item, "a key must be a text: put it in quotes")
        if key in mapping:
            raise _at(item, f"the key {key!r} is there twice")
        mapping[key] = _node(next(events), events, depth - 1)
    return mapping


def _until(end: type[yaml.Event], events: Iterator[yaml.Event]) -> Iterator[yaml.Event]:
    while not isinstance(event := next(events), end):
        yield event


def _at(event: yaml.Event, what: str) -> yaml.YAMLError:
    line = event.start_mark.line + 1 if event.start_mark else "?"
    return yaml.YAMLError(f"{what} (line {line} of the result)")


# The core schema of YAML 1.2, without what only looks like a number (0644, 0x1F, .inf, 25 digits): that stays a text.
_CONSTANTS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+([eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)")


def _scalar(event: yaml.ScalarEvent) -> object:
    text = event.value
    if not event.implicit[0]:  # quoted, or a block
        # JSON writes a character beyond 16 bits as two; PyYAML does not put them together again.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text
