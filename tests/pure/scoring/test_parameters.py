"""parameters.json: what a calibration found."""

import pytest
from scoring_kit import Exam

WRONG = {
    "nothing": ("", "is no JSON"),
    "a list": ("[1]", "has not 1 to 64 numbers by name"),
    "none": ("{}", "has not 1 to 64 numbers by name"),
    "too many": ("{" + ",".join(f'"p{i}": 1' for i in range(65)) + "}", "has not 1 to 64 numbers by name"),
    "NaN": ('{"k": NaN}', "has no finite number for k"),
    "infinite": ('{"k": 1e400}', "has no finite number for k"),
    "an endless number": ('{"k": ' + "9" * 5000 + "}", "has no finite number for k"),
    "a text": ('{"k": "0.5"}', "has no finite number for k"),
    "a truth": ('{"k": true}', "has no finite number for k"),
    "a name twice": ('{"k": 1, "k": 2}', "has a name twice"),
    "no name": ('{"k k": 1}', "has the name 'k k'"),
    "a name with a newline": ('{"k\\n": 1}', "has the name"),
    "not UTF-8": (b'{"k\xff": 1}', "is no JSON in UTF-8"),
    "nested without end": ("[" * 50_000, "is no JSON"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_what_is_no_number_by_name_is_refused(exam: Exam, text: str | bytes, message: str) -> None:
    exam.write(text, "parameters.json")
    fault = exam.score(predictions=False, parameters=True).fault
    assert fault is not None
    assert (fault.reason, message in fault.message) == ("OutputMalformed", True), fault


def test_a_calibration_without_parameters_is_said(exam: Exam) -> None:
    fault = exam.score(predictions=False, parameters=True).fault
    assert fault is not None
    assert fault.reason == "OutputMissing"


def test_a_file_that_is_too_large_or_a_link_is_refused(exam: Exam) -> None:
    path = exam.write(" " * 65_537, "parameters.json")
    fault = exam.score(predictions=False, parameters=True).fault
    assert fault is not None
    assert fault.reason == "OutputTooLarge"
    path.unlink()
    path.symlink_to("/etc/passwd")
    fault = exam.score(predictions=False, parameters=True).fault
    assert fault is not None
    assert fault.reason == "OutputUnreadable"


def test_numbers_read_back_as_they_were(exam: Exam) -> None:
    exam.write(
        '{"a": 0.1, "b": -0.0, "c": 9007199254740993, "d": 1e21, "e": -2.2250738585072014e-308}', "parameters.json"
    )
    found = exam.score(predictions=False, parameters=True).parameters
    assert [p.value for p in found] == ["0.1", "0", "9007199254740992", "1e+21", "-2.2250738585072014e-308"]
