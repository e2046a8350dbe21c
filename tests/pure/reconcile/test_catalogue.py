"""One listing that the rules fail at is its own trouble: the others on a platform are judged all the same."""

import copy
from typing import Any

import pytest
from builders import City, installation_body, listing_body

from ddtas.api.listing import AppListing
from ddtas.api.platform import ListingFit, MunicipalityPlatform
from ddtas.cluster.memory.world import Unreadable, World
from ddtas.plan.capabilities import requirements
from ddtas.plan.decision.catalogue import fit
from ddtas.plan.decision.situation import Situation
from ddtas.plan.turns import Turns, in_turns
from ddtas.reconcile import catalogue as catalogues
from ddtas.reconcile.catalogue import Catalogues, Surroundings
from ddtas.reconcile.context import Context
from ddtas.reconcile.observe import Observer
from ddtas.settings import Settings


def world(*names: str) -> World:
    """A store with listings of these names, as they come from the API server."""
    made = World()
    for number, name in enumerate(names):
        body = copy.deepcopy(listing_body())
        body["metadata"] |= {"name": name, "uid": f"uid-{number}"}
        made.listings.put(body)
    return made


async def catalogue(world: World) -> dict[str, ListingFit]:
    """What is said of the store on the example's platform, by listing."""
    city = City()
    platform = MunicipalityPlatform.parse(city.platform)  # type: ignore[arg-type]
    nothing: Any = None

    context = Context(nothing, world, nothing, nothing, nothing, Settings(), nothing)
    there = Surroundings(platform, {}, dict(city.observations))
    fits = (await Catalogues(context, Observer(context, nothing, nothing)).of(there)).fits
    return {found.name: found for found in fits}


@pytest.mark.parametrize("name", ["flood.twin", "x" * 64, "x" * 253])
async def test_a_name_that_can_be_no_label_is_that_listings_trouble(name: str) -> None:
    store = world("before", name, "then")
    assert set(await catalogue(store)) == {"before", "then"}
    there = store.listings.get(("", name))
    assert isinstance(there, Unreadable)
    assert there.fault.startswith("metadata.name must have at most 63 characters and no dot")


async def test_a_listing_that_cannot_be_judged_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = fit

    @in_turns
    def fails(situation: Situation, version: Any) -> Turns[ListingFit]:
        listing = situation.snapshot.listing
        if isinstance(listing, AppListing) and listing.metadata.name == "bad":
            raise RuntimeError("a secret")
        return (yield from judge.turns(situation, version))

    monkeypatch.setattr(catalogues, "fit", fails)
    found = await catalogue(world("a", "bad", "c"))
    assert found["a"].missing == found["c"].missing
    bad = found["bad"]
    assert (bad.verdict, bad.missing) == ("Unknown", ("it could not be judged (RuntimeError): see the operator's log",))


async def test_what_a_version_asks_of_the_cluster_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    check, checked = requirements.checks, []

    def counted(version: Any, *more: Any) -> Any:
        checked.append(version)
        return check(version, *more)

    monkeypatch.setattr(requirements, "checks", counted)
    await catalogue(world("a", "b"))
    assert len(checked) == 2


def with_windows_of_long_ago(store: World) -> None:
    """An app whose own windows no data of the city reaches."""
    body = copy.deepcopy(listing_body())
    body["metadata"] |= {"name": "a", "uid": "uid-a", "resourceVersion": "2"}
    version = body["spec"]["versions"][0]
    version["calibration"]["window"] = {"start": "1990-01-01", "end": "1991-12-31"}
    version["validation"]["window"] = {"start": "1992-01-01", "end": "1993-12-31"}
    store.listings.put(body)


def installed(store: World, status: dict[str, Any], **spec: Any) -> None:
    """The city has the app, with windows of its own."""
    body = City().installation
    windows = {
        "calibration": {"start": "2013-01-01", "end": "2014-12-31"},
        "validation": {"start": "2015-01-01", "end": "2016-12-31"},
    }
    body["spec"] |= {"listing": "a", "windows": windows} | spec
    body["status"] = status
    store.installations.put(body)


async def test_an_app_is_tried_with_the_citys_own_windows() -> None:
    store = world("b")
    store.put_secret(
        {
            "metadata": {"namespace": "voorbeeldstad", "name": "water-board", "uid": "s", "resourceVersion": "1"},
            "data": {"username": "", "password": ""},
        }
    )
    store.kubernetes_version = "1.36"
    with_windows_of_long_ago(store)
    assert (await catalogue(store))["a"].verdict == "NotMet"
    installed(store, {})
    assert (await catalogue(store))["a"].verdict == "Met"


async def test_what_serves_can_run_whatever_the_newest_version_lacks() -> None:
    store = world("b")
    with_windows_of_long_ago(store)
    installed(store, {"servingRevision": "0123456789", "servingVersion": "0.9.0"}, windows=None)
    found = (await catalogue(store))["a"]
    assert (found.verdict, found.version) == ("Met", "0.9.0")
    assert found.missing
    assert all(text.startswith("version 1.0.0: ") for text in found.missing)


def test_a_listings_status_is_nothing_to_its_users(monkeypatch: pytest.MonkeyPatch) -> None:
    store, body = world("flood-twin"), copy.deepcopy(listing_body())
    store.installations.put(installation_body())
    renewed: list[Any] = []
    monkeypatch.setattr(store, "_renew", renewed.append)
    for generation, version, times in ((1, "2", 0), (2, "3", 1), (2, "4", 1)):
        body["metadata"] |= {
            "name": "flood-twin",
            "uid": "uid-0",
            "generation": generation,
            "resourceVersion": version,
        }
        assert store.listings.put(copy.deepcopy(body))
        assert len(renewed) == times
    store.listings.remove(("", "flood-twin"))
    assert len(renewed) == 2
