"""Which source meets a requirement: each check on both sides, and what follows from all of them."""

import itertools
from typing import Any

import pytest
from builders import (
    CALIBRATION_WINDOW,
    FACTS,
    NOW,
    REACHABLE,
    UNREACHABLE,
    VALIDATION_WINDOW,
    platform_body,
    source,
    version,
)
from hypothesis import given
from hypothesis import strategies as st
from plan.matching.kit import match

from ddtas.api.base import Verdict
from ddtas.api.installation import Windows
from ddtas.api.installation_status import Check
from ddtas.api.platform import DataSource
from ddtas.api.requirements import DataRequirement
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.plan.matching.binding import bind, verdict
from ddtas.plan.matching.checks import Circumstances
from ddtas.plan.matching.times import needed_days
from ddtas.plan.reasons import Reason
from ddtas.plan.snapshot import SourceObservation
from ddtas.schema.types import Window

MET, NOT_MET, UNKNOWN = Verdict.MET, Verdict.NOT_MET, Verdict.UNKNOWN
PERIODS = Windows(
    calibration=Window.model_validate(CALIBRATION_WINDOW), validation=Window.model_validate(VALIDATION_WINDOW)
)
WINDOWS = Circumstances(PERIODS, NOW)
NOT_PROBED = None
PROBE_FAILED = SourceObservation("Unknown", "InternalError", "the probe itself failed")


def requirement(**changes: Any) -> DataRequirement:
    return DataRequirement.model_validate(version().dump()["dataRequirements"][0] | changes)


def contract(**changes: Any) -> DataSource:
    """The example's source with another contract; None takes a promise away."""
    body = platform_body()["spec"]["dataSources"][0]["contract"] | changes
    return source(contract={k: v for k, v in body.items() if v is not None})


def promised(name: str, **changes: Any) -> DataSource:
    """The example's source with one contract field changed, or without it."""
    fields = platform_body()["spec"]["dataSources"][0]["contract"]["fields"]
    kept = [f | changes if f["name"] == name else f for f in fields if f["name"] != name or changes]
    return contract(fields=[{k: v for k, v in f.items() if v is not None} for f in kept])


def measured(**changes: Any) -> SourceObservation:
    return SourceObservation("Reachable", "Read", "", FACTS.model_copy(update=changes))


def measured_field(name: str, type_: str | None) -> SourceObservation:
    """The example's facts with one field of another type, or without it."""
    fields = [f for f in FACTS.fields if f.name != name]
    return measured(fields=(*fields, *([MeasuredField(name=name, type=type_)] if type_ else [])))


def check(name: str, required: DataRequirement, offered: DataSource, seen: SourceObservation | None) -> Check:
    return next(c for c in match(required, offered, seen, WINDOWS) if c.name == name)


S, R, SEEN_IT = source(), requirement(), REACHABLE
LEVEL = "service level availability"


def level(**changes: Any) -> DataSource:
    return source(serviceLevels=[{"property": "availability", "value": "99", "unit": "%"} | changes])


def period(start: str, end: str) -> DataSource:
    return contract(temporalExtent={"start": start, "end": end})


