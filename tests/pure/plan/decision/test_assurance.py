"""An app that is judged by the platform, and what store and platform ask of evidence."""

import hashlib
from typing import Any

import pytest
from builders import (
    VALIDATION_WINDOW,
    City,
    calibration_report,
    listing_body,
    result,
    score_report,
    scored_listing_body,
)

from ddtas.settings import StorePolicy

PASSING = {"NSE": 0.72, "RSR": 0.53, "absPBIAS": 4.2}


def test_what_the_platform_scored_serves() -> None:
    city = City(listing=scored_listing_body(), policy=StorePolicy(minimum_assurance="Sealed"))
    city.settle()
    city.finish("calibrate", "", score=calibration_report(cmax=412.5))
    city.settle()
    city.examine()
    city.settle()
    city.finish("validate", "", score=score_report(**PASSING))
    city.settle()
    city.roll_out()
    city.settle()
    assert city.condition("Ready")["status"] == "True"
    (revision,) = city.installation["status"]["revisions"]
    assert revision["validation"]["assurance"] == "Sealed"
    assert revision["calibration"]["parameters"] == [{"name": "cmax", "value": "412.5"}]
    assert revision["validation"]["windows"] == [VALIDATION_WINDOW]


def test_a_run_is_made_for_the_order_that_is_there() -> None:
    city = City(listing=scored_listing_body())
    city.settle()
    job = city.sent[city.job("calibrate").uid]
    (order,) = (m for m in city.sent.values() if m["metadata"]["name"].endswith("-order"))
    env = {e["name"]: e.get("value") for e in job["spec"]["template"]["spec"]["initContainers"][0]["env"]}
    assert env["DDTAS_ORDER_DIGEST"] == hashlib.sha256(order["data"]["calibrate.json"].encode()).hexdigest()


def test_what_the_app_says_of_itself_counts_for_nothing() -> None:
    city = City(listing=scored_listing_body())
    city.settle()
    city.finish("calibrate", "", score=calibration_report(cmax=412.5))
    city.settle()
    city.examine()
    city.settle()
    city.finish("validate", result({"NSE": 0.99}, VALIDATION_WINDOW), score=score_report(**PASSING | {"NSE": 0.12}))
    city.settle()
    assert city.condition("Validated")["reason"] == "ThresholdNotMet"
    assert "NSE is 0.12, must be > 0.50" in city.condition("Validated")["message"]


@pytest.mark.parametrize(
    ("scored", "opened", "store", "platform", "refused"),
    [
        (True, False, "Sealed", None, ""),
        (True, True, "Scored", None, ""),
        (False, False, "None", None, ""),
        (True, True, "Sealed", None, "assurance Scored, because its runs keep their network"),
        (True, True, "None", "Sealed", "platform oup asks for Sealed"),
        (True, True, "Scored", "None", ""),
        (True, True, "Sealed", "None", "the store asks for Sealed"),  # a platform asks for more, never for less
        (
            False,
            False,
            "Scored",
            None,
            "assurance None, because it has no targets, so its runs",
        ),
    ],
)
def test_who_asks_for_more_gets_it(scored: bool, opened: bool, store: Any, platform: str | None, refused: str) -> None:
    city = City(
        listing=scored_listing_body() if scored else listing_body("Files"), policy=StorePolicy(minimum_assurance=store)
    )
    assert isinstance(city.platform, dict)
    city.platform["spec"] |= {"openRuns": opened} | ({"minimumAssurance": platform} if platform else {})
    city.settle()
    accepted = city.condition("Accepted")
    if refused:
        assert accepted["reason"] == "AssuranceTooLow"
        assert refused in accepted["message"]
    else:
        assert accepted["status"] == "True"
        assert city.started


def test_a_target_that_cannot_be_judged_is_refused_before_anything_runs() -> None:
    body = scored_listing_body()
    body["spec"]["versions"][0]["targets"][0] |= {"kind": "Classes"}
    city = City(listing=body)
    city.settle()
    assert city.condition("Accepted")["reason"] == "TargetInvalid"
    assert not city.started
