"""Observations and entities as tables, from FROST-Server and from what answers as an NGSI-LD broker does."""

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import shapely
from servers import dataset
from servers import ngsi_ld as gauges
from servers import sensorthings as servers
from servers.ngsi_ld import NgsiLdServer
from servers.sensorthings import SensorThingsServer
from test_tables import CONTRACT, LIMITS, LOOPBACK

from ddtas.data.contract import DataKind, FieldType
from ddtas.data.delivery.reading import CRS, Selection, SourceField
from ddtas.data.readers import READERS
from ddtas.data.session import Session, SourceReason, Target
from ddtas.errors import SourceError

TIME = SourceField("phenomenonTime", FieldType.TIMESTAMP)


async def table(
    kind: DataKind, endpoint: str, name: str | None, folder: Path, *fields: str, **options: Any
) -> pa.Table:
    chosen = tuple(SourceField(field, FieldType.STRING) for field in fields)
    session = Session(Target(kind, endpoint, CONTRACT, name), LIMITS, LOOPBACK)
    read = READERS[kind](session, Selection(chosen, folder, **options))
    return pa.Table.from_batches([batch async for batch in read])


async def test_the_observations_of_all_datastreams(sensorthings: SensorThingsServer, tmp_path: Path) -> None:
    read = await table(
        DataKind.SENSORTHINGS,
        sensorthings.api,
        "water level",
        tmp_path,
        *("phenomenonTime", "result", "datastreamName", "datastream", "thingName"),
        geometry=True,
    )
    rows = read.to_pylist()
    places = {f"Water level at {name}": (x, y) for name, x, y in servers.PLACES}
    assert Counter(row["datastreamName"] for row in rows) == dict.fromkeys(places, sensorthings.hours)
    assert len({row["datastream"] for row in rows}) == len({row["thingName"] for row in rows}) == len(servers.PLACES)
    assert (read.schema.metadata or {})[CRS] == b"OGC:CRS84"
    for row in rows:
        point = shapely.from_wkb(row["geometry"])
        assert (point.x, point.y) == pytest.approx(places[row["datastreamName"]])
    for name in places:
        times = [datetime.fromisoformat(row["phenomenonTime"]) for row in rows if row["datastreamName"] == name]
        oldest = sensorthings.newest - timedelta(hours=sensorthings.hours - 1)
        assert times == [oldest + timedelta(hours=hour) for hour in range(sensorthings.hours)]
    assert all(-20 < float(row["result"]) < 20 for row in rows)


async def test_a_window_of_one_datastream(sensorthings: SensorThingsServer, tmp_path: Path) -> None:
    end = sensorthings.newest - timedelta(hours=2)
    read = await table(
        DataKind.SENSORTHINGS,
        sensorthings.api,
        "Datastreams(1)",
        tmp_path,
        *("phenomenonTime", "result"),
        time=TIME,
        start=end - timedelta(hours=5),
        end=end,
    )
    times = [datetime.fromisoformat(text) for text in read["phenomenonTime"].to_pylist()]
    assert {end - timedelta(hours=hour) for hour in range(1, 6)} <= set(times)
    assert max(times) <= end


async def test_a_datastream_that_is_not_there(sensorthings: SensorThingsServer, tmp_path: Path) -> None:
    for name in ("Datastreams(99)", "sound level"):
        with pytest.raises(SourceError) as caught:
            await table(DataKind.SENSORTHINGS, sensorthings.api, name, tmp_path, "result")
        assert caught.value.reason == SourceReason.ENTITY_NOT_FOUND


async def test_a_field_that_observations_do_not_have(sensorthings: SensorThingsServer, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        await table(DataKind.SENSORTHINGS, sensorthings.api, "Datastreams(1)", tmp_path, "level")
    assert caught.value.reason == SourceReason.ENTITY_NOT_FOUND
    assert "phenomenonTime, result" in caught.value.message


async def test_entities_as_they_are_now(ngsi_ld: NgsiLdServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddtas.data.kinds.ngsi_ld.reader._SIZES", (7,))
    read = await table(
        DataKind.NGSI_LD,
        ngsi_ld.api,
        ngsi_ld.entity_type,
        tmp_path,
        *("id", "observedAt", "level"),
        geometry=True,
    )
    rows = read.to_pylist()
    assert len({row["id"] for row in rows}) == len(rows) == ngsi_ld.count
    assert [row["observedAt"] for row in rows] == [
        dataset.iso(ngsi_ld.newest - timedelta(hours=hour)) for hour in range(ngsi_ld.count)
    ]
    assert float(rows[0]["level"]) == pytest.approx(0.4)
    assert (read.schema.metadata or {})[CRS] == b"OGC:CRS84"
    assert shapely.from_wkb(rows[0]["geometry"]).wkt == "POINT (4.25 52.02)"


async def test_what_was_observed_of_entities_in_a_period(ngsi_ld: NgsiLdServer, tmp_path: Path) -> None:
    """In parts, as the broker gives at most 20 values at once; its ends are not part of a period."""
    time = SourceField("observedAt", FieldType.TIMESTAMP)
    start, end = ngsi_ld.newest - timedelta(hours=45), ngsi_ld.newest - timedelta(hours=2)
    read = await table(
        DataKind.NGSI_LD,
        ngsi_ld.api,
        ngsi_ld.entity_type,
        tmp_path,
        *("id", "observedAt", "level"),
        geometry=True,
        time=time,
        start=start,
        end=end,
    )
    rows = [(row["id"], datetime.fromisoformat(row["observedAt"]), float(row["level"])) for row in read.to_pylist()]
    assert len({row[:2] for row in rows}) == len(rows)
    expected = {
        (entity["id"], when, gauges.level(entity, when))
        for entity in gauges.entities(ngsi_ld.newest)
        for hour in range(ngsi_ld.hours)
        for when in [datetime.fromisoformat(entity["level"]["observedAt"]) - timedelta(hours=hour)]
        if start <= when < end
    }
    assert expected <= set(rows)
    assert all(start <= when <= end for _, when, _ in rows)
    assert {row["geometry"] for row in read.to_pylist() if row["id"].endswith("00")} == {
        shapely.to_wkb(shapely.Point(4.25, 52.02), byte_order=1)
    }


@pytest.mark.parametrize("bounds", [("start",), ("end",), ("start", "end")])
async def test_a_history_with_any_bounds(ngsi_ld: NgsiLdServer, bounds: tuple[str, ...], tmp_path: Path) -> None:
    time = SourceField("observedAt", FieldType.TIMESTAMP)
    period: dict[str, Any] = {
        "start": ngsi_ld.newest - timedelta(hours=200),
        "end": ngsi_ld.newest + timedelta(hours=1),
    }
    read = await table(
        *(DataKind.NGSI_LD, ngsi_ld.api, ngsi_ld.entity_type, tmp_path, "level"),
        time=time,
        **{name: period[name] for name in bounds},
    )
    assert read.num_rows == ngsi_ld.count * ngsi_ld.hours
