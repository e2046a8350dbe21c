"""Coordinate reference systems that can be transformed into each other."""

import pytest

from ddtas.data.meaning import space


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("EPSG:28992", "EPSG:28992", True),
        ("EPSG:28992", "OGC:CRS84", True),
        ("EPSG:4258", "EPSG:28992", True),
        ("EPSG:7415", "EPSG:28992", True),
        ("EPSG:4258", "EPSG:7415", False),
        ("EPSG:28992", "EPSG:999999", None),
        ("EPSG:28992", "http://www.opengis.net/def/crs/IAU/2015/49900", False),  # Mars
        ("EPSG:5709", "EPSG:28992", False),  # heights alone
    ],
)
def test_a_crs_is_transformed(source: str, target: str, expected: bool | None) -> None:
    assert space.transformable(source, target) is expected
