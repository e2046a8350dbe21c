"""Windows that move: decided once a round, kept for its retries, newer in the next."""

import json
from dataclasses import replace
from typing import Any

from builders import FACTS, REACHABLE, VALIDATION_WINDOW, City, result

LAST = {"calibration": {"last": "P2Y"}, "validation": {"last": "P1Y"}}


def grown(city: City, last: str) -> None:
    """The source has days more than before."""
    city.observations["river-gauge"] = replace(REACHABLE, facts=FACTS.model_copy(update={"last": last}))
    assert isinstance(city.platform, dict)
    for source in city.platform["spec"]["dataSources"]:
        source["contract"]["temporalExtent"] = {"start": "2012-01-01", "end": "2026-12-31"}


def counted(**spec: Any) -> City:
    city = City()
    grown(city, "2016-12-31")
    city.edit(windows=LAST, **spec)
    return city


def windows(city: City) -> Any:
    revision = city.settle().revision
    (config,) = (m for m in city.sent.values() if m["metadata"]["name"].endswith(f"-{revision}-config"))
    return json.loads(config["data"]["validate.json"])["windows"]


def test_they_end_with_the_newest_day() -> None:
    assert windows(counted()) == {
        "calibration": {"start": "2014-01-01", "end": "2015-12-31"},
        "validation": {"start": "2016-01-01", "end": "2016-12-31"},
    }


def test_new_data_alone_makes_no_other_revision() -> None:
    city = counted()
    city.serving()
    before = city.settle().revision
    grown(city, "2017-06-30")
    assert city.settle().revision == before


def test_a_retry_is_judged_on_the_same_days() -> None:
    """A kinder window is not to be had by asking again."""
    city = counted()
    first = windows(city)
    city.fail("calibrate", "no")
    city.settle()
    grown(city, "2017-06-30")
    city.annotate(retry="2")
    assert windows(city) == first


def test_the_next_round_has_what_came_since() -> None:
    city = counted(recalibration={"maximumAge": "P30D"})
    city.serving()
    grown(city, "2017-06-30")
    city.tick(40 * 86400)
    assert windows(city)["validation"] == {"start": "2016-07-01", "end": "2017-06-30"}


def test_where_the_newest_day_is_not_known_nothing_is_run() -> None:
    city = counted()
    city.observations["river-gauge"] = replace(REACHABLE, facts=FACTS.model_copy(update={"last": None, "first": None}))
    assert isinstance(city.platform, dict)
    for source in city.platform["spec"]["dataSources"]:
        source["contract"].pop("temporalExtent", None)
    city.settle()
    assert city.condition("DataBound")["status"] != "True"
    assert not city.started


def test_data_that_is_too_short_is_not_met() -> None:
    city = counted()
    city.edit(windows={"calibration": {"last": "P20Y"}, "validation": {"last": "P1Y"}})
    city.settle()
    assert city.condition("DataBound")["reason"] == "RequirementNotMet"
    assert not city.started


def test_a_result_of_another_year_is_refused_as_ever() -> None:
    """An app that reports its own windows must keep to those that it was given."""
    city = counted()
    city.settle()
    city.finish("calibrate", result({"NSE": 0.8}, {"start": "2014-01-01", "end": "2016-06-30"}))
    city.settle()
    assert city.condition("Calibrated")["reason"] == "WindowsOverlap"
    assert VALIDATION_WINDOW["end"] == "2016-12-31"