# id: check, requirement, source, observation → declared, measured
CHECKS: dict[str, tuple[str, DataRequirement, DataSource, SourceObservation | None, Verdict, Verdict]] = {
    "kind": ("kind", R, S, SEEN_IT, MET, MET),
    "kind, not probed": ("kind", R, S, NOT_PROBED, MET, UNKNOWN),
    "reachable": ("reachable", R, S, SEEN_IT, MET, MET),
    "reachable, not probed": ("reachable", R, S, NOT_PROBED, UNKNOWN, UNKNOWN),
    "reachable, the probe failed": ("reachable", R, S, PROBE_FAILED, UNKNOWN, UNKNOWN),
    "reachable, it is not": ("reachable", R, S, UNREACHABLE, UNKNOWN, UNKNOWN),
    "theme": ("theme", R, S, SEEN_IT, MET, UNKNOWN),
    "theme, another": ("theme", R, source(theme="air"), SEEN_IT, NOT_MET, UNKNOWN),
    "theme, none given": ("theme", R, source(theme=None), SEEN_IT, UNKNOWN, UNKNOWN),
    "access rights": ("access rights", R, S, SEEN_IT, MET, UNKNOWN),
    "access rights, others": ("access rights", R, source(accessRights="non-public"), SEEN_IT, NOT_MET, UNKNOWN),
    "purpose": ("purpose", R, S, SEEN_IT, MET, UNKNOWN),
    "purpose, another": ("purpose", R, source(purposes=["water-management"]), SEEN_IT, NOT_MET, UNKNOWN),
    "field": ("field date", R, S, SEEN_IT, MET, MET),
    "field, not probed": ("field date", R, S, NOT_PROBED, MET, UNKNOWN),
    "field, unreachable": ("field date", R, S, UNREACHABLE, MET, UNKNOWN),
    "field, not promised": ("field date", R, promised("date"), SEEN_IT, NOT_MET, MET),
    "field, not in the data": ("field date", R, S, measured_field("date", None), MET, NOT_MET),
    "field, promised as text": ("field date", R, promised("date", type="string"), SEEN_IT, NOT_MET, MET),
    "field, text in the data": ("field date", R, S, measured_field("date", "string"), MET, NOT_MET),
    "field, integers for numbers": (
        "field discharge_m3s",
        R,
        promised("discharge_m3s", type="integer"),
        measured_field("discharge_m3s", "integer"),
        MET,
        MET,
    ),
    "field, numbers for integers": (
        "field n",
        requirement(fields=[{"name": "n", "type": "integer"}]),
        contract(fields=[{"name": "n", "type": "number"}]),
        measured_field("n", "number"),
        NOT_MET,
        NOT_MET,
    ),
    "field, anything for a string": (
        "field n",
        requirement(fields=[{"name": "n", "type": "string"}]),
        contract(fields=[{"name": "n", "type": "date"}]),
        measured_field("n", "number"),
        MET,
        MET,
    ),
    "field, another unit": ("field discharge_m3s", R, promised("discharge_m3s", unit="l/s"), SEEN_IT, NOT_MET, MET),
    "field, no unit given": ("field discharge_m3s", R, promised("discharge_m3s", unit=None), SEEN_IT, NOT_MET, MET),
    "field, no unit needed": ("field date", R, promised("date", unit="d"), SEEN_IT, MET, MET),
    "period": ("period", R, S, SEEN_IT, MET, MET),
    "period, not promised": ("period", R, contract(temporalExtent=None), SEEN_IT, UNKNOWN, MET),
    "period, not probed": ("period", R, S, NOT_PROBED, MET, UNKNOWN),
    "period, promised a day too late": ("period", R, period("2012-01-03", "2016-12-31"), SEEN_IT, NOT_MET, MET),
    "period, promised a day too short": ("period", R, period("2012-01-01", "2016-12-30"), SEEN_IT, NOT_MET, MET),
    "period, promised to the day": ("period", R, period("2012-01-02", "2016-12-31"), SEEN_IT, MET, MET),
    "period, data a day too late": ("period", R, S, measured(first="2012-01-03"), MET, NOT_MET),
    "period, data a day too short": ("period", R, S, measured(last="2016-12-30"), MET, NOT_MET),
    "period, data's end not read": ("period", R, S, measured(last=None), MET, UNKNOWN),
    "period, data's end not read and late": ("period", R, S, measured(first="2014-01-01", last=None), MET, NOT_MET),
    "period, no warm-up": (
        "period",
        requirement(warmUpDays=None),
        period("2013-01-01", "2016-12-31"),
        SEEN_IT,
        MET,
        MET,
    ),
    "time resolution": ("time resolution", R, S, SEEN_IT, MET, MET),
    "time resolution, not promised": ("time resolution", R, contract(timeResolution=None), SEEN_IT, UNKNOWN, MET),
    "time resolution, another promised": ("time resolution", R, contract(timeResolution="P7D"), SEEN_IT, NOT_MET, MET),
    "time resolution, another in the data": ("time resolution", R, S, measured(time_resolution="P7D"), MET, NOT_MET),
    "time resolution, a shorter one in the data": ("time resolution", R, S, measured(time_resolution="PT1H"), MET, MET),
    "time resolution, not measured": ("time resolution", R, S, measured(time_resolution=None), MET, UNKNOWN),
    "records": ("records", R, S, SEEN_IT, UNKNOWN, MET),
    "records, promised": ("records", R, contract(records=1096), NOT_PROBED, MET, UNKNOWN),
    "records, one too few promised": ("records", R, contract(records=1095), SEEN_IT, NOT_MET, MET),
    "records, none promised": ("records", R, contract(records=0), SEEN_IT, NOT_MET, MET),
    "records, just enough counted": ("records", R, S, measured(records=1096), UNKNOWN, MET),
    "records, one too few counted": ("records", R, S, measured(records=1095), UNKNOWN, NOT_MET),
    "records, none counted": ("records", R, S, measured(records=0), UNKNOWN, NOT_MET),
    "records, not counted": ("records", R, S, measured(records=None), UNKNOWN, UNKNOWN),
    "service level": (LEVEL, R, S, SEEN_IT, MET, UNKNOWN),
    "service level, at the bound": (LEVEL, R, level(value="95"), SEEN_IT, MET, UNKNOWN),
    "service level, too low": (LEVEL, R, level(value="94.9"), SEEN_IT, NOT_MET, UNKNOWN),
    "service level, another unit": (LEVEL, R, level(value="990", unit="permille"), SEEN_IT, MET, UNKNOWN),
    "service level, too low in another unit": (LEVEL, R, level(unit="permille"), SEEN_IT, NOT_MET, UNKNOWN),
    "service level, a unit of something else": (LEVEL, R, level(unit="m"), SEEN_IT, UNKNOWN, UNKNOWN),
    "service level, no promise": (LEVEL, R, source(serviceLevels=[]), SEEN_IT, UNKNOWN, UNKNOWN),
}


