"""An app that is judged by the platform, and what store and platform ask of evidence."""

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from builders import VALIDATION_WINDOW, City, listing_body, result

from ddtas.plan.snapshot import ContainerFacts, JobFacts, PodFacts
from ddtas.scoring.report import ScoreReport
from ddtas.settings import StorePolicy

TARGET = {"name": "discharge", "requirement": "discharge-series", "field": "discharge_m3s", "kind": "Continuous"}
DIGEST = "sha256:" + "0" * 64
FOUND = ScoreReport.model_validate({"parameters": [{"name": "cmax", "value": "412.5"}]}).sealed()


def scored_body() -> Any:
    """The example's listing, as an app that the platform judges."""
    body: Any = listing_body("Files")
    (version,) = body["spec"]["versions"]
    version["targets"] = [TARGET]
    for run in ("calibration", "validation"):
        version[run]["command"] = ["python", "-m", "flood_twin"]
    return body


def passing(nse: str = "0.72") -> str:
    scores = [
        {"target": "discharge", "metric": metric, "value": value}
        for metric, value in (("NSE", nse), ("RSR", "0.53"), ("absPBIAS", "4.2"))
    ]
    predicted = [{"target": "discharge", "rows": 731, "digest": DIGEST, "truth": DIGEST}]
    return ScoreReport.model_validate({"predicted": predicted, "scores": scores}).sealed()


def finish(city: City, phase: str, message: str, app: str = "") -> None:
    """Let a run end as a scored one does."""
    job = city.job(phase)
    city.children[job.key] = replace(job, facts=JobFacts("Complete", finished_at=city.now))
    scorer = ContainerFacts(exit_code=0, ended_reason="Completed", ended_message=message)
    city.pod(job, PodFacts("Succeeded", exit_code=0, ended_reason="Completed", ended_message=app, score=scorer))


def test_what_the_platform_scored_serves() -> None:
    city = City(listing=scored_body(), policy=StorePolicy(minimum_assurance="Sealed"))
    city.settle()
    finish(city, "calibrate", FOUND)
    city.settle()
    finish(city, "validate", passing())
    city.settle()
    city.roll_out()
    city.settle()
    assert city.condition("Ready")["status"] == "True"
    (revision,) = city.installation["status"]["revisions"]
    assert revision["validation"]["assurance"] == "Sealed"
    assert revision["calibration"]["parameters"] == [{"name": "cmax", "value": "412.5"}]
    assert revision["validation"]["windows"] == [VALIDATION_WINDOW]


def test_a_run_is_made_for_the_order_that_is_there() -> None:
    city = City(listing=scored_body())
    city.settle()
    job = city.sent[city.job("calibrate").uid]
    (order,) = (m for m in city.sent.values() if m["metadata"]["name"].endswith("-order"))
    env = {e["name"]: e.get("value") for e in job["spec"]["template"]["spec"]["initContainers"][0]["env"]}
    assert env["DDTAS_ORDER_DIGEST"] == hashlib.sha256(order["data"]["calibrate.json"].encode()).hexdigest()


def test_what_the_app_says_of_itself_counts_for_nothing() -> None:
    city = City(listing=scored_body())
    city.settle()
    finish(city, "calibrate", FOUND)
    city.settle()
    finish(city, "validate", passing("0.12"), app=result({"NSE": 0.99}, VALIDATION_WINDOW))
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
    city = City(listing=scored_body() if scored else listing_body("Files"), policy=StorePolicy(minimum_assurance=store))
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
    body = scored_body()
    body["spec"]["versions"][0]["targets"][0] |= {"kind": "Classes"}
    city = City(listing=body)
    city.settle()
    assert city.condition("Accepted")["reason"] == "TargetInvalid"
    assert not city.started
