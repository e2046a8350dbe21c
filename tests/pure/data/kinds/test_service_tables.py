"""Tables of services that page: what ends too early, or comes twice, is an error and never a short table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import shapely
from probes_kit import LIMITS, LOOPBACK, Answer, json_response, serving, target

from ddtas.data.contract import DataKind, FieldType
from ddtas.data.delivery.reading import Selection, SourceField
from ddtas.data.readers import READERS
from ddtas.data.session import Session, SourceReason
from ddtas.errors import SourceError

COLLECTION = json_response({"id": "levels", "links": []})
SERVICES, FEATURES, BROKER = DataKind.SENSORTHINGS, DataKind.OGC_API_FEATURES, DataKind.NGSI_LD


async def read(
    kind: DataKind, routes: Mapping[str, Answer], folder: Path, name: str = "n", **options: Any
) -> list[Any]:
    async with serving(routes) as server:
        session = Session(target(server.url(path="/"), kind=kind, physical_name="levels"), LIMITS, LOOPBACK)
        fields = (SourceField(name, FieldType.STRING),)
        batches = READERS[kind](session, Selection(fields, folder, **options))
        return [row for batch in [one async for one in batches] for row in batch.to_pylist()]


def features(*numbers: int, geometry: Any = None, headers: tuple[str, ...] = (), **members: Any) -> bytes:
    found = [{"type": "Feature", "properties": {"n": n}, "geometry": geometry} for n in numbers]
    return json_response({"type": "FeatureCollection", "features": found, **members}, *headers)


def entities(*ids: str | None) -> bytes:
    found = [{"id": id, "type": "levels", "n": {"type": "Property", "value": 1}} for id in ids]
    return json_response(found, f"NGSILD-Results-Count: {len(ids)}")


STREAMS = json_response({"value": [{"@iot.id": 1, "name": "a"}], "@iot.count": 1})


@pytest.mark.parametrize(
    ("kind", "routes"),
    [
        (FEATURES, {"/collections/levels": COLLECTION, "/collections/levels/items": features(1, 2, numberMatched=3)}),
        (
            SERVICES,
            {
                "/Datastreams": STREAMS,
                "/Datastreams(1)/Observations": json_response({"value": [{"result": 1}], "@iot.count": 2}),
            },
        ),
        (
            SERVICES,
            {
                "/Datastreams": json_response({"value": [{"@iot.id": 1}, {"@iot.id": 1}]}),
                "/Datastreams(1)/Observations": json_response({"value": [{"result": 1}]}),
            },
        ),
        (SERVICES, {"/Datastreams": json_response({"value": [{"@iot.id": True}]})}),
        (BROKER, {"/entities": entities("urn:x:1", "urn:x:1")}),
        (BROKER, {"/entities": entities("urn:x:1", None)}),
    ],
)
async def test_what_is_not_whole_is_no_table(kind: DataKind, routes: dict[str, Answer], tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        await read(kind, routes, tmp_path, "result" if kind == SERVICES else "n")
    assert caught.value.reason == SourceReason.MALFORMED_DATA


async def test_a_geometry_that_is_none(tmp_path: Path) -> None:
    routes = {"/collections/levels": COLLECTION, "/collections/levels/items": features(1, geometry={"type": "Blob"})}
    with pytest.raises(SourceError) as caught:
        await read(FEATURES, routes, tmp_path, geometry=True)
    assert caught.value.reason == SourceReason.MALFORMED_DATA


async def test_coordinates_with_the_northing_first_are_turned(tmp_path: Path) -> None:
    items = features(
        1,
        geometry={"type": "Point", "coordinates": [52.0, 4.0]},
        headers=("Content-Crs: <http://www.opengis.net/def/crs/EPSG/0/4326>",),
    )
    routes = {"/collections/levels": COLLECTION, "/collections/levels/items": items}
    (row,) = await read(FEATURES, routes, tmp_path, geometry=True)
    assert shapely.from_wkb(row["geometry"]).wkt == "POINT (4 52)"