@pytest.mark.parametrize(("name", "required", "offered", "seen", "declared", "found"), CHECKS.values(), ids=CHECKS)
def test_check(
    name: str,
    required: DataRequirement,
    offered: DataSource,
    seen: SourceObservation | None,
    declared: Verdict,
    found: Verdict,
) -> None:
    result = check(name, required, offered, seen)
    assert (result.declared, result.measured) == (declared, found)
    assert result.message
    assert [c.name for c in match(required, offered, seen, WINDOWS)].count(name) == 1


def test_only_what_is_asked_for_is_checked() -> None:
    bare = requirement(
        theme=None,
        timeResolution=None,
        minimumRecords=None,
        purpose=None,
        accessRights=None,
        serviceLevels=[],
        fields=[{"name": "date", "type": "date"}],
    )
    public = source(accessRights="public")
    assert [c.name for c in match(bare, public, SEEN_IT, WINDOWS)] == ["kind", "reachable", "field date", "period"]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], MET),
        ([(MET, MET)], MET),
        ([(MET, UNKNOWN)], MET),
        ([(UNKNOWN, MET)], MET),
        ([(UNKNOWN, UNKNOWN)], UNKNOWN),
        ([(MET, NOT_MET)], NOT_MET),
        ([(NOT_MET, MET)], NOT_MET),
        ([(NOT_MET, UNKNOWN)], NOT_MET),
        ([(MET, MET), (UNKNOWN, UNKNOWN)], UNKNOWN),
        ([(UNKNOWN, UNKNOWN), (NOT_MET, MET)], NOT_MET),
    ],
)
def test_verdict_of_all_checks(pairs: list[tuple[Verdict, Verdict]], expected: Verdict) -> None:
    checks = [Check(name=f"c{i}", declared=d, measured=m, message="m") for i, (d, m) in enumerate(pairs)]
    assert verdict(checks) is expected


