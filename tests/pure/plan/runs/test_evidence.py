"""Evidence: what each way in which a run can end comes to, and that what is final stands."""

import json
from typing import Any

import pytest
from builders import CALIBRATION_WINDOW, NOW, PASSING, VALIDATION_WINDOW, result, version
from hypothesis import given
from hypothesis import strategies as st

from ddtas.api.base import Verdict
from ddtas.api.evidence import Evidence, Outcome
from ddtas.errors import ResultError, printable
from ddtas.plan.reasons import Reason
from ddtas.plan.runs.evidence import MAX_RESULT_BYTES, assess, is_final, parse_result
from ddtas.plan.snapshot import Child, JobFacts, PodFacts
from ddtas.schema.types import Window

RUN = version().validation
FREE_RUN = version().calibration  # has no thresholds
CALIBRATED_ON = (Window.model_validate(CALIBRATION_WINDOW),)

RUNNING = JobFacts("Running")
COMPLETE = JobFacts("Complete", finished_at=NOW)
CRASHED = JobFacts("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit", NOW)
DEADLINE = JobFacts("Failed", "DeadlineExceeded", "Job was active longer than specified deadline", NOW)


def job(facts: JobFacts) -> Child:
    return Child("Job", "flood-0123456789-validate", facts=facts)


def done(message: str) -> PodFacts:
    return PodFacts("Succeeded", exit_code=0, ended_reason="Completed", ended_message=message)


def ended(code: int, message: str = "", reason: str = "Error") -> PodFacts:
    return PodFacts("Failed", exit_code=code, ended_reason=reason, ended_message=message)


def pulling(reason: str) -> PodFacts:
    return PodFacts("Pending", waiting_reason=reason, waiting_message='failed to pull "app": not found')


def found(
    facts: JobFacts | None, *pods: PodFacts, known: Evidence | None = None, lost: bool = False, run: Any = RUN
) -> Evidence | None:
    return assess(known, None if facts is None else job(facts), pods, run, CALIBRATED_ON, lost)


def complete(message: str, run: Any = RUN) -> Evidence:
    evidence = found(COMPLETE, done(message), run=run)
    assert evidence is not None
    return evidence


VALID = VALIDATION_WINDOW
GOOD = result(PASSING, VALIDATION_WINDOW)
IMAGE_MISSING = found(RUNNING, pulling("ImagePullBackOff"))


def test_passed() -> None:
    evidence = complete(result(PASSING | {"KGE": 0.1}, VALID, parameters={"b": 2, "a": 0.1 + 0.2}))
    assert (evidence.outcome, evidence.reason) == (Outcome.PASSED, Reason.PASSED)
    assert evidence.message == "NSE 0.72 > 0.50, RSR 0.53 < 0.70, absPBIAS 4.2 < 25"
    assert [(m.name, m.value, m.threshold, m.verdict) for m in evidence.metrics] == [
        ("KGE", "0.1", None, None),
        ("NSE", "0.72", "> 0.50", Verdict.MET),
        ("RSR", "0.53", "< 0.70", Verdict.MET),
        ("absPBIAS", "4.2", "< 25", Verdict.MET),
    ]
    assert [(p.name, float(p.value)) for p in evidence.parameters] == [("a", 0.1 + 0.2), ("b", 2.0)]  # every digit
    assert evidence.windows == (Window.model_validate(VALID),)
    assert evidence.completed_at == NOW
    assert evidence.job == "flood-0123456789-validate"


def test_a_run_without_thresholds_passes_with_its_own_message() -> None:
    assert complete(result({}, VALID, message="7500 runs"), FREE_RUN).message == "7500 runs"
    assert complete(result({}, VALID), FREE_RUN).outcome is Outcome.PASSED


def test_two_bounds_on_one_metric_must_both_hold() -> None:
    bounds = [("mustBeGreaterThan", "-5"), ("mustBeLessThan", "5")]
    thresholds = [{"metric": "bias", "operator": o, "value": v} for o, v in bounds]
    body = version().validation.dump() | {"thresholds": thresholds}
    run = type(RUN).model_validate(body)
    evidence = complete(result({"bias": 7}, VALID), run)
    assert evidence.message == "bias is 7, must be < 5"
    assert evidence.metrics[0].threshold == "> -5, < 5"
    assert evidence.metrics[0].verdict is Verdict.NOT_MET
    assert complete(result({"bias": 0}, VALID), run).outcome is Outcome.PASSED


