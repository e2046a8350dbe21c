"""The command `score`: what it leaves for the operator, and how it ends."""

import json
from pathlib import Path

import pytest
from scoring_kit import Exam, days

from ddtas.runner import __main__ as command
from ddtas.runner.score import ScorePlaces
from ddtas.scoring.report import ScoreReport

ORDER = {
    "targets": [
        {
            "name": "flow",
            "requirement": "discharge",
            "field": "q",
            "kind": "Continuous",
            "time": "time",
            "start": "2020-01-01T00:00:00Z",
        }
    ],
    "wanted": [{"target": "flow", "metric": "NSE", "confidencePercent": 90}],
    "seed": 1,
}


@pytest.fixture
def exam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exam:
    exam = Exam(tmp_path)
    exam.output.mkdir()
    exam.know({"time": days(30), "q": [float(i % 7) for i in range(30)]})
    (tmp_path / "score.json").write_text(json.dumps(ORDER))
    for name, path in (("CONFIG", ""), ("TRUTH", "truth"), ("OUTPUT", "output"), ("RESULT", "message")):
        monkeypatch.setenv(f"DDTAS_{name}", str(tmp_path / path))
    monkeypatch.setattr("sys.argv", ["ddtas.runner", "score"])
    return exam


def report(exam: Exam) -> ScoreReport:
    return ScoreReport.unsealed((exam.root / "message").read_text())


def test_a_run_is_scored(exam: Exam) -> None:
    exam.predict({"time": [d.isoformat() for d in days(30)], "value": [(i % 7) + 0.5 for i in range(30)]})
    assert command.main() == 0
    (nse,) = [s for s in report(exam).scores if s.metric == "NSE"]
    assert nse.low is not None
    assert float(nse.low) < float(nse.value) < 1


def test_a_bad_output_is_a_verdict_and_no_crash(exam: Exam) -> None:
    exam.write("no table")
    assert command.main() == 0
    fault = report(exam).fault
    assert fault is not None
    assert fault.reason == "OutputMalformed"


def test_what_is_our_fault_is_no_verdict(exam: Exam) -> None:
    (exam.root / "score.json").write_text('{"seed": -1}')
    assert command.main() == 1
    fault = report(exam).fault
    assert fault is not None
    assert fault.reason == "InternalError"
    (exam.root / "score.json").unlink()
    assert command.main() == 1


def test_it_looks_where_pods_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", "TRUTH", "OUTPUT", "RESULT"):
        monkeypatch.delenv(f"DDTAS_{name}", raising=False)
    assert ScorePlaces.of_environment() == ScorePlaces(
        Path("/etc/ddtas/score.json"), Path("/truth"), Path("/output"), Path("/dev/termination-log")
    )
