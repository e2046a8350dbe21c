"""Documents with data as rows: CoverageJSON, and GeoJSON, with the location that they are of."""

from collections.abc import Iterator, Mapping
from typing import Any

from ddtas.data.facts import geo
from ddtas.data.kinds.ogc_edr.coverage import coverages
from ddtas.data.kinds.ogc_edr.reader import Answer, Collection, Location, Service, tidy
from ddtas.data.wire.documents import as_object

Record = tuple[Mapping[str, Any], Any, str | None]
"""Values by field, the geometry as GeoJSON has it, and its CRS where it is told."""


def records_of(service: Service, answer: Answer, collection: Collection, location: Location | None) -> Iterator[Record]:
    """The rows of a document; a parameter that it does not have has no value.

    Raises:
        SourceError: MalformedData where it is neither CoverageJSON nor GeoJSON, or has what cannot be read as rows.
    """
    about: dict[str, Any] = dict.fromkeys(collection.parameters)
    if location is not None:
        about |= {"location": location.id, "locationName": location.name}
    if answer.body.get("type") == "FeatureCollection":
        yield from _features(answer.body, about, service)
        return
    try:
        for coverage in coverages(answer.body):
            where: dict[str, Any] = {} if location or not coverage.place else {"location": coverage.place}
            for row in coverage.rows():
                x, y = row.get("x"), row.get("y")
                place = None if x is None and y is None else {"type": "Point", "coordinates": [x, y]}
                yield {**about, **where, **tidy(row)}, place, coverage.crs
    except ValueError as error:
        raise service.malformed(f"with CoverageJSON that cannot be used ({error})") from None


def _features(body: Mapping[str, Any], about: dict[str, Any], service: Service) -> Iterator[Record]:
    """GeoJSON: its properties are fields, and it is in degrees."""
    features = body.get("features")
    for feature in features if isinstance(features, list) else [None]:
        properties = as_object(feature).get("properties")
        if not isinstance(feature, dict) or not isinstance(properties, dict):
            raise service.malformed("with GeoJSON that has no features")
        yield {**about, **tidy(properties)}, feature.get("geometry"), geo.CRS84
