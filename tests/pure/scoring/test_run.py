"""A run that is scored: what is reported of it, and what it is refused for."""

import json
import math
from datetime import UTC, date, datetime, timedelta

import numpy
import pyarrow
import pytest
from scoring_kit import START, Exam, days, found, target, values

from ddtas.scoring.order import METRICS, TargetKind, WantedMetric
from ddtas.scoring.report import MOST_BYTES, ScoreReport

FLOW = [1.0, 2.0, 4.0, 3.0]


def one(exam: Exam) -> None:
    """Four days, and a good prediction of them."""
    exam.know({"time": days(4), "q": FLOW})
    exam.predict({"time": [d.isoformat() for d in days(4)], "value": [1.5, 2, 4, 3]})


def test_a_good_output_has_metrics_and_says_what_it_rests_on(exam: Exam) -> None:
    one(exam)
    report = exam.score()
    (predicted,) = report.predicted
    assert (predicted.target, predicted.rows) == ("flow", 4)
    assert (predicted.start, predicted.end) == ("2020-01-01T00:00:00+00:00", "2020-01-04T00:00:00+00:00")
    # NSE = 1 - 0.25 / 5
    assert values(report)["NSE"] == pytest.approx(0.95)
    assert found(report, "NSE").low is None  # four days are no sample


def test_only_the_period_is_scored_and_what_is_not_known_is_not_asked_for(exam: Exam) -> None:
    exam.know({"time": days(6), "q": [9.0, 1.0, None, 2.0, 4.0, 9.0]})
    exam.predict({"time": [d.isoformat() for d in (days(6)[1], *days(6)[3:5])], "value": [1, 2, 3]})
    report = exam.score(target(start=days(6)[1], end=days(6)[5]))
    assert values(report)["bias"] == pytest.approx(-1 / 3)
    assert report.predicted[0].rows == 3


def test_the_same_exam_has_the_same_digest_whatever_it_is_called(exam: Exam) -> None:
    one(exam)
    before = exam.score().predicted[0]
    exam.know({"q2": FLOW[::-1], "t": days(4)[::-1]}, requirement="level")
    exam.predict({"value": [9] * 4, "t": [d.isoformat() for d in days(4)]}, "other")
    again = exam.score(target(name="other", requirement="level", field="q2", time="t")).predicted[0]
    assert again.truth == before.truth
    assert again.digest != before.digest
    exam.know({"q2": [1.0, 2.0, 4.0, 3.5], "t": days(4)}, requirement="level")
    assert (
        exam.score(target(name="other", requirement="level", field="q2", time="t")).predicted[0].truth != before.truth
    )


def test_several_series_are_told_apart_by_their_keys(exam: Exam) -> None:
    times = [d for d in days(2) for _ in range(2)]
    exam.know({"time": times, "station": ["a", "b", "a", "b"], "q": [1.0, 101.0, 3.0, 103.0]})
    rows = [(times[i].isoformat(), "ab"[i % 2], [1.0, 101.0, 3.0, 103.0][i]) for i in (3, 0, 2, 1)]
    columns = dict(zip(("time", "station", "value"), zip(*rows, strict=True), strict=True))
    exam.predict({name: list(column) for name, column in columns.items()})
    assert values(exam.score(target(keys=("station",))))["NSE"] == 1.0
    # To know the mean of each station is no skill: of one sample it would be NSE 0.9996.
    exam.predict({"time": [t.isoformat() for t in times], "station": list("abab"), "value": [2, 102, 2, 102]})
    assert values(exam.score(target(keys=("station",))))["NSE"] == 0.0


def test_rows_of_drawn_keys_alone_are_asked_for(exam: Exam) -> None:
    houses = [f"house-{i}" for i in range(200)]
    exam.know({"id": houses, "q": [float(i) for i in range(200)]})
    drawn = target(time=None, keys=("id",), key="id", share_percent=25, seed="5")
    fault = exam.score(drawn, predictions=True).fault
    assert fault is not None
    assert fault.reason == "OutputMissing"
    import hashlib

    def withheld(house: str) -> bool:
        return int.from_bytes(hashlib.sha256(b"5\0" + house.encode()).digest()[:8]) / 2**64 < 0.25

    chosen = [i for i, house in enumerate(houses) if withheld(house)]
    assert 25 < len(chosen) < 75
    exam.predict({"id": [houses[i] for i in chosen], "value": chosen})
    report = exam.score(drawn)
    assert report.predicted[0].rows == len(chosen)
    assert report.predicted[0].start is None
    assert values(report)["NSE"] == 1.0


