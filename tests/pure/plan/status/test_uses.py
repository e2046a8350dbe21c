"""Who uses which data source of a platform, and for what."""

import copy
from typing import Any

from builders import NOW, City, installation_body
from hypothesis import given
from hypothesis import strategies as st
from systems import System, app, product, requirement

from ddtas.api.installation import Installation
from ddtas.api.platform import DataUse, MunicipalityPlatform, MunicipalityPlatformStatus
from ddtas.cluster.memory.world import World
from ddtas.plan.status.platform import platform_status
from ddtas.plan.status.uses import by_source, uses_of

PLATFORM = ("voorbeeldstad", "oup")
OF_THE_EXAMPLE = {"installation": "flood", "requirement": "discharge-series", "purpose": "flood-prevention"}


def put(world: World, body: dict[str, Any], version: str) -> set[tuple[str, str]]:
    """The platforms of which it is news."""
    sent = copy.deepcopy(body)
    sent["metadata"] |= {"resourceVersion": version}
    world.installations.put(sent)
    return world.take_newly_used()


def used(world: World, platform: tuple[str, str] = PLATFORM) -> dict[str, list[dict[str, Any]]]:
    return {source: [use.dump() for use in uses] for source, uses in world.uses(platform).items()}


def test_who_is_bound_uses_a_source_and_says_what_for() -> None:
    world, city = World(), City()
    city.settle()
    assert put(world, city.installation, "1") == {PLATFORM}
    assert used(world) == {"river-gauge": [OF_THE_EXAMPLE]}
    assert used(world, ("elsewhere", "oup")) == {}


def test_what_serves_and_what_is_to_are_one_use_and_no_news() -> None:
    world, city = World(), City()
    city.settle()
    put(world, city.installation, "1")
    city.serving()
    assert put(world, city.installation, "2") == set()
    city.edit(parameters={"repetitions": 500})
    city.settle()
    assert city.installation["status"]["revision"] != city.installation["status"]["servingRevision"]
    assert put(world, city.installation, "3") == set()
    assert used(world) == {"river-gauge": [OF_THE_EXAMPLE]}


def test_what_serves_uses_its_source_although_another_one_is_asked_for() -> None:
    city = City()
    city.serving()
    status = city.installation["status"]
    other = copy.deepcopy(status["revisions"][0]) | {"id": "0123456789", "state": "Candidate"}
    other["sources"][0]["dataSource"] = "gauge-2"
    status["revisions"].insert(0, other)
    status["revision"] = "0123456789"
    assert [source for source, _ in uses_of(Installation.model_validate(city.installation))] == [
        "gauge-2",
        "river-gauge",
    ]
    status["servingRevision"] = None
    assert [source for source, _ in uses_of(Installation.model_validate(city.installation))] == ["gauge-2"]


def test_one_that_is_gone_or_cannot_be_read_uses_nothing() -> None:
    world, city = World(), City()
    city.settle()
    for version in ("1", "3"):
        assert put(world, city.installation, version) == {PLATFORM}
        broken = copy.deepcopy(city.installation) | {"spec": 3}
        assert put(world, broken, str(int(version) + 1)) == {PLATFORM}
        assert used(world) == {}
    put(world, city.installation, "5")
    world.installations.bury((PLATFORM[0], "flood"), "6")
    assert world.take_newly_used() == {PLATFORM}
    assert used(world) == {}


def test_one_that_is_not_bound_uses_nothing() -> None:
    world = World()
    assert put(world, installation_body(), "1") == set()
    assert used(world) == {}


def test_a_consumer_uses_a_product_by_its_name_on_its_own_platform() -> None:
    system = System()
    up = system.install("flood", app("flood-twin", products=(product(),)))
    down = system.install("district", app("district-twin", requirement()))
    system.go_live(up, down)
    found = system.world.uses(PLATFORM)
    assert [u.installation for u in found["river-gauge"]] == ["district", "flood"]
    assert [u.dump() for u in found["flood-forecast"]] == [
        {"installation": "district", "requirement": "levels", "purpose": "flood-prevention"}
    ]


def status_with(sources: int, uses: dict[str, tuple[DataUse, ...]]) -> MunicipalityPlatformStatus:
    city = City()
    assert isinstance(city.platform, dict)
    body = copy.deepcopy(city.platform)
    (source,) = body["spec"]["dataSources"]
    body["spec"]["dataSources"] = [source | {"name": f"s{n}"} for n in range(sources)]
    return platform_status(MunicipalityPlatform.model_validate(body), {}, {}, (), NOW, uses=uses)


def test_a_use_is_no_news_of_the_source_itself_and_the_same_uses_are_no_write() -> None:
    city = City()
    assert isinstance(city.platform, dict)
    platform = MunicipalityPlatform.model_validate(city.platform)
    uses = {"river-gauge": (DataUse.model_validate(OF_THE_EXAMPLE),)}
    before = platform_status(platform, city.observations, {}, (), NOW)
    known = platform.model_copy(update={"status": before})
    after = platform_status(known, city.observations, {}, (), NOW.replace(year=NOW.year + 1), uses=uses)
    (old,), (new,) = before.data_sources, after.data_sources
    assert (old.used_by, old.uses) == ((), 0)
    assert new.used_by == uses["river-gauge"]
    assert new.uses == 1
    assert new.since == old.since
    again = known.model_copy(update={"status": after})
    assert platform_status(again, city.observations, {}, (), NOW.replace(year=NOW.year + 1), uses=uses) == after


def test_of_very_many_uses_the_first_are_said_and_how_many_there_are() -> None:
    many = tuple(DataUse(installation=f"i{n:04}", requirement="r") for n in range(100))
    status = status_with(40, {f"s{n}": many for n in range(40)})
    assert [len(s.used_by) for s in status.data_sources] == [32] * 15 + [20] + [0] * 24
    assert {s.uses for s in status.data_sources} == {100}
    assert status.data_sources[0].used_by == many[:32]


@given(st.permutations(["a", "b", "c", "d"]))
def test_the_order_in_which_they_came_makes_no_difference(names: list[str]) -> None:
    each = [(("gauge", DataUse(installation=name, requirement="r")),) for name in names]
    assert [u.installation for u in by_source(each)["gauge"]] == ["a", "b", "c", "d"]