def test_needed_days_cover_both_windows_and_the_warm_up() -> None:
    assert str(needed_days(requirement(warmUpDays=365), PERIODS)) == "2012-01-02…2016-12-31"
    swapped = Windows(calibration=PERIODS.validation, validation=PERIODS.calibration)
    assert needed_days(requirement(), swapped) == needed_days(requirement(), PERIODS)


# ---- which one ----


def named(name: str, **changes: Any) -> DataSource:
    return source(name=name, **changes)


GOOD_A, GOOD_B = named("a"), named("b")
WRONG = named("wrong", theme="air")
SEEN = dict.fromkeys(("a", "b", "wrong", "far"), REACHABLE)

ANSWERS: dict[str, Any] = {
    "exactly one fit binds": ([GOOD_A, WRONG], SEEN, None, Reason.BOUND, MET, "a"),
    "several are a question": ([GOOD_A, GOOD_B], SEEN, None, Reason.BINDING_AMBIGUOUS, UNKNOWN, None),
    "a choice among several": ([GOOD_A, GOOD_B], SEEN, "b", Reason.BOUND, MET, "b"),
    "a choice of what does not fit": ([GOOD_A, WRONG], SEEN, "wrong", Reason.REQUIREMENT_NOT_MET, NOT_MET, None),
    "a choice of nothing": ([GOOD_A], SEEN, "c", Reason.BINDING_INVALID, NOT_MET, None),
    "no source": ([], SEEN, None, Reason.REQUIREMENT_NOT_MET, NOT_MET, None),
    "none fits": ([WRONG], SEEN, None, Reason.REQUIREMENT_NOT_MET, NOT_MET, None),
    "the fit is not probed yet": ([GOOD_A], {}, None, Reason.PROBING, UNKNOWN, None),
    "the probe of the fit failed": (
        [GOOD_A],
        {"a": PROBE_FAILED},
        None,
        Reason.DATA_SOURCE_UNREACHABLE,
        UNKNOWN,
        None,
    ),
    "a contract alone does not bind": (
        [contract(records=2000)],
        {},
        None,
        Reason.PROBING,
        UNKNOWN,
        None,
    ),
    "the fit is unreachable": ([GOOD_A], {"a": UNREACHABLE}, None, Reason.DATA_SOURCE_UNREACHABLE, UNKNOWN, None),
    "unreachable is nearer than wrong": (
        [GOOD_A, WRONG],
        SEEN | {"a": UNREACHABLE},
        None,
        Reason.DATA_SOURCE_UNREACHABLE,
        UNKNOWN,
        None,
    ),
    "a second may fit, and is waited for": ([GOOD_A, GOOD_B], {"a": REACHABLE}, None, Reason.PROBING, UNKNOWN, None),
    "the probe of a second failed, and is not waited for": (
        [GOOD_A, GOOD_B],
        {"a": REACHABLE, "b": PROBE_FAILED},
        None,
        Reason.BOUND,
        MET,
        "a",
    ),
    "a second is unreachable, and is not waited for": (
        [GOOD_A, GOOD_B],
        {"a": REACHABLE, "b": UNREACHABLE},
        None,
        Reason.BOUND,
        MET,
        "a",
    ),
    "a second cannot fit, and is not waited for": ([GOOD_A, WRONG], {"a": REACHABLE}, None, Reason.BOUND, MET, "a"),
    "a choice does not wait for others": ([GOOD_A, GOOD_B], {"a": REACHABLE}, "a", Reason.BOUND, MET, "a"),
    "a choice that is unreachable": (
        [GOOD_A, GOOD_B],
        SEEN | {"a": UNREACHABLE},
        "a",
        Reason.DATA_SOURCE_UNREACHABLE,
        UNKNOWN,
        None,
    ),
}


