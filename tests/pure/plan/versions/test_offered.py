"""A version is what it was when it was first offered, also after it was taken out of its listing."""

import copy
from typing import Any

import pytest
from builders import NOW, City, example, parsed

from ddtas.api.listing import AppListing
from ddtas.plan.status.listing import listing_status
from ddtas.settings import StorePolicy


def body(number: str = "1.0.0") -> Any:
    made: Any = example("listing.yaml", "AppListing")
    made["spec"]["versions"][0]["version"] = number
    assert made["spec"]["versions"][0]["targets"]
    return made


def reconciled(listing: Any) -> Any:
    """The listing with the status that the operator gives it."""
    status = listing_status(parsed(AppListing, listing), StorePolicy(), NOW).dump()
    return listing | {"status": status}


def listed(listing: Any) -> tuple[str, str]:
    condition = next(c for c in listing["status"]["conditions"] if c["type"] == "Listed")
    return condition["status"], condition["reason"]


def put_back(listing: Any, **changes: Any) -> Any:
    """Taken out in one write, and put back in the next, as no rule of the API server forbids."""
    without = copy.deepcopy(listing)
    without["spec"]["versions"][0] |= {"version": "0.9.0"}
    without = reconciled(without)
    again = copy.deepcopy(listing) | {"status": without["status"]}
    again["spec"]["versions"][0] |= changes
    return reconciled(again)


def easier() -> Any:
    validation = copy.deepcopy(body()["spec"]["versions"][0]["validation"])
    validation["thresholds"][0]["value"] = "-9"
    return validation


def test_what_was_offered_is_remembered_and_written_once() -> None:
    first = reconciled(body())
    assert [o["version"] for o in first["status"]["offered"]] == ["1.0.0"]
    assert reconciled(first)["status"]["offered"] == first["status"]["offered"]


def test_put_back_as_it_was_it_is_listed() -> None:
    assert listed(put_back(reconciled(body()))) == ("True", "Listed")


def test_put_back_otherwise_it_is_not_listed_and_nobody_gets_it() -> None:
    listing = put_back(reconciled(body()), validation=easier())
    assert listed(listing) == ("False", "VersionChanged")
    city = City(listing=listing)
    city.settle()
    assert city.condition("Accepted")["reason"] == "VersionChanged"
    assert not city.started


@pytest.mark.parametrize("changes", [{"state": "Deprecated"}, {"channels": ["beta"]}, {"dataMigration": True}])
def test_what_no_evidence_is_about_may_be_otherwise(changes: Any) -> None:
    assert listed(put_back(reconciled(body()), **changes)) == ("True", "Listed")


def test_of_very_many_the_oldest_that_are_gone_are_forgotten() -> None:
    listing = reconciled(body("0.0.0"))
    for number in range(1, 130):
        listing["spec"]["versions"][0]["version"] = f"0.0.{number}"
        listing = reconciled(listing)
    numbers = [o["version"] for o in listing["status"]["offered"]]
    assert (len(numbers), numbers[0], numbers[-1]) == (100, "0.0.30", "0.0.129")
