"""What an app may leave to be scored, and what becomes of it: a fault with a reason, never a crash, never a score."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from scoring_kit import Exam, days, target, values

from ddtas.scoring import predictions, run
from ddtas.scoring import truth as truth_module
from ddtas.scoring.faults import ScoreError
from ddtas.scoring.files import opened
from ddtas.scoring.order import TargetKind

GOOD = "time,value\n2020-01-01T00:00:00Z,1\n2020-01-02T00:00:00Z,2\n2020-01-03T00:00:00Z,4\n"
ROWS = GOOD.splitlines(keepends=True)


@pytest.fixture(autouse=True)
def truth(exam: Exam) -> None:
    exam.know({"time": days(3), "q": [1.0, 2.0, 4.0]})
    exam.output.mkdir()


def reason(exam: Exam) -> tuple[str, str]:
    fault = exam.score().fault
    assert fault is not None
    assert len(fault.message) <= 1000
    return fault.reason, fault.message


WRITTEN = {
    "as it should be": GOOD,
    "with a byte order mark": "\ufeff" + GOOD,
    "with CR LF": GOOD.replace("\n", "\r\n"),
    "with quotes": GOOD.replace("1\n", '"1"\n').replace("time", '"time"'),
    "without the last newline": GOOD[:-1],
    "in other order": ROWS[0] + ROWS[3] + ROWS[1] + ROWS[2],
    "with its columns in other order": "".join(",".join(row.strip().split(",")[::-1]) + "\n" for row in ROWS),
    "in another zone": GOOD.replace("T00:00:00Z", "T05:30:00+05:30"),
    "as pandas has it": GOOD.replace("T00:00:00Z", " 00:00:00.000000000+00:00"),
    "with spaces around numbers": GOOD.replace(",1", ", 1 "),
    "with exponents": GOOD.replace(",4", ",+0.4E1"),
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_it_may_be_written(exam: Exam, text: str) -> None:
    exam.write(text)
    assert values(exam.score())["NSE"] == 1.0


MALFORMED: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "has no rows"),
    "a header alone": ("time,value\n", "has no rows"),
    "a header without a newline": ("time,value", "has no rows"),
    "one long line": ("time,value" + "x" * 100_000 + "\n1,2\n", "bytes: write a CSV file"),
    "no header": (GOOD[len(ROWS[0]) :], "has the columns 2020-01-01T00:00:00Z, 1"),
    "a column more": (GOOD.replace("\n", ",x\n"), "has the columns time, value, x"),
    "a column less": ("time\n2020-01-01T00:00:00Z\n", "has the columns time:"),
    "a column twice": (
        GOOD.replace(",", ",1,").replace("1,value", "value,value"),
        "has the columns time, value, value",
    ),
    "a band without an end": (GOOD.replace("\n", ",0\n").replace("value,0", "value,lower"), "has the columns"),
    "members": (GOOD.replace("value", "member_1"), "has the columns time, member_1"),
    "semicolons": (GOOD.replace(",", ";"), "has the columns time;value"),
    "a row that is shorter": (GOOD + "2020-01-04T00:00:00Z\n", "is no CSV"),
    "a row that is longer": (GOOD + "2020-01-04T00:00:00Z,1,2\n", "is no CSV"),
    "UTF-16": (GOOD.encode("utf-16"), "has no header in UTF-8"),
    "Latin-1 in a value": (GOOD.encode() + b"caf\xe9,1\n", "is no CSV"),
    "a NUL": (GOOD.replace(",4", ",4\0"), "which is no number"),
    "a decimal comma": (GOOD.replace(",4", ',"4,0"'), "'4,0' as value, which is no number, in row 3 (1 such rows)"),
    "a number with an underscore": (GOOD.replace(",4", ",4_0"), "which is no number"),
    "a hexadecimal number": (GOOD.replace(",4", ",0x4"), "which is no number"),
    "other digits": (GOOD.replace(",4", ",٤"), "which is no number"),
    "another date": (GOOD.replace("2020-01-03", "03-01-2020"), "as time, which is not a time such as"),
    "a day that there is not": (GOOD.replace("2020-01-03", "2020-02-30"), "as time, which is not a time such as"),
    "a pickle": (b"\x80\x04\x95\x0b\x00\x00\x00\n", "has no header in UTF-8"),
}


@pytest.mark.parametrize(("text", "message"), MALFORMED.values(), ids=MALFORMED)
def test_it_is_not_what_was_asked_for(exam: Exam, text: str | bytes, message: str) -> None:
    exam.write(text)
    why, said = reason(exam)
    assert (why, message in said) == ("OutputMalformed", True), said
    assert said.startswith("flow.csv has ") or said.startswith("flow.csv is ")


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-Infinity", "1e400", "-1e400", "", "null", "None", "NA"])
def test_a_prediction_that_is_no_finite_number_is_no_prediction(exam: Exam, text: str) -> None:
    exam.write(GOOD.replace(",2\n", f",{text}\n").replace(",4\n", f",{text}\n"))
    why, said = reason(exam)
    assert why == "PredictionsNotFinite"
    assert f"{text!r} as value, which is no finite number, in row 2 (2 such rows)" in said


INCOMPLETE = {
    "a row is missing": (
        "".join(ROWS[:3]),
        "2 rows, and 3 were asked for: 1 missing (first: time 2020-01-03T00:00:00+00:00)",
    ),
    "all but one are missing": ("".join(ROWS[:2]), "2 missing (first: time 2020-01-02T00:00:00+00:00)"),
    "a row is there twice": (GOOD + ROWS[2], "4 rows, and 3 were asked for: 1 there twice (first: time 2020-01-02"),
    "a row is there in two zones": (GOOD + "2020-01-02T01:00:00+01:00,2\n", "1 there twice"),
    "all are there twice": (GOOD + "".join(ROWS[1:]), "3 there twice (first: time 2020-01-01"),
    "a row is there three times": (GOOD + ROWS[2] * 2, "2 there twice"),
    "a row more": (GOOD + "2020-01-04T00:00:00Z,1\n", "1 not asked for (first: time 2020-01-04T00:00:00+00:00)"),
    "a day later": (
        GOOD.replace("01-03", "01-04"),
        "1 missing (first: time 2020-01-03T00:00:00+00:00); 1 not asked for",
    ),
    "a microsecond later": (GOOD.replace("03T00:00:00", "03T00:00:00.000001"), "1 missing"),
}


@pytest.mark.parametrize(("text", "message"), INCOMPLETE.values(), ids=INCOMPLETE)
def test_each_row_that_was_asked_for_comes_once(exam: Exam, text: str, message: str) -> None:
    exam.write(text)
    why, said = reason(exam)
    assert (why, message in said) == ("PredictionsIncomplete", True), said
    assert said.endswith("Write each row of predict/flow.csv once, and no other")


def _link(path: Path) -> None:
    (path.parent.parent / "elsewhere.csv").write_text(GOOD)
    path.symlink_to(path.parent.parent / "elsewhere.csv")


def _hard_link(path: Path) -> None:
    path.with_name("other.csv").write_text(GOOD)
    path.hardlink_to(path.with_name("other.csv"))


def _closed(path: Path) -> None:
    path.write_text(GOOD)
    path.chmod(0)


def _unix_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(here)


ENTRIES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a link": (_link, "flow.csv is a link: write a regular file"),
    "a link to nothing": (lambda path: path.symlink_to("nowhere"), "is a link"),
    "a link to a descriptor": (lambda path: path.symlink_to("/proc/self/fd/0"), "is a link"),
    "a second name": (_hard_link, "has a second name (a hard link)"),
    "a FIFO": (os.mkfifo, "is no regular file"),
    "a folder": (Path.mkdir, "is no regular file"),
    "a socket": (_unix_socket, "cannot be opened"),
}


@pytest.mark.parametrize(("make", "message"), ENTRIES.values(), ids=ENTRIES)
def test_only_regular_files_are_opened(exam: Exam, make: Callable[[Path], None], message: str) -> None:
    make(exam.output / "flow.csv")
    why, said = reason(exam)
    assert (why, message in said) == ("OutputUnreadable", True), said


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads all")
def test_a_file_that_others_may_not_read_is_unreadable(exam: Exam) -> None:
    _closed(exam.output / "flow.csv")
    assert reason(exam)[0] == "OutputUnreadable"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_not_read(exam: Exam) -> None:
    try:
        os.mknod(exam.output / "flow.csv", 0o020644, os.makedev(1, 5))  # /dev/zero
    except PermissionError:
        pytest.skip("no right to make devices")
    assert reason(exam)[0] == "OutputUnreadable"


def test_an_output_that_is_a_link_itself_is_not_followed(exam: Exam) -> None:
    exam.write(GOOD)
    exam.output.rename(exam.root / "moved")
    exam.output.symlink_to(exam.root / "moved")
    assert reason(exam)[0] == "OutputUnreadable"


def test_a_file_without_end_is_not_read_to_its_end(exam: Exam) -> None:
    with (exam.output / "flow.csv").open("wb") as file:
        file.truncate(predictions.MOST_BYTES + 1)  # takes no room
    assert reason(exam) == (
        "OutputTooLarge",
        f"flow.csv has more than {predictions.MOST_BYTES} bytes: write only what was asked for",
    )


def test_more_values_than_fit_into_memory_are_refused(exam: Exam, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "_MOST_NUMBERS", 2)
    exam.write(GOOD)
    assert reason(exam)[0] == "OutputTooLarge"


def test_an_output_that_is_not_there_is_said(exam: Exam) -> None:
    assert reason(exam) == (
        "OutputMissing",
        "there is no flow.csv: write the predictions of the target flow there",
    )


def test_what_an_app_writes_is_quoted_short_and_on_one_line(exam: Exam) -> None:
    exam.write(GOOD.replace(",4", ',"' + "\x1b[31mx\u202e" * 10_000 + '"'))
    _, said = reason(exam)
    assert said.isprintable()
    assert len(said) < 200


def test_a_band_has_its_lower_below_its_upper(exam: Exam) -> None:
    exam.predict({"time": [d.isoformat() for d in days(3)], "value": [1, 2, 4], "lower": [0, 3, 3], "upper": [2, 2, 5]})
    why, said = reason(exam)
    assert why == "OutputMalformed"
    assert "'3' as lower, which is above its upper, in row 2" in said


@pytest.mark.parametrize("value", ["-0.1", "1.1"])
def test_a_probability_is_from_0_to_1(exam: Exam, value: str) -> None:
    exam.know({"time": days(3), "q": [True, False, True]})
    exam.write(GOOD.replace(",2", f",{value}").replace(",4", ",0"))
    fault = exam.score(target(TargetKind.BINARY)).fault
    assert fault is not None
    assert "which is no probability from 0 to 1, in row 2 (1 such rows)" in fault.message


@pytest.mark.parametrize(
    ("names", "message"),
    [(["member_1"], "member_1 to member_N"), (["member_1", "member_3"], ""), (["member_0", "member_1"], "")],
)
def test_members_are_numbered(exam: Exam, names: list[str], message: str) -> None:
    exam.predict({"time": [d.isoformat() for d in days(3)]} | {name: [1, 2, 3] for name in names})
    fault = exam.score(target(TargetKind.ENSEMBLE)).fault
    assert fault is not None
    assert (fault.reason, message in fault.message) == ("OutputMalformed", True)


def test_a_file_that_grows_while_it_is_read_is_read_no_further(exam: Exam) -> None:
    path = exam.write(b"x" * 10)
    with opened(exam.output, "flow.csv", 15) as file:
        assert file is not None
        with path.open("ab") as other:
            other.write(b"x" * 10)
        with pytest.raises(ScoreError, match="more than 15 bytes"):
            file.read()


@pytest.mark.parametrize("name", ["../truth/discharge/data.parquet", "a/b", "..", ""])
def test_a_name_with_a_folder_is_no_name(exam: Exam, name: str) -> None:
    with pytest.raises(ValueError, match="no folder"), opened(exam.output, name, 10):
        pass


def test_a_truth_that_is_too_long_is_said(exam: Exam, monkeypatch: pytest.MonkeyPatch) -> None:
    exam.write(GOOD)
    monkeypatch.setattr(truth_module, "MOST_ASKED", 2)
    why, said = reason(exam)
    assert (why, "3 rows of discharge are withheld, of at most 2" in said) == ("TruthMalformed", True)
    monkeypatch.setattr(truth_module, "_MOST_ROWS", 2)
    assert "discharge has more than 2 rows" in reason(exam)[1]


def test_predictions_that_do_not_fit_into_memory_are_too_large(exam: Exam, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    exam.write(GOOD)
    monkeypatch.setattr(run, "score_target", full)
    assert reason(exam)[0] == "OutputTooLarge"


def test_a_holdout_in_which_nothing_was_drawn_is_said(exam: Exam) -> None:
    exam.know({"tree": ["oak"], "q": [1.0]})
    fault = exam.score(target(time=None, keys=("tree",), key="tree", share_percent=1, seed="1")).fault
    assert fault is not None
    assert (fault.reason, "in the 1 % of tree that are withheld" in fault.message) == ("HoldoutEmpty", True)
