"""Effective parameters: where a value comes from, which values fit, and what is said of one that does not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddtas.api.listing import Parameter
from ddtas.plan.versions.parameters import effective
from ddtas.schema.types import Scalar


def parameter(type_: str, **more: Any) -> Parameter:
    return Parameter.model_validate({"name": "p", "type": type_, "description": "A parameter."} | more)


def value_of(declared: Parameter, value: Scalar) -> Scalar:
    values, faults = effective([declared], {"p": value}, {})
    assert faults == []
    return values["p"]


def fault_of(declared: Parameter, value: Scalar) -> str:
    _, (fault,) = effective([declared], {"p": value}, {})
    return fault


PRECEDENCE = {
    "the installation's own wins": ({"p": 1}, {"city": 2}, "3", 1),
    "then the city's": ({}, {"city": 2}, "3", 2),
    "then the default": ({}, {}, "3", 3),
    "the city's other values are not looked at": ({}, {"p": 2, "other": 4}, "3", 3),
    "a falsy own value is a value": ({"p": 0}, {"city": 2}, "3", 0),
    "a falsy city value is a value": ({}, {"city": 0}, "3", 0),
}


@pytest.mark.parametrize(("own", "city", "default", "expected"), PRECEDENCE.values(), ids=PRECEDENCE)
def test_precedence(own: dict[str, Scalar], city: dict[str, Scalar], default: str, expected: int) -> None:
    declared = parameter("integer", cityParameter="city", default=default)
    assert effective([declared], own, city) == ({"p": expected}, [])


GOOD = [
    ("integer", 5, 5),
    ("integer", 5.0, 5),
    ("integer", "5", 5),
    ("integer", "-5", -5),
    ("integer", 2**63 - 1, 2**63 - 1),
    ("number", 5, 5.0),
    ("number", 1.5, 1.5),
    ("number", "1.5", 1.5),
    ("number", "-1e-3", -0.001),
    ("boolean", True, True),
    ("boolean", False, False),
    ("boolean", "true", True),
    ("boolean", "false", False),
    ("string", "text", "text"),
    ("string", "true", "true"),
    ("string", "5", "5"),
    ("string", "", ""),
]


@pytest.mark.parametrize(("type_", "value", "expected"), GOOD, ids=lambda v: repr(v))
def test_value_gets_the_declared_type(type_: str, value: Scalar, expected: Scalar) -> None:
    found = value_of(parameter(type_), value)
    assert found == expected
    assert type(found) is type(expected)


BAD = [
    ("integer", 5.5),
    ("integer", "5.0"),
    ("integer", "five"),
    ("integer", ""),
    ("integer", "--5"),
    ("integer", "٥"),  # Arabic-Indic five: a digit to Python, to no one else
    ("integer", True),
    ("integer", float("nan")),
    ("integer", float("inf")),
    ("integer", 2**63),
    ("integer", -(2**63) - 1),
    ("integer", "9" * 5000),  # more digits than Python reads at once
    ("number", "1,5"),
    ("number", "1_000"),
    ("number", " 1"),
    ("number", ""),
    ("number", False),
    ("number", float("nan")),
    ("number", float("-inf")),
    ("number", "nan"),
    ("number", "Infinity"),
    ("number", "1e999"),
    ("number", 10**400),
    ("boolean", 1),
    ("boolean", 0),
    ("boolean", "True"),
    ("boolean", "yes"),
    ("string", 5),
    ("string", 1.5),
    ("string", True),
]


@pytest.mark.parametrize(("type_", "value"), BAD, ids=lambda v: repr(v)[:20])
def test_value_that_does_not_fit_is_refused_and_named(type_: str, value: Scalar) -> None:
    fault = fault_of(parameter(type_), value)
    assert fault.startswith("spec.parameters.p: ")
    assert "None" not in fault
    assert len(fault) < 120


@pytest.mark.parametrize("bound", ["minimum", "maximum"])
@pytest.mark.parametrize("value", [float("nan"), "nan"], ids=repr)
def test_nan_is_within_no_bounds(bound: str, value: Scalar) -> None:
    assert "spec.parameters.p: " in fault_of(parameter("number", **{bound: "1"}), value)


BOUNDS = {
    "at the minimum": ("integer", {"minimum": "300"}, 300, None),
    "below the minimum": ("integer", {"minimum": "300"}, 299, "spec.parameters.p: is 299, must be at least 300"),
    "at the maximum": ("number", {"maximum": "0.5"}, 0.5, None),
    "too long": ("string", {}, "a" * 1025, "spec.parameters.p: has 1025 characters, may have 1024"),
    "above the maximum": ("number", {"maximum": "0.5"}, 0.51, "spec.parameters.p: is 0.51, must be at most 0.5"),
    "zero minimum counts": ("integer", {"minimum": "0"}, -1, "spec.parameters.p: is -1, must be at least 0"),
    "in text form": ("integer", {"maximum": "60"}, "61", "spec.parameters.p: is 61, must be at most 60"),
    "an option": ("string", {"options": ["NSE", "KGE"]}, "KGE", None),
    "no option": ("string", {"options": ["NSE", "KGE"]}, "MAE", "spec.parameters.p: is 'MAE', must be one of NSE, KGE"),
    "options know case": ("string", {"options": ["NSE"]}, "nse", "spec.parameters.p: is 'nse', must be one of NSE"),
}  # fmt: skip


@pytest.mark.parametrize(("type_", "limits", "value", "fault"), BOUNDS.values(), ids=BOUNDS)
def test_bounds(type_: str, limits: dict[str, Any], value: Scalar, fault: str | None) -> None:
    _, faults = effective([parameter(type_, **limits)], {"p": value}, {})
    assert faults == ([] if fault is None else [fault])


@pytest.mark.parametrize("value", [10**19, "9" * 19], ids=["number", "text"])
def test_bounds_of_a_large_integer_are_compared_exactly(value: Scalar) -> None:
    assert "p: " in fault_of(parameter("integer", maximum="9007199254740992"), value)


def test_a_maximum_is_not_rounded() -> None:
    """2**53 + 1 is 2**53 as a float; as a bound it must not be."""
    assert "must be at most" in fault_of(parameter("integer", maximum="9007199254740992"), 2**53 + 1)


PLACES = {
    "own": ({"p": "x"}, {"city": 1}, "1", "spec.parameters.p: is 'x', must be a number"),
    "city": ({}, {"city": "x"}, "1", "the platform's spec.parameters.city: is 'x', must be a number"),
    "default": ({}, {}, "x", "the listing's default of p: is 'x', must be a number"),
    "none": ({}, {}, None, "spec.parameters.p: no value; set it here, or city in the platform's"),
}


@pytest.mark.parametrize(("own", "city", "default", "fault"), PLACES.values(), ids=PLACES)
def test_fault_names_the_field_to_change(
    own: dict[str, Scalar], city: dict[str, Scalar], default: str | None, fault: str
) -> None:
    declared = parameter("number", cityParameter="city", default=default)
    assert effective([declared], own, city) == ({}, [fault])


def test_missing_without_a_city_parameter_names_one_place() -> None:
    assert effective([parameter("string")], {}, {}) == ({}, ["spec.parameters.p: no value; set it here"])


def test_unknown_parameters_are_listed_with_those_that_there_are() -> None:
    declared = [parameter("integer", default="1"), parameter("integer", default="1").model_copy(update={"name": "a"})]
    _, faults = effective(declared, {"z": 1, "b": 2}, {})
    assert faults == [f"spec.parameters.{name}: the app has no such parameter (it has a, p)" for name in "bz"]
    assert effective([], {"b": 1}, {})[1] == ["spec.parameters.b: the app has no such parameter (it has none)"]


def test_every_fault_is_reported_at_once() -> None:
    declared = [parameter("integer"), parameter("number").model_copy(update={"name": "q"})]
    _, faults = effective(declared, {"p": "x", "r": 1}, {})
    assert [f.split(":")[0] for f in faults] == ["spec.parameters.r", "spec.parameters.p", "spec.parameters.q"]


@given(
    st.sampled_from(["string", "integer", "number", "boolean"]),
    st.one_of(st.text(max_size=20), st.integers(), st.floats(), st.booleans()),
)
def test_any_value_gives_a_finite_value_of_its_type_or_a_fault(type_: str, value: Scalar) -> None:
    values, faults = effective([parameter(type_)], {"p": value}, {})
    assert bool(values) != bool(faults)
    if values:
        python = {"string": str, "integer": int, "number": float, "boolean": bool}[type_]
        assert type(values["p"]) is python
        assert values["p"] == values["p"]
        assert values["p"] not in (float("inf"), float("-inf"))
