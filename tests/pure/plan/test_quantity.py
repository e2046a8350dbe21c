"""Quantities as the API server writes them (k8s.io/apimachinery, Quantity.CanonicalizeBytes)."""

from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from ddtas.plan.quantity import amount, canonical, read, written
from ddtas.schema.types import Quantity

CANONICAL = [
    ("1", "1"),
    ("1000m", "1"),
    ("1500m", "1500m"),
    ("100m", "100m"),
    ("0.5", "500m"),
    ("0.50", "500m"),
    ("1.0", "1"),
    ("2.5", "2500m"),
    ("0.0001", "1m"),  # pods count in thousandths, rounded up
    ("1.0001", "1001m"),
    ("0.9991", "1"),  # rounded up to a whole number
    ("0.5m", "1m"),
    ("0", "0"),
    ("0m", "0"),
    ("0Mi", "0"),
    ("0.0", "0"),
    ("00100m", "100m"),
    ("1000", "1k"),
    ("1024", "1024"),
    ("1001", "1001"),
    ("1500", "1500"),
    ("1.5k", "1500"),
    ("1000k", "1M"),
    ("1500k", "1500k"),
    ("1000000", "1M"),
    ("1000M", "1G"),
    ("1000G", "1T"),
    ("5000T", "5P"),
    ("1Gi", "1Gi"),
    ("1024Mi", "1Gi"),
    ("1536Mi", "1536Mi"),
    ("1.5Gi", "1536Mi"),
    ("0.5Gi", "512Mi"),
    ("1024Ki", "1Mi"),
    ("1000Ki", "1000Ki"),
    ("1048576Ki", "1Gi"),
    ("1024Gi", "1Ti"),
    ("0.5Ki", "512"),
    ("0.1Ki", "102400m"),
    ("0.9765625Ki", "1k"),  # below 1024 the binary suffixes are given up for the decimal ones
    ("1.0001Ki", "1024103m"),
    ("192Mi", "192Mi"),
    ("512M", "512M"),
]


@pytest.mark.parametrize(("written", "read_back"), CANONICAL, ids=[w for w, _ in CANONICAL])
def test_canonical(written: str, read_back: str) -> None:
    assert canonical(written) == read_back


@pytest.mark.parametrize(("written", "read_back"), CANONICAL, ids=[w for w, _ in CANONICAL])
def test_canonical_is_its_own_canonical_form(written: str, read_back: str) -> None:
    assert canonical(read_back) == read_back


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("1", "1"),
        ("250m", "0.25"),
        ("1k", "1000"),
        ("1M", "1e6"),
        ("1G", "1e9"),
        ("1T", "1e12"),
        ("1Ki", "1024"),
        ("1Mi", "1048576"),
        ("1Gi", "1073741824"),
        ("1Ti", "1099511627776"),
        ("1.5Gi", "1610612736"),
    ],
)
def test_amount(quantity: str, expected: str) -> None:
    assert amount(quantity) == Decimal(expected)


@pytest.mark.parametrize(
    "text", ["", "1e3", "1E3", "-1", "+1", ".5", "5.", "1 Gi", "1gi", "1K", "1Pi", "1u", "1n", "Gi", "1.2.3", "NaN"]
)
def test_what_is_not_written_so_is_no_quantity(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Quantity).validate_python(text)


QUANTITIES = st.from_regex(r"\A[0-9]{1,9}(\.[0-9]{1,6})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?\Z")


@given(QUANTITIES)
def test_canonical_is_the_same_amount_rounded_up_to_a_thousandth(quantity: str) -> None:
    rounded = (amount(quantity) * 1000).to_integral_value(ROUND_CEILING) / 1000
    assert amount(canonical(quantity)) == rounded


@given(QUANTITIES)
def test_canonical_has_no_fraction(quantity: str) -> None:
    assert "." not in canonical(quantity)
    assert canonical(canonical(quantity)) == canonical(quantity)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", "1"),
        ("+2.", "2"),
        (".5", "0.5"),
        ("100n", "1e-7"),
        ("3u", "3e-6"),
        ("2P", "2e15"),
        ("1E", "1e18"),
        ("1Ei", "1152921504606846976"),
        ("1Pi", "1125899906842624"),
        ("1e3", "1000"),
        ("1E-2", "0.01"),
        ("9e99", "1e40"),  # more than anybody has
    ],
)
def test_read_takes_every_form_that_the_api_server_knows(text: str, expected: str) -> None:
    assert read(text) == Decimal(expected)


@pytest.mark.parametrize("text", ["", "-1", "1K", "1ki", "e3", "1e", "NaN", "1_0", "٣", "1 ", "9" * 41, None, 3])
def test_read_takes_nothing_else(text: object) -> None:
    assert read(text) is None


@given(QUANTITIES)
def test_read_and_amount_agree(quantity: str) -> None:
    assert read(quantity) == amount(quantity)


@pytest.mark.parametrize(
    ("total", "bytes_", "expected"),
    [
        ("1.5", False, "1500m"),
        ("2147483648", True, "2Gi"),
        ("1500", True, "2Ki"),
        ("512", True, "512"),
        ("1e24", True, ""),
    ],
)
def test_written_is_for_a_person(total: str, bytes_: bool, expected: str) -> None:
    text = written(Decimal(total), bytes_=bytes_)
    assert text == expected or (not expected and read(text) is not None)
