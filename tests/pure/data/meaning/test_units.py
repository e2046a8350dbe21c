"""Conversions as exact decimals."""

import pytest

from ddtas.data.meaning import units
from ddtas.data.meaning.ucum import parse


@pytest.mark.parametrize(
    ("unit", "other", "expected"),
    [
        ("m3/h", "m3/h", ("1", "0")),
        ("m3/h", "m3/s", ("0.00027777777777777778", "0")),
        ("m3/s", "m3/h", ("3600", "0")),
        ("Cel", "K", ("1", "273.15")),
        ("[degF]", "Cel", ("0.55555555555555556", "-17.777777777777778")),
        ("ug/m3", "kg/m3", ("0.000000001", "0")),
        ("10*3.m3", "L", ("1000000", "0")),
        ("1/10*3.m3", "m3", ("0.001", "0")),
        ("{veh}/h", "{veh}/s", ("0.00027777777777777778", "0")),
        ("{veh}/h", "{pers}/h", None),
        ("ug", "10*18.Tg", None),  # 1e-36: no decimal of the API can hold it
        ("dB", "1", None),
        ("m+NAP", "m", None),
    ],
)
def test_a_conversion_is_exact(unit: str, other: str, expected: tuple[str, str] | None) -> None:
    assert units.conversion(unit, other) == expected


def test_what_an_annotation_counts_is_part_of_the_unit() -> None:
    unit = parse("10*3.{veh}/(km.h)")
    assert unit is not None
    assert unit.number == 1000
    assert unit.expression == "km**-1*h**-1"
    assert set(unit.counted) == {("{veh}", 1)}


@pytest.mark.parametrize(
    "text", ["", "m/", "(m", "m)", "m(", "m/(", "()", ".m", "m..s", "10*", "m^99", "0", "{}", "{a", "m" * 61]
)
def test_what_is_no_unit_is_not_read(text: str) -> None:
    assert parse(text) is None