def test_days_are_days_and_moments_may_be_written_in_any_zone(exam: Exam) -> None:
    exam.know({"time": pyarrow.array([date(2020, 1, 1), date(2020, 1, 2)]), "q": [1.0, 2.0]})
    exam.predict({"time": ["2020-01-01", "2020-01-02"], "value": [1, 2]})
    zone = target(time_zone="Europe/Amsterdam", start=datetime(2019, 12, 31, 23, tzinfo=UTC))
    report = exam.score(zone)
    assert (report.predicted[0].start, report.predicted[0].rows) == ("2020-01-01", 2)
    exam.know({"time": days(3), "q": [1.0, 2.0, 4.0]})
    written = ["2020-01-01T01:00:00+01:00", "2020-01-02 00:00:00Z", "2020-01-03T01:00:00.000000000"]
    exam.predict({"time": written, "value": [1, 2, 4]})
    assert values(exam.score(target(time_zone="Europe/Amsterdam")))["NSE"] == 1.0


def test_the_hour_that_comes_twice_needs_its_offset(exam: Exam) -> None:
    night = [datetime(2020, 10, 25, hour, tzinfo=UTC) for hour in (0, 1)]
    exam.know({"time": night, "q": [1.0, 2.0]})
    exam.predict({"time": ["2020-10-25T02:00:00+02:00", "2020-10-25T02:00:00+01:00"], "value": [1, 2]})
    assert exam.score(target(time_zone="Europe/Amsterdam")).fault is None
    exam.predict({"time": ["2020-10-25T02:00:00", "2020-10-25T02:00:00"], "value": [1, 2]})
    fault = exam.score(target(time_zone="Europe/Amsterdam")).fault
    assert fault is not None
    assert (
        "'2020-10-25T02:00:00' as time, which is not a time such as 2026-01-31T12:00:00+01:00, in row 1"
        in fault.message
    )


def test_what_nobody_can_be_judged_on_is_said(exam: Exam) -> None:
    one(exam)
    fault = exam.score(target(start=START + timedelta(days=9))).fault
    assert fault is not None
    assert fault.reason == "HoldoutEmpty"
    assert "discharge has no value of q from 2020-01-10" in fault.message
    exam.know({"time": days(2) * 2, "q": FLOW})
    fault = exam.score().fault
    assert fault is not None
    assert fault.reason == "TruthMalformed"


def test_a_bounded_metric_that_cannot_be_computed_is_a_fault_and_any_other_is_left_out(exam: Exam) -> None:
    exam.know({"time": days(3), "q": [2.0, 2.0, 2.0]})
    exam.predict({"time": [d.isoformat() for d in days(3)], "value": [1, 2, 3]})
    report = exam.score()
    assert {"NSE", "KGE", "RSR", "R2"}.isdisjoint(values(report))
    assert values(report)["RMSE"] == pytest.approx(math.sqrt(2 / 3))
    for metric in ("NSE", "coverage90", "skillClimatology", "made_up"):
        fault = exam.score(wanted=[WantedMetric(target="flow", metric=metric)]).fault
        assert fault is not None
        assert fault.reason == "MetricUndefined"
        assert fault.message.startswith(f"{metric} of flow cannot be computed")


def test_predictions_beyond_all_measure_have_no_metric_and_no_crash(exam: Exam) -> None:
    exam.know({"time": days(30), "q": [float(i % 7) for i in range(30)]})
    exam.predict({"time": [d.isoformat() for d in days(30)], "value": [1e300, -1e300] * 15})
    report = exam.score()
    assert "NSE" not in values(report)
    assert math.isfinite(values(report)["MAE"])
    fault = exam.score(wanted=[WantedMetric(target="flow", metric="NSE")]).fault
    assert fault is not None
    assert fault.reason == "MetricUndefined"


