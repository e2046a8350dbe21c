"""What is wrong with a value is said in our own words, whatever it is."""

import pytest
from builders import installation_body
from pydantic_core import ValidationError
from pydantic_core._pydantic_core import list_all_errors

from ddtas.api.installation import Installation
from ddtas.errors import InvalidObject
from ddtas.schema.faults import WORDS, words

KNOWN = list_all_errors()


def test_the_table_has_each_kind_of_fault_and_no_other() -> None:
    assert set(WORDS) == {error["type"] for error in KNOWN}


@pytest.mark.parametrize("error", KNOWN, ids=lambda error: error["type"])
def test_no_fault_is_told_in_the_librarys_words(error: dict[str, object]) -> None:
    context = error.get("example_context")
    told = {k: "x" if v == "" else v for k, v in context.items()} if isinstance(context, dict) else None
    if error["type"] in ("value_error", "assertion_error"):
        told = {"error": ValueError("must be even")}
    detail = {"type": error["type"], "loc": ("a",), "input": 1} | ({"ctx": told} if told is not None else {})
    fault = ValidationError.from_exception_data("x", [detail])  # type: ignore[list-item]
    text = words(fault.errors()[0])
    assert not text.startswith(("Input", "String", "Field", "Value error", "Unable", "List", "Tuple"))
    assert "should" not in text
    assert "?" not in text
    assert text.split()[0] in {"must", "is", "has", "cannot", "does", "depends"}


HOSTILE = {
    "a list for a text": ({"listing": ["x"]}, "spec.listing: must be a text"),
    "nothing": ({"listing": None}, "spec.listing: must be a text"),
    "no such day": (
        {
            "windows": {
                "calibration": {"start": "2013-02-31", "end": "2014-12-31"},
                "validation": {"start": "2015-01-01", "end": "2016-12-31"},
            }
        },
        "spec.windows.calibration.start: must be a day that there is",
    ),
    "another word": ({"mode": "Maybe"}, "spec.mode: must be 'Apply' or 'Plan'"),
    "too long": ({"listing": "a" * 64}, "spec.listing: must have at most 63 characters"),
    "a list for a map": ({"parameters": []}, "spec.parameters: must be a map of names to values"),
}


@pytest.mark.parametrize(("spec", "text"), HOSTILE.values(), ids=HOSTILE)
def test_an_object_that_cannot_be_read_says_why_in_plain_words(spec: dict[str, object], text: str) -> None:
    body = installation_body()
    body["spec"] |= spec
    with pytest.raises(InvalidObject, match=text):
        Installation.parse(body)
