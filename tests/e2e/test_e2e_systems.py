"""Three twins that feed each other, in containers: a stream, a district and a city, calibrated before they serve."""

import json
from collections.abc import Iterator

import pytest
from e2e_city import City
from e2e_kit import KINDS, Twin, condition, evidence

from ddtas_dev import deploy

FILES = ("supplier", "platform", "systems/stream", "systems/district", "systems/city", "systems/installations")
LEVELS = ("stream", "district", "city")
PATIENCE_SECONDS = 600.0


@pytest.fixture(scope="module")
def space(city: City, images: dict[str, str]) -> Iterator[str]:
    """A namespace with the examples' platform and the three twins."""
    made = city.namespace("systems")
    text = json.dumps(deploy.example_manifests(images, FILES)).replace("voorbeeldstad", made)
    deploy.apply_examples(city.cluster.kubeconfig, json.loads(text))
    yield made
    for level in LEVELS:
        city.cluster.delete(KINDS["AppListing"], None, f"{level}-twin")


def test_each_level_goes_live_after_the_one_below_it(city: City, space: str) -> None:
    twins = {level: Twin(city.cluster, space, level) for level in LEVELS}
    bodies = {level: twin.ready(PATIENCE_SECONDS) for level, twin in twins.items()}
    since = [condition(bodies[level], "Serving")["lastTransitionTime"] for level in LEVELS]
    assert since == sorted(since)
    assured = {level: evidence(body)["validation"].get("assurance") for level, body in bodies.items()}
    assert assured == {"stream": "Sealed", "district": "Sealed", "city": None}

    bindings = {b["requirement"]: b for b in bodies["city"]["status"]["bindings"]}
    fed = next(b for b in bindings.values() if "upstream" in b)
    assert (fed["upstream"]["installation"], fed["upstream"]["state"]) == ("district", "Serving")
    assert fed["upstream"]["revision"] == bodies["district"]["status"]["servingRevision"]
    bound = [c for c in fed["checks"] if c["name"].startswith("upstream ")]
    assert bound
    assert {c["measured"] for c in bound} == {"Met"}
    assert [c["installation"] for c in twins["district"].body()["status"]["consumers"]] == ["city"]

    status, body = twins["city"].ask("/crews.csv")
    assert status == 200
    header, *rows = body.decode().splitlines()
    assert header.split(",")[:2] == ["date", "chance"]
    assert rows
    assert all(0 <= float(row.split(",")[1]) <= 1 for row in rows)


def test_the_platform_shows_products_beside_its_own_sources(city: City, space: str) -> None:
    status = city.cluster.get(KINDS["MunicipalityPlatform"], space, "oup")["status"]
    found = {s["name"]: s for s in status["dataSources"]}
    assert set(found) >= {"river-gauge", "stream-forecast", "district-nuisance"}
    assert {s["state"] for s in found.values()} == {"Reachable"}
    assert found["stream-forecast"]["conformant"] == "Met"