def window(start: str, end: str) -> dict[str, str]:
    return {"start": start, "end": end}


MANY = {f"metric_with_a_long_name_{i:03}": i / 7 for i in range(64)}
ENDS: dict[Reason, dict[str, tuple[str, str]]] = {
    Reason.THRESHOLD_NOT_MET: {
        "a threshold not met": (result(PASSING | {"NSE": 0.24}, VALID), "NSE is 0.24, must be > 0.50"),
        "exactly at an exclusive bound": (result(PASSING | {"NSE": 0.5}, VALID), "NSE is 0.5, must be > 0.50"),
        "several not met, all named": (
            result({"NSE": -1, "RSR": 2, "absPBIAS": 3}, VALID),
            "NSE is -1, must be > 0.50; RSR is 2, must be < 0.70",
        ),
    },
    Reason.METRIC_MISSING: {
        "a metric missing": (result({"NSE": 0.9, "RSR": 0.1}, VALID), "the result lacks absPBIAS"),
        "every metric missing": (result({}, VALID), "the result lacks NSE, RSR, absPBIAS"),
        "missing counts before not met": (result({"NSE": -9, "RSR": 9}, VALID), "absPBIAS"),
    },
    Reason.RESULT_MISSING: {
        "nothing": ("", "wrote nothing"),
        "blank": (" \n\t", "wrote nothing"),
    },
    Reason.RESULT_TOO_LARGE: {
        "five kilobytes": (result(PASSING, VALID, message="x" * 5000), "4096 bytes or more"),
        "cut off by the kubelet": (result(PASSING, VALID, message="x" * 5000)[:MAX_RESULT_BYTES], "4096 bytes or more"),
        "exactly full": (GOOD.ljust(MAX_RESULT_BYTES), "4096 bytes or more"),
        "too many bytes in few characters": (GOOD.ljust(2600) + "é" * 800, "4096 bytes or more"),
    },
    Reason.RESULT_MALFORMED: {
        "a text": ("NSE=0.72", "not JSON: NSE=0.72"),
        "half a JSON": (GOOD[:-5], "not JSON"),
        "two JSONs": (GOOD * 2, "not JSON"),
        "deep JSON": ("[" * 4000, "not JSON"),
        "a list": ("[]", "the result: "),
        "a number": ("0.72", "the result: "),
        "null": ("null", "the result: "),
        "an empty object": ("{}", "metrics: "),
        "metrics as a list": (json.dumps({"metrics": [1], "windows": [VALID]}), "metrics: "),
        "a metric as text": (result(PASSING | {"NSE": "0.72"}, VALID), "metrics.NSE: "),
        "a metric as true": (result(PASSING | {"NSE": True}, VALID), "metrics.NSE: "),
        "a metric as an object": (result(PASSING | {"NSE": {}}, VALID), "metrics.NSE: "),
        "a strange metric name": (result(PASSING | {"a b": 1}, VALID), "metrics.a b"),
        "too many metrics": (json.dumps({"metrics": {f"m{i}": 1 for i in range(65)}, "windows": [VALID]}), "metrics: "),
        "no windows": (json.dumps({"metrics": PASSING}), "windows: "),
        "empty windows": (json.dumps({"metrics": PASSING, "windows": []}), "windows: "),
        "a window without an end": (result(PASSING, {"start": "2015-01-01"}), "windows.0.end: "),
        "a window with no such day": (result(PASSING, window("2015-02-30", "2016-12-31")), "windows.0.start: "),
        "a window with a time": (result(PASSING, window("2015-01-01T00:00", "2016-12-31")), "windows.0.start: "),
        "a window backwards": (result(PASSING, window("2016-12-31", "2013-01-01")), "windows.0: "),
        "a parameter as text": (result(PASSING, VALID, parameters={"a": "1"}), "parameters.a: "),
        "a message as a list": (result(PASSING, VALID, message=[]), "message: "),
        "a whole number beyond a float": (GOOD.replace("0.72", "9" * 400), "metrics.NSE: "),
        "more digits than Python reads": (
            json.dumps({"windows": [VALID]})[:-1] + ', "metrics": {"NSE": ' + "9" * 4000 + "}}",
            "metrics.NSE: ",
        ),
    },
    Reason.RESULT_NOT_FINITE: {
        "NaN": (result(PASSING | {"NSE": float("nan")}, VALID), "NSE is nan"),
        "Infinity": (result(PASSING | {"RSR": float("inf")}, VALID), "RSR is inf"),
        "minus Infinity": (result(PASSING | {"RSR": float("-inf")}, VALID), "RSR is -inf"),
        "1e999": (GOOD.replace("0.72", "1e999"), "NSE is inf"),
        "null for a metric": (result(PASSING | {"NSE": None}, VALID), "not a finite number"),
        "null for a parameter": (result(PASSING, VALID, parameters={"a": None}), "not a finite number"),
        "NaN in a parameter": (result(PASSING, VALID, parameters={"a": float("nan")}), "a is nan"),
        "NaN in a metric without a bound": (result(PASSING | {"KGE": float("nan")}, VALID), "KGE is nan"),
    },
    Reason.WINDOWS_OVERLAP: {
        "calibration days were used": (
            result(PASSING, window("2014-12-31", "2016-12-31")),
            "2014-12-31…2016-12-31 shares days with 2013-01-01…2014-12-31",
        ),
        "the same days": (result(PASSING, CALIBRATION_WINDOW), "shares days"),
        "a second window overlaps": (
            json.dumps({"metrics": PASSING, "windows": [VALID, window("2014-06-01", "2014-06-01")]}),
            "2014-06-01…2014-06-01",
        ),
        "an overlap is named before a threshold": (
            result({"NSE": -9, "RSR": 9, "absPBIAS": 99}, CALIBRATION_WINDOW),
            "shares days",
        ),
    },
}
FAILED = {Reason.THRESHOLD_NOT_MET, Reason.WINDOWS_OVERLAP}
ROWS = {f"{reason.value}: {name}": (reason, *row) for reason, rows in ENDS.items() for name, row in rows.items()}


