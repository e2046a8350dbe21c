"""The effective parameters of an Installation: its own values, then the city's, then the listing's defaults."""

import re
from collections.abc import Mapping, Sequence

from ddtas.api.listing import Parameter
from ddtas.schema.types import Scalar

# As the API server keeps whole numbers; a larger one it would round.
_INT64 = range(-(2**63), 2**63)
# Numbers as JSON has them: Python would also read "1_000", " 1" and the digits of other scripts.
_INTEGER = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)
_MAX_SHOWN = 60
_MAX_LENGTH = 1024  # all values of a revision are in one ConfigMap, which can hold 1 MiB


def _typed(parameter: Parameter, value: Scalar) -> Scalar | None:
    """The value in the declared type, or None where it does not fit it."""
    match parameter.type, value:
        case "boolean", bool():
            return value
        case "boolean", "true" | "false":
            return value == "true"
        case "integer" | "number", bool():
            return None
        case "integer", float() if value.is_integer():
            return _typed(parameter, int(value))
        case "integer", str() if _INTEGER.fullmatch(value):
            return _typed(parameter, int(value))
        case "integer", int() if value in _INT64:
            return value
        case "number", int() if value in _INT64:
            return float(value)
        case "number", float():
            return value
        case "number", str() if _NUMBER.fullmatch(value):
            return float(value)
        case "string", str():
            return value
    return None


def _checked(parameter: Parameter, value: Scalar) -> tuple[Scalar | None, str]:
    """The value in the declared type, or None, and what is wrong with it."""
    if isinstance(value, str) and len(value) > _MAX_LENGTH:
        return None, f"has {len(value)} characters, may have {_MAX_LENGTH}"
    typed = _typed(parameter, value)
    if typed is None:
        text = repr(value) if not isinstance(value, int) or value in _INT64 else "larger than 64 bits"
        text = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
        return None, f"is {text}, must be {'an' if parameter.type == 'integer' else 'a'} {parameter.type}"
    if isinstance(typed, int | float):
        # "not within" rather than "below or above": a NaN is neither.
        if parameter.minimum is not None and not typed >= float(parameter.minimum):
            return None, f"is {typed}, must be at least {parameter.minimum}"
        if parameter.maximum is not None and not typed <= float(parameter.maximum):
            return None, f"is {typed}, must be at most {parameter.maximum}"
        if typed != typed or typed in (float("inf"), float("-inf")):
            return None, "must be a finite number"
    if parameter.options and typed not in parameter.options:
        return None, f"is {str(typed)[:_MAX_SHOWN]!r}, must be one of {', '.join(parameter.options)}"
    return typed, ""


def effective(
    declared: Sequence[Parameter], installation: Mapping[str, Scalar], city: Mapping[str, Scalar]
) -> tuple[dict[str, Scalar], list[str]]:
    """Work out each parameter's value.

    Args:
        declared: the version's parameters.
        installation: `Installation.spec.parameters`.
        city: `MunicipalityPlatform.spec.parameters`.

    Returns:
        The values by name, and the faults, each naming the field to change. With faults the values are incomplete.
    """
    values: dict[str, Scalar] = {}
    known = {p.name for p in declared}
    faults = [
        f"spec.parameters.{name}: the app has no such parameter (it has {', '.join(sorted(known)) or 'none'})"
        for name in sorted(installation.keys() - known)
    ]
    for parameter in declared:
        value: Scalar
        if parameter.name in installation:
            value, place = installation[parameter.name], f"spec.parameters.{parameter.name}"
        elif parameter.city_parameter is not None and parameter.city_parameter in city:
            value, place = city[parameter.city_parameter], f"the platform's spec.parameters.{parameter.city_parameter}"
        elif parameter.default is not None:
            value, place = parameter.default, f"the listing's default of {parameter.name}"
        else:
            city_hint = f", or {parameter.city_parameter} in the platform's" if parameter.city_parameter else ""
            faults.append(f"spec.parameters.{parameter.name}: no value; set it here{city_hint}")
            continue
        typed, fault = _checked(parameter, value)
        if typed is None:
            faults.append(f"{place}: {fault}")
        else:
            values[parameter.name] = typed
    return values, faults


def from_city(
    declared: Sequence[Parameter], installation: Mapping[str, Scalar], city: Mapping[str, Scalar]
) -> tuple[str, ...]:
    """The names of the parameters whose values are the city's; arguments as those of `effective`."""
    return tuple(
        sorted(p.name for p in declared if p.name not in installation and p.city_parameter in city and p.city_parameter)
    )
