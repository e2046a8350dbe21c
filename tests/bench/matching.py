"""How long one reconcile takes to match many requirements against many data sources.

Two shapes: sources and requirements of many themes, as a city's catalogue has them, and all of one theme, where each
requirement has to be checked in full against each source.
"""

import json
import time
from datetime import UTC, datetime

from builders import FACTS, platform_body, version

from ddtas.api.platform import DataSource
from ddtas.api.requirements import DataRequirement
from ddtas.data.contract import Area
from ddtas.data.measured import SourceFacts
from ddtas.plan.matching.binding import bind
from ddtas.plan.matching.checks import Circumstances
from ddtas.plan.snapshot import SourceObservation

REQUIREMENTS, SOURCES, ROUNDS = 100, 500, 5
EXTENT = {"crs": "OGC:CRS84", "bbox": ["3", "50", "8", "54"]}
CITY = Area(crs="EPSG:28992", wkt="POLYGON((80000 450000, 90000 450000, 90000 460000, 80000 460000, 80000 450000))")


def match(themes: int) -> dict[str, float]:
    """Match all; the least and the greatest time of some rounds, in seconds of processor time."""
    app = version()
    asked = app.dump()["dataRequirements"][0] | {
        "crs": ["EPSG:28992"],
        "coverage": {"minimumPercent": 90},
        "freshness": "P1D",
    }
    requirements = [
        DataRequirement.model_validate(asked | {"name": f"r{n}", "theme": f"theme {n % themes}"})
        for n in range(REQUIREMENTS)
    ]
    offered = platform_body()["spec"]["dataSources"][0]
    contract = offered["contract"] | {"crs": "urn:ogc:def:crs:EPSG::28992", "extent": EXTENT}
    sources = [
        DataSource.model_validate(offered | {"name": f"s{n}", "theme": f"theme {n % themes}", "contract": contract})
        for n in range(SOURCES)
    ]
    facts = SourceFacts.model_validate(FACTS.model_dump() | {"crs": ("EPSG:28992",), "extent": EXTENT})
    seen = {s.name: SourceObservation("Reachable", "Reachable", "", facts) for s in sources}
    windows = asked(None, app)
    circumstances = Circumstances(windows, datetime.now(UTC), CITY)
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for requirement in requirements:
            bind(requirement, sources, seen, circumstances, None)
        times.append(time.process_time() - started)
    return {"least": round(min(times), 3), "most": round(max(times), 3)}


def main() -> None:
    """Print the figures as JSON."""
    figures = {
        "requirements": REQUIREMENTS,
        "sources": SOURCES,
        "seconds, 25 themes": match(25),
        "seconds, one theme": match(1),
    }
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