@pytest.mark.parametrize(("reason", "message", "text"), ROWS.values(), ids=ROWS)
def test_a_run_that_ended_well_comes_to(reason: Reason, message: str, text: str) -> None:
    evidence = complete(message)
    assert evidence.reason == reason
    assert evidence.outcome is (Outcome.FAILED if reason in FAILED else Outcome.INCONCLUSIVE)
    assert text in evidence.message
    assert evidence.message.isprintable()
    assert is_final(evidence)


def test_an_adjacent_window_shares_no_day() -> None:
    assert complete(result(PASSING, window("2015-01-01", "2015-01-01"))).outcome is Outcome.PASSED


def test_a_nearly_full_result_is_read() -> None:
    assert complete(GOOD.ljust(MAX_RESULT_BYTES - 1)).outcome is Outcome.PASSED


def test_the_largest_result_that_the_contract_allows_makes_valid_evidence() -> None:
    message = json.dumps({"metrics": MANY, "windows": [VALID] * 16}, separators=(",", ":"))
    assert len(message) < MAX_RESULT_BYTES
    assert len(complete(message, FREE_RUN).metrics) == 64


FAILURES: dict[str, tuple[JobFacts, list[PodFacts], Reason, str]] = {
    "exit code and a JSON error": (
        CRASHED,
        [ended(1, '{"error": "no column discharge"}')],
        Reason.RUN_CRASHED,
        "exit code 1: no column discharge",
    ),
    "exit code and a text": (
        CRASHED,
        [ended(3, "Traceback: boom")],
        Reason.RUN_CRASHED,
        "exit code 3: Traceback: boom",
    ),
    "exit code alone": (CRASHED, [ended(137)], Reason.RUN_CRASHED, "exit code 137: no message"),
    "a JSON error that is no text": (
        CRASHED,
        [ended(1, '{"error": {"a": 1}}')],
        Reason.RUN_CRASHED,
        'exit code 1: {"error": {"a": 1}}',
    ),
    "a JSON that is no object": (CRASHED, [ended(1, '["error"]')], Reason.RUN_CRASHED, 'exit code 1: ["error"]'),
    "deep JSON": (CRASHED, [ended(1, "[" * 2000)], Reason.RUN_CRASHED, "exit code 1: [["),
    "the last pod counts": (
        CRASHED,
        [ended(1, "first"), ended(2, "second")],
        Reason.RUN_CRASHED,
        "exit code 2: second",
    ),
    "out of memory": (
        CRASHED,
        [ended(137, reason="OOMKilled")],
        Reason.RUN_CRASHED,
        "OOMKilled): raise resources.limits.memory",
    ),
    "no pod left": (CRASHED, [], Reason.RUN_CRASHED, "BackoffLimitExceeded: Job has reached"),
    "deadline": (DEADLINE, [], Reason.RUN_TIMED_OUT, "not done after 300 s (timeoutSeconds in the listing)"),
    "deadline with a pod that was killed": (DEADLINE, [ended(143)], Reason.RUN_TIMED_OUT, "not done after 300 s"),
}


