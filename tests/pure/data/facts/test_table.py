"""Facts about tables."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddtas.data.contract import DataContract
from ddtas.data.facts.table import Table
from ddtas.data.session import place
from ddtas.errors import SourceError, printable

PLACE = "https://data.example/table.csv"


def contract(**types: str) -> DataContract:
    fields = [{"name": name, "type": kind} for name, kind in (types or {"day": "date"}).items()]
    return DataContract.model_validate({"version": "1.0.0", "fields": fields})


def table(*rows: list[str], promised: DataContract | None = None) -> Table:
    header, *records = rows
    result = Table(header, promised or contract(), PLACE)
    half = len(records) // 2
    result.add(records[:half])  # in two goes, for what must be remembered in between
    result.add(records[half:])
    return result


def series(*days: str) -> Table:
    return table(["day"], *([day] for day in days))


@pytest.mark.parametrize(
    ("values", "kind", "empty"),
    [
        (["1", "-2", "+3", "007"], "integer", 0),
        (["1", "2.5"], "number", 0),
        (["2.5", "1"], "number", 0),
        (["1", "1e3", ".5", "5.", "-1.5E-7"], "number", 0),
        (["1", "x"], "string", 0),
        (["2.5", "x", "1"], "string", 0),
        (["2024-02-29", "1999-12-31"], "date", 0),
        (["2024-02-29", "2023-02-29"], "string", 0),
        (["2024-02-29", "1"], "string", 0),
        (["1", "2024-02-29"], "string", 0),
        (["20240229"], "integer", 0),
        (["2024-W01-1"], "string", 0),
        (["3,14"], "string", 0),
        (["inf"], "string", 0),
        ([" 1"], "string", 0),
        (["١٢"], "string", 0),  # digits, but not those of ISO 4180 readers
        (["1", "", "NaN", "nan", "2"], "integer", 3),
        (["NaN", "2.5"], "number", 1),
        (["", "2024-01-01"], "date", 1),
        (["", ""], "string", 2),
        ([], "string", 0),
    ],
)
def test_narrowest_type_and_empty_values(values: list[str], kind: str, empty: int) -> None:
    (field,) = table(["x"], *([value] for value in values)).facts(1).fields
    assert (field.name, field.type, field.empty) == ("x", kind, empty)


def test_a_column_without_values_has_the_type_that_was_promised() -> None:
    facts = table(["day", "level"], ["2024-01-01", ""], promised=contract(day="date", level="number")).facts(1)
    assert [field.type for field in facts.fields] == ["date", "number"]


@pytest.mark.parametrize(
    ("days", "resolution"),
    [
        (["2024-01-01", "2024-01-02", "2024-01-03"], "P1D"),
        (["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-09", "2024-01-10"], "P1D"),  # a gap
        (["2024-01-03", "2024-01-02", "2024-01-01"], "P1D"),  # newest first
        (["2024-01-01", "2024-01-01", "2024-01-02", "2024-01-02"], "P1D"),  # two stations
        (["2024-01-01", "2024-01-08", "2024-01-15"], "P7D"),
        (["2024-01-01", "2024-01-03", "2024-01-05"], "P2D"),
        (["2023-12-01", "2024-01-01", "2024-02-01", "2024-03-01"], "P1M"),
        (["2023-12-31", "2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"], "P1M"),
        (["2023-02-01", "2023-03-01"], "P1M"),  # 28 days, but a month
        (["2020-02-29", "2021-02-28", "2022-02-28"], "P1Y"),
        (["2020-01-01", "2021-01-01", "2022-01-01"], "P1Y"),
        (["9999-11-30", "9999-12-31"], "P1M"),
        (["2024-01-01", "2024-01-02", "2024-01-09"], None),  # no step is most
        (["2024-01-01"], None),
        (["2024-01-01", "2024-01-01"], None),
    ],
)
def test_time_resolution(days: list[str], resolution: str | None) -> None:
    assert series(*days).facts(1).time_resolution == resolution


def test_the_time_axis_is_the_first_column_that_was_promised_as_date() -> None:
    rows = table(
        ["made", "day"], ["1999-01-01", "2024-01-01"], ["1999-01-01", "2024-01-02"], promised=contract(day="date")
    )
    assert (rows.facts(1).first, rows.facts(1).last) == ("2024-01-01", "2024-01-02")


def test_without_a_promise_the_first_date_column_is_the_time_axis() -> None:
    rows = table(["x", "made", "day"], ["1", "1999-01-01", "2024-01-01"], promised=contract(level="number"))
    assert rows.facts(1).first == "1999-01-01"


def test_a_broken_promise_gives_no_time_facts() -> None:
    facts = table(["day", "made"], ["1 jan", "2024-01-01"], promised=contract(day="date")).facts(1)
    assert (facts.first, facts.last, facts.time_resolution) == (None, None, None)


@pytest.mark.parametrize(
    ("days", "first", "last"),
    [
        (["2024-01-01", "2024-01-02"], "2024-01-01", None),
        (["2024-01-02", "2024-01-01"], None, "2024-01-02"),  # newest first
        (["2024-01-02", "2024-01-01", "2024-01-03"], None, None),  # in no order
    ],
)
def test_facts_that_need_the_end_are_absent_when_there_is_more(
    days: list[str], first: str | None, last: str | None
) -> None:
    facts = series(*days).facts(None)
    assert (facts.first, facts.last, facts.records, facts.size_bytes) == (first, last, None, None)
    assert facts.time_resolution == (None if first == last else "P1D")


@given(
    st.lists(st.dates(min_value=date(1900, 1, 1), max_value=date(2100, 1, 1)), min_size=1, max_size=20),
    st.randoms(use_true_random=False),
)
def test_first_and_last_do_not_depend_on_the_order(days: list[date], random) -> None:  # type: ignore[no-untyped-def]
    expected = (min(days).isoformat(), max(days).isoformat(), len(days))
    random.shuffle(days)
    facts = series(*(day.isoformat() for day in days)).facts(1)
    assert (facts.first, facts.last, facts.records) == expected


def test_irregular_dates_take_no_more_memory_than_regular_ones() -> None:
    day, days = date(1900, 1, 1), []
    for step in range(1, 300):
        day += timedelta(days=step)
        days.append(day.isoformat())
    rows = series(*days)
    assert len(rows._columns[0].axis._steps) <= 65
    assert rows.facts(1).time_resolution is None


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ([f"c{number}" for number in range(129)], "129 columns"),
        (["a", "a"], "name of an earlier column"),
        (["a", ""], "column 2"),
        (["1a"], "not a field name"),
        (["a b"], "not a field name"),
        (["x" * 64], "not a field name"),
        (["é"], "not a field name"),
        (["a\n"], "not a field name"),
        (["day;level"], "separated by commas"),
        (["day\tlevel"], "separated by commas"),
    ],
)
def test_refuses_hostile_headers(header: list[str], says: str) -> None:
    with pytest.raises(SourceError, match=says) as caught:
        table(header)
    assert caught.value.reason == "MalformedData"
    assert caught.value.message.startswith(PLACE)


def test_takes_as_many_columns_as_a_status_can_hold() -> None:
    assert len(table([f"c{number}" for number in range(128)]).facts(1).fields) == 128


def test_shows_names_bounded_and_without_control_characters() -> None:
    with pytest.raises(SourceError) as caught:
        table(["\x1b[31m\r\n\u202e" + "x" * 5000])
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("row", [["1"], ["1", "2", "3"]])
def test_refuses_ragged_records(row: list[str]) -> None:
    with pytest.raises(SourceError, match=f"record 2 has {len(row)} values where the header names 2"):
        table(["a", "b"], ["1", "2"], row)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@host:8443/a/b.csv?key=secret#secret", "https://host:8443/a/b.csv"),
        ("https://secret@host", "https://host"),
        ("https://host?secret@x/", "https://host"),
        ("https://host/a@b", "https://host/a@b"),
        ("https://host/\x1b[31m", "https://host/�[31m"),
        ("", "://"),
    ],
)
def test_messages_show_no_user_info_and_no_query(url: str, shown: str) -> None:
    assert place(url) == shown


@given(st.text(), st.integers(1, 50))
def test_printable_is_bounded_and_printable(text: str, length: int) -> None:
    shown = printable(text, length)
    assert len(shown) <= length
    assert shown.isprintable()


LOCAL = ["2024-03-30 23:00", "2024-03-31 00:00", "2024-03-31 01:00", "2024-03-31 03:00"]  # the clock goes on at 2:00


def zoned(zone: str | None, name: str = "at") -> DataContract:
    body = {"version": "1.0.0", "fields": [{"name": name, "type": "timestamp"}], "timeZone": zone}
    return DataContract.model_validate({key: value for key, value in body.items() if value})


def test_times_without_an_offset_are_of_the_zone_of_the_contract() -> None:
    facts = table(["at"], *([text] for text in LOCAL), promised=zoned("Europe/Amsterdam")).facts(1)
    assert (facts.first, facts.last) == ("2024-03-30T22:00:00Z", "2024-03-31T01:00:00Z")
    assert (facts.time_resolution, facts.unknown) == ("PT1H", ())


@pytest.mark.parametrize("zone", [None, "Europe/Atlantis", "Europe"])
def test_times_without_an_offset_or_zone_are_no_moments(zone: str | None) -> None:
    facts = table(["at"], *([text] for text in LOCAL), promised=zoned(zone)).facts(1)
    assert facts.fields[0].type == "timestamp"
    assert (facts.first, facts.last, facts.time_resolution) == (None, None, None)
    assert facts.why_unknown("first") == (
        "times in at have no offset, and the contract has no timeZone that is known: it must say of which zone"
    )


def test_an_offset_goes_before_the_zone() -> None:
    facts = table(["at"], ["2024-07-01T12:00:00Z"], ["2024-07-01 13:00"], promised=zoned("Europe/Amsterdam")).facts(1)
    assert (facts.first, facts.last) == ("2024-07-01T11:00:00Z", "2024-07-01T12:00:00Z")