@pytest.mark.parametrize(("sources", "seen", "choice", "reason", "expected", "bound"), ANSWERS.values(), ids=ANSWERS)
def test_answer(
    sources: list[DataSource],
    seen: dict[str, SourceObservation],
    choice: str | None,
    reason: Reason,
    expected: Verdict,
    bound: str | None,
) -> None:
    for order in itertools.permutations(sources):
        answer = bind(requirement(), order, seen, WINDOWS, choice)
        assert (answer.reason, answer.binding.verdict, answer.binding.data_source) == (reason, expected, bound)
        assert "discharge-series" in answer.message


def test_a_bound_source_comes_with_its_contract_and_every_check() -> None:
    answer = bind(requirement(), [GOOD_A], SEEN, WINDOWS, None)
    assert answer.message == "discharge-series ← a (1.0.0)"
    assert answer.binding.contract_version == "1.0.0"
    assert len(answer.binding.checks) == 13
    assert answer.binding.near_misses == ()


def test_near_misses_are_ordered_by_what_it_takes_to_mend_them_and_bounded() -> None:
    """The data first, then what a person has to decide, and other data last; what takes most is named first."""
    offered = [
        named("other-1", theme="air"),
        named("other-2", theme="air", accessRights="non-public", purposes=["tax"]),
        named("short", contract=contract(records=5).contract.dump()),
        named("for-others", purposes=["tax"]),
        named("for-nobody", purposes=["tax"], accessRights="non-public"),
        named("away"),
    ]
    seen = dict.fromkeys((s.name for s in offered), REACHABLE) | {"away": UNREACHABLE}
    answer = bind(requirement(), offered, seen, WINDOWS, None)
    assert [n.data_source for n in answer.binding.near_misses] == [
        "away",
        "short",
        "for-others",
        "for-nobody",
        "other-1",
    ]
    missing = {n.data_source: n.missing for n in answer.binding.near_misses}
    assert missing["other-1"] == ("needs water; the source says air",)
    assert missing["short"] == ("needs 1096 records; the contract says 5",)
    assert missing["for-others"] == ("needs purpose flood-prevention; the source says tax",)
    assert len(missing["for-nobody"]) == 2
    assert missing["away"][0] == "TooSlow: no answer within 20 s"

    alone = bind(requirement(), [WRONG], SEEN, WINDOWS, None)
    assert alone.message == (
        "requirement discharge-series: no data source fits; nearest is wrong: needs water; the source says air"
    )


def test_a_chosen_source_is_checked_in_full_whatever_it_is_about() -> None:
    answer = bind(requirement(), [WRONG], SEEN, WINDOWS, "wrong")
    assert len(answer.binding.checks) == 13


def test_of_two_near_misses_the_one_with_less_that_is_unknown_is_nearer() -> None:
    """Their names would have them the other way round."""
    offered = [named("a", purposes=["tax"], serviceLevels=[]), named("b", purposes=["tax"])]
    for order in (offered, offered[::-1]):
        answer = bind(requirement(), order, SEEN, WINDOWS, None)
        assert [n.data_source for n in answer.binding.near_misses] == ["b", "a"]


def test_ambiguity_names_all_that_fit() -> None:
    answer = bind(requirement(), [GOOD_B, GOOD_A, WRONG], SEEN, WINDOWS, None)
    assert answer.message == ("requirement discharge-series: 2 data sources fit (a, b): choose one in spec.bindings")
    assert [n.data_source for n in answer.binding.near_misses] == ["a", "b"]


def test_the_longest_texts_stay_within_the_bounds_of_the_status() -> None:
    long_fields = [{"name": "f" * 60 + f"{i:03}", "type": "number", "unit": "u" * 40} for i in range(64)]
    required = requirement(fields=long_fields, theme="t" * 200, purpose="p" * 200)
    offered = [named(f"{i}" * 63, theme="x" * 200, purposes=[f"{p:03}" * 66 for p in range(32)]) for i in range(9)]
    answer = bind(required, offered, {s.name: REACHABLE for s in offered}, WINDOWS, None)
    assert answer.reason is Reason.REQUIREMENT_NOT_MET
    assert len(answer.binding.near_misses) == 5