@pytest.mark.parametrize(("facts", "pods", "reason", "text"), FAILURES.values(), ids=FAILURES)
def test_a_run_that_failed_with(facts: JobFacts, pods: list[PodFacts], reason: Reason, text: str) -> None:
    evidence = found(facts, *pods, lost=True)
    assert evidence is not None
    assert (evidence.outcome, evidence.reason) == (Outcome.INCONCLUSIVE, reason)
    assert text in evidence.message
    assert evidence.completed_at == NOW
    assert is_final(evidence)


UNDER_WAY = {
    "no Job yet": (None, []),
    "a Job without pods": (RUNNING, []),
    "a pod that starts": (RUNNING, [PodFacts("Pending", waiting_reason="ContainerCreating")]),
    "a pod that pulls for the first time": (RUNNING, [pulling("ErrImagePull")]),
    "a pod that runs": (RUNNING, [PodFacts("Running")]),
    "a pod that crashed and is tried again": (RUNNING, [ended(1)]),
    "a pod that is done, before its Job is": (RUNNING, [done(GOOD)]),
    "a Job that is done, before its pod's last event": (COMPLETE, [PodFacts("Running")]),
    "a Job that is done, with no pod": (COMPLETE, []),
    "a Job that failed, before its pod's last event": (CRASHED, [PodFacts("Running")]),
    "a Job that failed, with no pod": (CRASHED, []),
}


@pytest.mark.parametrize(("facts", "pods"), UNDER_WAY.values(), ids=UNDER_WAY)
def test_no_evidence_yet_from(facts: JobFacts | None, pods: list[PodFacts]) -> None:
    assert found(facts, *pods) is None


@pytest.mark.parametrize("pods", [[], [PodFacts("Running")]], ids=["no pod", "a pod that never ends"])
def test_a_finished_job_whose_pod_is_lost(pods: list[PodFacts]) -> None:
    evidence = found(COMPLETE, *pods, lost=True)
    assert evidence is not None
    assert (evidence.outcome, evidence.reason) == (Outcome.INCONCLUSIVE, Reason.RESULT_MISSING)
    assert "pod is gone" in evidence.message


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"])
def test_an_image_that_cannot_be_pulled_is_said_and_not_final(reason: str) -> None:
    evidence = found(RUNNING, pulling(reason))
    assert evidence is not None
    assert evidence.reason == Reason.IMAGE_PULL_FAILED
    assert evidence.message.startswith(f"image {RUN.image}: {reason}: failed to pull")
    assert evidence.completed_at is None
    assert not is_final(evidence)


BETWEEN_PULLS = ["ErrImagePull", "ImagePullBackOff", "ContainerCreating", ""]


@pytest.mark.parametrize("reason", BETWEEN_PULLS)
def test_a_failed_pull_does_not_flap(reason: str) -> None:
    assert found(RUNNING, pulling(reason), known=IMAGE_MISSING) == IMAGE_MISSING


def test_a_failed_pull_does_not_flap_when_its_message_changes() -> None:
    later = PodFacts("Pending", waiting_reason="ImagePullBackOff", waiting_message="Back-off pulling image")
    assert found(RUNNING, later, known=IMAGE_MISSING) == IMAGE_MISSING


