"""Ensembles, events and names, from their files to a report."""

import numpy
import pyarrow
import pytest
from scoring_kit import Exam, days, found, target, values

from ddtas.scoring.order import TargetKind, WantedMetric


def written(count: int) -> list[str]:
    return [d.isoformat() for d in days(count)]


def test_an_ensemble_is_scored_by_its_members_whatever_their_order(exam: Exam) -> None:
    exam.know({"time": days(3), "q": [1.0, 2.0, 4.0]})
    members = {"member_2": [2, 2, 2], "member_1": [0, 2, 4], "member_3": [1, 2, 3]}
    exam.predict({"time": written(3), **members})
    report = exam.score(target(TargetKind.ENSEMBLE))
    assert report.scores[0].metric == "CRPS"
    # 2/9 of 0, 1 and 2; 0; of 2, 4 and 3: 1 - 4/9
    assert values(report)["CRPS"] == pytest.approx((2 / 9 + 0 + 5 / 9) / 3)
    assert values(report)["bias"] == pytest.approx(-1 / 3)


def test_a_band_of_a_value_has_its_coverage(exam: Exam) -> None:
    exam.know({"time": days(4), "q": [1.0, 2.0, 4.0, 3.0]})
    exam.predict({"time": written(4), "value": [1, 2, 3, 3], "lower": [0, 2, 2, 4], "upper": [1, 3, 3, 5]})
    assert values(exam.score())["coverage90"] == 0.5


@pytest.mark.parametrize("truth", [[True, False, True, False], [1, 0, 1, 0], [1.0, 0.0, 1.0, 0.0]])
def test_events_are_true_or_one(exam: Exam, truth: list[bool | float]) -> None:
    exam.know({"time": days(4), "q": truth})
    exam.predict({"time": written(4), "value": [0.9, 0.2, 0.5, 0.7]})
    found = values(exam.score(target(TargetKind.BINARY)))
    assert found["Brier"] == pytest.approx((0.01 + 0.04 + 0.25 + 0.49) / 4)
    assert (found["POD"], found["FAR"], found["accuracy"]) == pytest.approx((1.0, 1 / 3, 0.75), abs=1e-6)
    assert found["AUC"] == 0.75


def test_what_is_no_event_is_not_scored_as_one(exam: Exam) -> None:
    exam.know({"time": days(2), "q": [0.0, 2.0]})
    exam.predict({"time": written(2), "value": [0, 1]})
    fault = exam.score(target(TargetKind.BINARY)).fault
    assert fault is not None
    assert (fault.reason, "q of discharge is no event" in fault.message) == ("TruthMalformed", True)


def test_the_interval_of_an_area_holds_the_area_of_other_days(exam: Exam) -> None:
    generator = numpy.random.default_rng(4)
    event = generator.random(400) < 0.3
    probability = 1 / (1 + numpy.exp(-(generator.normal(0, 1, 400) + event)))
    exam.know({"time": days(400), "q": event.tolist()})
    exam.predict({"time": written(400), "value": probability.tolist()})
    score = found(exam.score(target(TargetKind.BINARY)), "AUC")
    assert score.low is not None
    assert score.high is not None
    # Two normal distributions one standard deviation apart: Φ(1 / sqrt(2)) = 0.760
    assert float(score.low) < 0.760 < float(score.high)
    assert float(score.high) - float(score.low) < 0.15


def test_names_are_right_or_wrong(exam: Exam) -> None:
    exam.know({"time": days(4), "q": ["oak", "oak", "elm", "ash, white"]})
    exam.predict({"time": written(4), "value": ["oak", "elm", " elm", "ash, white"]})
    report = exam.score(target(TargetKind.CLASSES))
    assert values(report)["accuracy"] == 0.75
    assert values(report)["macroF1"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    # A name that there is not is wrong, and no class.
    exam.predict({"time": written(4), "value": ["oak", "birch", "", "OAK"]})
    assert values(exam.score(target(TargetKind.CLASSES)))["macroF1"] == pytest.approx((2 / 3) / 3)


def test_of_too_many_names_only_the_accuracy_is_computed(exam: Exam) -> None:
    names = [f"n{i}" for i in range(51)]
    exam.know({"time": days(51), "q": names})
    exam.predict({"time": written(51), "value": names})
    report = exam.score(target(TargetKind.CLASSES))
    assert values(report) == {"accuracy": 1.0}
    fault = exam.score(target(TargetKind.CLASSES), wanted=[WantedMetric(target="flow", metric="macroF1")]).fault
    assert fault is not None
    assert fault.reason == "MetricUndefined"


def test_a_truth_that_is_no_number_is_our_own_fault(exam: Exam) -> None:
    exam.know({"time": days(2), "q": [1.0, float("nan")]})
    exam.predict({"time": written(2), "value": [1, 2]})
    fault = exam.score().fault
    assert fault is not None
    assert fault.reason == "TruthMalformed"


def test_rows_without_a_time_or_a_value_are_of_no_exam(exam: Exam) -> None:
    moments = pyarrow.array([days(2)[0], None, days(2)[1]], pyarrow.timestamp("us", tz="UTC"))
    exam.know({"time": moments, "q": [1.0, 5.0, 2.0]})
    exam.predict({"time": written(2), "value": [1, 2]})
    assert exam.score().predicted[0].rows == 2


def test_rows_of_neither_a_time_nor_a_key_cannot_be_told_apart(exam: Exam) -> None:
    exam.know({"q": [1.0]})
    exam.predict({"value": [1]})
    fault = exam.score(target(time=None)).fault
    assert fault is not None
    assert fault.reason == "TruthMalformed"


def test_keys_that_are_numbers_are_compared_as_texts(exam: Exam) -> None:
    exam.know({"tree": [7, 12, None], "q": [1.0, 2.0, 3.0]})
    exam.predict({"tree": ["12", "7", ""], "value": [2, 1, 3]})
    assert values(exam.score(target(time=None, keys=("tree",))))["NSE"] == 1.0


def test_the_keys_of_a_drawn_holdout_are_what_is_drawn_again(exam: Exam) -> None:
    """Days of one station say little of another station: with nine stations there is no interval."""
    times = [d for d in days(60) for _ in range(12)]
    stations = [f"s{i % 12}" for i in range(720)]
    flow = numpy.random.default_rng(1).gamma(2, 2, 720).tolist()
    exam.know({"time": times, "station": stations, "q": flow})
    exam.predict({"time": [t.isoformat() for t in times], "station": stations, "value": [3.0] * 720})
    by_day = found(exam.score(target(keys=("station",))), "RMSE")
    assert by_day.low is not None
    kept = target(keys=("station",), key="station", share_percent=90, seed="1")
    from ddtas.scoring.draw import is_withheld

    drawn = [is_withheld(s, 90, "1") for s in stations]
    rows = [(t.isoformat(), s) for t, s, keep in zip(times, stations, drawn, strict=True) if keep]
    exam.predict({"time": [t for t, _ in rows], "station": [s for _, s in rows], "value": [3.0] * len(rows)})
    by_station = found(exam.score(kept), "RMSE")
    few = len({s for s, keep in zip(stations, drawn, strict=True) if keep}) < 10
    assert (by_station.low is None) == few
