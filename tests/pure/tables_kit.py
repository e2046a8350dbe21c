"""A revision of the example that gets one requirement as files, and reads another itself."""

from typing import Any

from builders import CREDENTIALS, City, listing_body, platform_body

from ddtas.data.delivery.table import Table
from ddtas.plan.children.desired import Owner
from ddtas.plan.children.manifests import Renderer
from ddtas.plan.children.wiring import Wiring
from ddtas.plan.revision import Revision, RevisionInputs

TABLE = Table.model_validate(
    {
        "columns": [
            {"name": "date", "type": "date", "from": "dag"},
            {"name": "discharge_m3s", "type": "number", "unit": "m3/s", "from": "debiet", "scale": "0.001"},
        ],
        "time": "date",
        "timeZone": "Europe/Amsterdam",
    }
)
IMAGE = "registry.example/ddtas-runner:1"


def inputs(*, reads: list[str] | None = None, table: Table | None = TABLE, **asks: Any) -> RevisionInputs:
    """Of the example, with one requirement that is had as files and one that the app reads itself."""
    version: Any = listing_body()["spec"]["versions"][0]
    (series,) = version["dataRequirements"]
    files = {k: v for k, v in series.items() if k not in ("delivery", "kinds")} | {"name": "files"} | asks
    version["dataRequirements"] = [series | {"name": "direct"}, files]
    if reads is not None:
        for container in (version["calibration"], version["validation"], *version["components"]):
            container["reads"] = reads
    windows = {phase: version[phase]["window"] for phase in ("calibration", "validation")}
    bound = {"dataSource": "river-gauge", "contractVersion": "1.4.2", "kind": "http-csv"}
    return RevisionInputs.model_validate(
        {
            "listing": "flood-twin",
            "version": version,
            "municipality": platform_body()["spec"]["municipality"],
            "bindings": [
                bound | {"requirement": "direct"},
                bound | {"requirement": "files"} | ({"table": table.dump()} if table is not None else {}),
            ],
            "windows": windows,
        }
    )


def wiring() -> list[Wiring]:
    source = City().snapshot().source("river-gauge")
    assert source is not None
    return [Wiring(name, source, CREDENTIALS) for name in ("direct", "files")]


def renderer(of: RevisionInputs) -> Renderer:
    return Renderer(Owner("flood", "city", "uid"), Revision.of(of), IMAGE)