OVERTAKEN = {
    "by the image": (RUNNING, [PodFacts("Running")], None),
    "by a result": (COMPLETE, [done(GOOD)], "Passed"),
    "by a bad result": (COMPLETE, [done("")], "ResultMissing"),
    "by a crash that was seen late": (CRASHED, [ended(1, "boom")], "RunCrashed"),
    "by a crash at the deadline": (DEADLINE, [ended(143)], "RunTimedOut"),
}


@pytest.mark.parametrize(("facts", "pods", "reason"), OVERTAKEN.values(), ids=OVERTAKEN)
def test_a_failed_pull_is_overtaken(facts: JobFacts, pods: list[PodFacts], reason: str | None) -> None:
    evidence = found(facts, *pods, known=IMAGE_MISSING)
    assert (evidence and evidence.reason) == reason


@pytest.mark.parametrize("pods", [[], [pulling("ErrImagePull")]], ids=["pod deleted", "pod pending"])
def test_a_failed_pull_is_the_cause_when_the_deadline_runs_out(pods: list[PodFacts]) -> None:
    assert found(DEADLINE, *pods, known=IMAGE_MISSING) == IMAGE_MISSING


FINAL = {
    "passed": complete(GOOD),
    "failed": complete(result(PASSING | {"NSE": 0.1}, VALID)),
    "inconclusive": complete(""),
    "crashed": found(CRASHED, ended(1)),
}
LATER = {
    "nothing is left": (None, []),
    "the pod is gone": (COMPLETE, []),
    "the Job runs again": (RUNNING, [PodFacts("Running")]),
    "the Job failed": (CRASHED, [ended(1)]),
    "another result": (COMPLETE, [done(result({"NSE": 0.99, "RSR": 0.1, "absPBIAS": 0}, VALID))]),
    "the image is gone": (RUNNING, [pulling("ImagePullBackOff")]),
}


@pytest.mark.parametrize("known", FINAL.values(), ids=FINAL)
@pytest.mark.parametrize(("facts", "pods"), LATER.values(), ids=LATER)
def test_final_evidence_stands_when(known: Evidence, facts: JobFacts | None, pods: list[PodFacts]) -> None:
    assert found(facts, *pods, known=known, lost=True) == known


HOSTILE = "\x1b[31mred\x00\r\nReady=True\u202e\u2028 end \ud800"


@pytest.mark.parametrize(
    "evidence",
    [
        found(CRASHED, ended(1, HOSTILE)),
        found(CRASHED, ended(1, json.dumps({"error": HOSTILE}))),
        found(COMPLETE, done(json.dumps({"metrics": PASSING | {HOSTILE: 1}, "windows": [VALID]}))),
        found(COMPLETE, done(f"not {HOSTILE[:-1]}")),
        found(COMPLETE, done(result({}, VALID, message=HOSTILE[:-1])), run=FREE_RUN),
        found(RUNNING, PodFacts("Pending", waiting_reason="ImagePullBackOff", waiting_message=HOSTILE)),
    ],
    ids=["crash", "JSON error", "metric name", "not JSON", "the run's own message", "image"],
)
def test_control_characters_stay_out_of_messages(evidence: Evidence) -> None:
    assert evidence.message
    assert evidence.message.isprintable()


def test_printable_is_one_bounded_line() -> None:
    assert printable("  a\n\n b\t\x07c ") == "a b �c"
    assert printable("x" * 301) == "x" * 299 + "…"
    assert printable("x" * 300) == "x" * 300
    assert printable(" " * 3000 + "x") == "…", "what is far away is not read"


@given(
    st.text(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["metrics", "windows", "start", "end", "message", "parameters", "NSE"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ).map(json.dumps)
)
def test_any_message_is_a_result_or_refused_with_a_reason(message: str) -> None:
    refusal: ResultError | None = None
    try:
        parsed = parse_result(message)
    except ResultError as error:
        refusal = error
    if refusal is None:
        assert parsed.windows
    else:
        assert refusal.reason in set(Reason)
        assert refusal.message.isprintable()
