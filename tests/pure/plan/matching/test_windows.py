"""Windows that are counted back from the newest day."""

import pytest

from ddtas.data.measured import SourceFacts
from ddtas.plan.matching.windows import CountedBack, common_day, newest_day
from ddtas.schema.types import Window


@pytest.mark.parametrize(
    ("lengths", "newest", "calibration", "validation"),
    [
        (("P2Y", "P1Y"), "2016-12-31", "2014-01-01…2015-12-31", "2016-01-01…2016-12-31"),
        (("P1M", "P1M"), "2016-03-31", "2016-02-01…2016-02-29", "2016-03-01…2016-03-31"),
        (("P1M", "P1M"), "2016-02-29", "2016-01-01…2016-01-31", "2016-02-01…2016-02-29"),
        (("P10D", "P1D"), "2016-01-05", "2015-12-26…2016-01-04", "2016-01-05…2016-01-05"),
        (("P1W", "P1W"), "2016-01-14", "2016-01-01…2016-01-07", "2016-01-08…2016-01-14"),
    ],
)
def test_validation_ends_with_the_newest_day_and_calibration_before_it(
    lengths: tuple[str, str], newest: str, calibration: str, validation: str
) -> None:
    windows = CountedBack(*lengths).ending(newest)
    assert windows is not None
    assert (str(windows.calibration), str(windows.validation)) == (calibration, validation)
    assert not windows.calibration.overlaps(windows.validation)


@pytest.mark.parametrize(
    ("lengths", "newest"),
    [
        (("P1Y", "P9999Y"), "2016-12-31"),
        (("P9999Y", "P1Y"), "2016-12-31"),
        (("P1Y", "P0D"), "2016-12-31"),
        (("P1Y", "P1D"), "0001-01-01"),
        (("P1Y", "P1D"), "9999-12-31"),
    ],
)
def test_what_the_calendar_does_not_have(lengths: tuple[str, str], newest: str) -> None:
    assert CountedBack(*lengths).ending(newest) is None


PROMISED = Window(start="2012-01-01", end="2016-12-31")


@pytest.mark.parametrize(
    ("last", "promised", "day"),
    [
        ("2016-12-30", PROMISED, "2016-12-30"),  # what is measured counts before what is promised
        ("2016-12-30T14:00:00Z", PROMISED, "2016-12-29"),  # a day that may go on is not whole
        ("0001-01-01T00:00:00Z", None, None),
        (None, PROMISED, "2016-12-31"),
        (None, None, None),
    ],
)
def test_the_newest_whole_day(last: str | None, promised: Window | None, day: str | None) -> None:
    assert newest_day(SourceFacts(last=last), promised) == day


def test_of_several_sources_the_day_that_all_have() -> None:
    assert common_day(["2016-12-31", "2016-11-30"]) == "2016-11-30"
    assert common_day(["2016-12-31", None]) is None
    assert common_day([]) is None