# ---- properties ----

sources = st.builds(
    lambda theme, rights, unit, records, value: {
        "theme": theme,
        "accessRights": rights,
        "serviceLevels": [{"property": "availability", "value": value, "unit": unit}],
        "contract": platform_body()["spec"]["dataSources"][0]["contract"] | ({"records": records} if records else {}),
    },
    st.sampled_from(["water", "water", "air", None]),
    st.sampled_from(["public", "restricted", "non-public"]),
    st.sampled_from(["%", "%", "permille"]),
    st.sampled_from([None, 1000, 2000]),
    st.sampled_from(["90", "95", "99"]),
)
observations = st.sampled_from([REACHABLE, REACHABLE, UNREACHABLE, PROBE_FAILED, None, measured(records=10)])
cities = st.lists(st.tuples(sources, observations), max_size=4)


def city(offers: list[tuple[dict[str, Any], SourceObservation | None]]) -> tuple[list[DataSource], dict[str, Any]]:
    built = [named(f"s{i}", **body) for i, (body, _) in enumerate(offers)]
    return built, {s.name: o for s, (_, o) in zip(built, offers, strict=True) if o is not None}


@given(cities, sources, observations)
def test_one_more_source_never_turns_met_into_not_met(
    offers: list[Any], more: dict[str, Any], seen: SourceObservation | None
) -> None:
    """It may make the choice ambiguous, or be waited for; it never makes the data unfit."""
    before = bind(requirement(), *city(offers), WINDOWS, None).binding.verdict
    after = bind(requirement(), *city([*offers, (more, seen)]), WINDOWS, None).binding.verdict
    if before is not NOT_MET:
        assert after is not NOT_MET


@given(cities, st.randoms(use_true_random=False))
def test_the_order_of_sources_does_not_matter(offers: list[Any], chance: Any) -> None:
    built, seen = city(offers)
    shuffled = list(built)
    chance.shuffle(shuffled)
    assert bind(requirement(), shuffled, seen, WINDOWS, None) == bind(requirement(), built, seen, WINDOWS, None)


STRICTER = [
    {"minimumRecords": 5000},
    {"warmUpDays": 3650},
    {"accessRights": ["public"]},
    {"purpose": "tax"},
    {"timeResolution": "PT1H"},
    {"serviceLevels": [{"property": "availability", "operator": "mustBeGreaterThan", "value": "98", "unit": "%"}]},
    {"fields": [*version().dump()["dataRequirements"][0]["fields"], {"name": "level_m", "type": "number"}]},
]


@given(sources, observations, st.sampled_from(STRICTER))
def test_a_stricter_requirement_never_fits_more(
    body: dict[str, Any], seen: SourceObservation | None, stricter: dict[str, Any]
) -> None:
    rank = {NOT_MET: 0, UNKNOWN: 1, MET: 2}
    offered = named("a", **body)
    loose = verdict(match(requirement(), offered, seen, WINDOWS))
    strict = verdict(match(requirement(**stricter), offered, seen, WINDOWS))
    assert rank[strict] <= rank[loose]


@given(cities)
def test_nothing_is_bound_that_was_not_read(offers: list[Any]) -> None:
    built, seen = city(offers)
    answer = bind(requirement(), built, seen, WINDOWS, None)
    if answer.binding.verdict is MET:
        assert seen[str(answer.binding.data_source)].state == "Reachable"
        assert answer.reason is Reason.BOUND
    else:
        assert answer.binding.data_source is None


def test_facts_of_an_unreachable_source_do_not_count() -> None:
    stale = SourceObservation("Unreachable", "TooSlow", "no answer", SourceFacts(records=1))
    assert check("records", R, S, stale).measured is UNKNOWN