def test_a_series_that_never_changes_has_no_part_in_the_variance(exam: Exam) -> None:
    times = [d for d in days(3) for _ in range(2)]
    exam.know({"time": times, "station": ["a", "b"] * 3, "q": [1.0, 0.1, 2.0, 0.1, 3.0, 0.1]})
    rows = {"time": [t.isoformat() for t in times], "station": ["a", "b"] * 3}
    exam.predict({**rows, "value": [1, 1.1, 2, 0.1, 3, 0.1]})
    # One of b is wrong by 1; a varies by 2 in all.
    assert values(exam.score(target(keys=("station",))))["NSE"] == pytest.approx(1 - 1 / 2)
    exam.know({"time": times, "station": ["a", "b"] * 3, "q": [0.3, 0.1] * 3})
    assert "NSE" not in values(exam.score(target(keys=("station",))))


def test_intervals_are_wider_where_more_confidence_is_wanted_and_the_same_each_time(exam: Exam) -> None:
    generator = numpy.random.default_rng(1)
    flow = generator.gamma(2, 2, 300)
    exam.know({"time": days(300), "q": flow.tolist()})
    exam.predict({"time": [d.isoformat() for d in days(300)], "value": (flow + generator.normal(0, 1, 300)).tolist()})
    bounds = []
    for percent in (80, 99):
        wanted = [WantedMetric(target="flow", metric="NSE", confidence_percent=percent)]
        nse = found(exam.score(wanted=wanted), "NSE")
        assert nse == found(exam.score(wanted=wanted), "NSE")
        assert nse.low is not None
        assert nse.high is not None
        assert float(nse.low) < float(nse.value) < float(nse.high)
        bounds.append((float(nse.low), float(nse.high)))
    assert bounds[1][0] < bounds[0][0]
    assert bounds[1][1] > bounds[0][1]
    assert found(exam.score(seed=8), "NSE").low != found(exam.score(), "NSE").low


def test_a_report_has_the_bounded_metrics_and_as_many_others_as_fit(exam: Exam) -> None:
    one(exam)
    targets = [target(name=f"flow-{i}") for i in range(5)]
    for t in targets:
        exam.predict({"time": [d.isoformat() for d in days(4)], "value": [1.5, 2, 4, 3]}, t.name)
    report = exam.score(*targets, wanted=[WantedMetric(target="flow-4", metric="bias")])
    assert report.scores[0].metric == "bias"
    assert [s.metric for s in report.scores[1:3]] == ["NSE", "NSE"]
    assert report.left_out > 0
    assert len(report.sealed().encode()) <= MOST_BYTES
    more = [WantedMetric(target=t.name, metric=m) for t in targets for m in METRICS[TargetKind.CONTINUOUS][:6]]
    fault = exam.score(*targets, wanted=more).fault
    assert fault is not None
    assert fault.reason == "OutputTooLarge"


def test_a_calibration_finds_parameters_and_no_other_run_does(exam: Exam) -> None:
    exam.write('{"k": 0.5, "n": 3, "tiny": 1e-300}', "parameters.json")
    report = exam.score(predictions=False, parameters=True)
    assert [(p.name, p.value) for p in report.parameters] == [("k", "0.5"), ("n", "3"), ("tiny", "1e-300")]
    assert report.predicted == ()
    fault = exam.score(predictions=False).fault
    assert fault is not None
    assert fault.reason == "OutputMalformed"
    assert "only a calibration may find parameters" in fault.message


def test_what_a_calibration_predicts_is_scored_where_it_is_there(exam: Exam) -> None:
    one(exam)
    wanted = [WantedMetric(target="flow", metric="NSE")]
    assert values(exam.score(predictions=False, wanted=wanted))["NSE"] == pytest.approx(0.95)
    (exam.output / "flow.csv").unlink()
    assert exam.score(predictions=False, wanted=wanted) == ScoreReport()


def test_a_fault_of_ours_is_one_of_ours(exam: Exam, caplog: pytest.LogCaptureFixture) -> None:
    report = exam.score()  # fetch left no truth
    assert report.fault is not None
    assert report.fault.reason == "InternalError"
    assert "FileNotFoundError" in report.fault.message


def test_each_kind_has_the_metrics_of_the_contract() -> None:
    from ddtas.scoring.target import _KINDS

    for kind, names in METRICS.items():
        assert sorted(_KINDS[kind].METRICS) == sorted(names)


def test_a_report_that_was_cut_is_none(exam: Exam) -> None:
    one(exam)
    text = exam.score().sealed()
    assert json.loads(text.partition("\n")[2])["predicted"][0]["rows"] == 4
    with pytest.raises(ValueError, match="not whole"):
        ScoreReport.unsealed(text[:-1])
