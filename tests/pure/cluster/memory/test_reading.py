"""A large object is read part by part, and becomes what it would be if it were read at once."""

import asyncio
import copy
import json
import time
from typing import Any

import hostile
import pytest
from builders import BODIES, City, listing_body, platform_body
from hypothesis import given, settings
from hypothesis import strategies as st

from ddtas.api.base import Resource
from ddtas.api.installation import Installation
from ddtas.api.listing import AppListing
from ddtas.api.platform import DataSource, MunicipalityPlatform
from ddtas.cluster.memory.reading import parts_read
from ddtas.cluster.memory.world import Unreadable, World
from ddtas.errors import InvalidObject

MODELS: dict[str, type[Resource]] = {
    "AppListing": AppListing,
    "MunicipalityPlatform": MunicipalityPlatform,
    "Installation": Installation,
}


def large(sources: int = 500) -> dict[str, Any]:
    """A platform with many sources, and what is known of them."""
    body = platform_body()
    (source,) = body["spec"]["dataSources"]
    facts = {"fields": [{"name": f"f{n}", "type": "number"} for n in range(12)]}
    known = {"state": "Reachable", "reason": "Read", "since": "2026-01-01T00:00:00Z", "facts": facts}
    body["spec"]["dataSources"] = [source | {"name": f"s{n}"} for n in range(sources)]
    body["status"] = {"dataSources": [known | {"name": f"s{n}"} for n in range(sources)]}
    body["metadata"] |= {"uid": "uid-platform", "resourceVersion": "7"}
    return body


def outcome(model: type[Resource], body: dict[str, Any]) -> Resource | str:
    try:
        return model.parse(body)
    except InvalidObject as error:
        return str(error)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each item takes a millisecond."""
    clock = iter(range(10**6))
    monkeypatch.setattr(time, "thread_time", lambda: next(clock) / 1000)


@pytest.mark.usefixtures("slow")
async def test_others_have_turns_while_a_large_platform_is_read() -> None:
    body, turns = large(), 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await parts_read(MunicipalityPlatform, body)
    task.cancel()
    assert turns > 50


async def test_what_is_left_for_the_model_of_the_whole_is_little() -> None:
    body = await parts_read(MunicipalityPlatform, large())
    assert all(isinstance(source, DataSource) for source in body["spec"]["dataSources"])
    parsed = MunicipalityPlatform.parse(body)
    assert parsed.spec.data_sources[499] is body["spec"]["dataSources"][499]
    assert parsed.status.data_sources[499] is body["status"]["dataSources"][499]


async def test_the_object_itself_stays_as_it_was_sent() -> None:
    body = large(3)
    before = copy.deepcopy(body)
    assert await parts_read(MunicipalityPlatform, body) is not body
    assert body == before


@pytest.mark.parametrize("kind", MODELS)
async def test_each_kind_is_what_it_is_at_once(kind: str) -> None:
    city = City(listing=listing_body())
    city.serving()
    bodies = {"AppListing": city.listing, "MunicipalityPlatform": large(4), "Installation": city.installation}
    body, model = bodies[kind], MODELS[kind]
    assert isinstance(body, dict)
    assert model.parse(await parts_read(model, body)) == model.parse(body)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(MODELS)), st.data())
async def test_a_hostile_object_has_the_faults_that_it_has_at_once(kind: str, data: st.DataObject) -> None:
    places = hostile.places(kind)
    place = data.draw(st.sampled_from(places))
    value = data.draw(st.sampled_from(hostile.hostile(place)))
    body, model = hostile.put(BODIES[kind](), place, value), MODELS[kind]
    assert outcome(model, await parts_read(model, body)) == outcome(model, body)


@pytest.mark.parametrize(
    "strange",
    [
        {},
        {"spec": None, "status": 3},
        {"spec": {"dataSources": None}, "status": {"dataSources": "s"}},
        {"spec": [], "status": {"dataSources": [None, 1, [], {}, "x"]}},
        {"spec": {"dataSources": {"0": {}}}},
    ],
)
async def test_what_is_no_list_is_left_to_the_model(strange: dict[str, Any]) -> None:
    body = {"metadata": {"name": "oup"}} | strange
    read = await parts_read(MunicipalityPlatform, body)
    assert outcome(MunicipalityPlatform, read) == outcome(MunicipalityPlatform, body)


@pytest.mark.usefixtures("slow")
async def test_a_state_that_was_overtaken_while_it_was_read_is_not_taken() -> None:
    world, old, new = World(), large(), large(1)
    new["metadata"] |= {"resourceVersion": "8"}
    earlier = asyncio.create_task(world.platforms.take(old))
    await asyncio.sleep(0)
    assert await world.platforms.take(new)
    assert not await earlier
    known = world.platforms.find(("voorbeeldstad", "oup"))
    assert known is not None
    assert len(known.spec.data_sources) == 1


async def test_an_object_that_cannot_be_read_is_taken_as_such() -> None:
    world, body = World(), large(3)
    body["spec"]["dataSources"][1]["kind"] = "carrier-pigeon"
    assert await world.platforms.take(json.loads(json.dumps(body)))
    known = world.platforms.get(("voorbeeldstad", "oup"))
    assert isinstance(known, Unreadable)
    assert known.fault.startswith("spec.dataSources.1.kind: ")
