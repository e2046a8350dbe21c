"""Evidence that expires: what calls for another calibration, what goes on serving meanwhile, and what is said of it."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from builders import CALIBRATION_WINDOW, FACTS, NOW, REACHABLE, UNREACHABLE, VALIDATION_WINDOW, City, JsonObject, result
from courses import courses
from hypothesis import given, settings
from hypothesis import strategies as st

from ddtas.api.base import Recalibration
from ddtas.data.measured import MeasuredField
from ddtas.plan.decision.plan import Plan
from ddtas.plan.reasons import Reason
from ddtas.plan.runs.recalibration import due
from ddtas.plan.runs.schedule import offset

DAY = 86400
MONTHLY = {"schedule": "0 3 1 * *", "timeZone": "Europe/Amsterdam", "jitter": "PT0S"}
THIRTY_DAYS = {"maximumAge": "P30D"}
BAD = {"NSE": 0.1, "RSR": 0.9, "absPBIAS": 1}


def serving(**spec: Any) -> City:
    city = City()
    city.edit(**spec)
    city.serving()
    return city


def recalibration(city: City) -> JsonObject:
    found: JsonObject = city.installation["status"]["recalibration"]
    return found


def version_body(city: City) -> JsonObject:
    assert isinstance(city.listing, dict)
    body: JsonObject = city.listing["spec"]["versions"][0]
    return body


def platform_spec(city: City) -> JsonObject:
    assert isinstance(city.platform, dict)
    spec: JsonObject = city.platform["spec"]
    return spec


def refuse(city: City, plan: Plan) -> Plan:
    """Let the newest revision fail its validation."""
    city.finish("calibrate", result(), plan.revision)
    city.settle()
    city.finish("validate", result(BAD, VALIDATION_WINDOW), plan.revision)
    return city.settle()


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


# ---- time ----

TIMED: dict[str, tuple[JsonObject, float, str, str]] = {
    "age": (THIRTY_DAYS, 30 * DAY, "Age", "the last attempt ended longer ago than maximumAge, P30D"),
    "schedule": (MONTHLY, 7 * DAY, "Schedule", "schedule 0 3 1 * * (Europe/Amsterdam)"),
    "whichever is first": (MONTHLY | THIRTY_DAYS, 7 * DAY, "Schedule", "schedule 0 3 1 * * (Europe/Amsterdam)"),
}


@pytest.mark.parametrize(("policy", "seconds", "trigger", "reason"), TIMED.values(), ids=TIMED)
def test_evidence_expires_with_time(policy: JsonObject, seconds: float, trigger: str, reason: str) -> None:
    """The whole life of a recalibration: due, beside what serves, in its place."""
    city = serving(recalibration=policy)
    first = city.settle()
    assert recalibration(city) == {"next": recalibration(city)["next"]}
    at = moment(recalibration(city)["next"])
    assert first.requeue_after == 3600, "the clock may be put ahead meanwhile"
    city.now = at - timedelta(seconds=100)
    assert city.decide().requeue_after == pytest.approx(100, abs=2)
    city.now = at - timedelta(seconds=5)
    assert city.settle().revision == first.revision, "not before its time"

    assert timedelta() <= at - NOW - timedelta(seconds=seconds - DAY) <= timedelta(days=1, hours=2)
    city.now = at
    plan = city.settle()
    assert plan.revision != first.revision
    assert plan.serving == first.revision
    assert plan.finding("Serving").reason is Reason.KEEPS_SERVING
    assert recalibration(city) == {
        "trigger": trigger,
        "reason": reason,
        "since": recalibration(city)["since"],
        "round": f"{trigger}/{at:%Y-%m-%dT%H:%M:%SZ}#1",
    }
    again = city.serving()
    assert again.revision == again.serving == plan.revision
    lasting = ("Pod", "ControllerRevision")  # the record of the earlier one is remembered
    assert {c.revision for c in city.children.values() if c.kind not in lasting} == {plan.revision}
    assert moment(recalibration(city)["next"]) > city.now
    assert len(city.started) == 4


@pytest.mark.parametrize("policy", [None, {}, {"jitter": "PT1H"}], ids=["none", "empty", "jitter only"])
def test_without_a_policy_evidence_stays_valid(policy: JsonObject | None) -> None:
    city = serving(**({"recalibration": policy} if policy is not None else {}))
    first = city.settle()
    city.tick(20 * 366 * DAY)
    plan = city.settle()
    assert (plan.revision, plan.requeue_after) == (first.revision, None)
    assert "recalibration" not in city.installation["status"]


def test_a_listings_policy_holds_until_the_installation_has_one() -> None:
    city = City()
    version_body(city)["recalibration"] = THIRTY_DAYS
    city.serving()
    first = city.settle()
    assert recalibration(city)["next"]
    city.edit(recalibration={})
    plan = city.settle()
    assert plan.revision == first.revision, "a policy is no input of a revision"
    assert "recalibration" not in city.installation["status"]
    city.edit(recalibration={"maximumAge": "PT1H"})
    city.tick(2 * 3600)
    assert city.settle().revision != first.revision, "a stricter one may call at once"


def test_many_times_that_went_by_unheard_call_once() -> None:
    city = serving(recalibration={"schedule": "0 3 * * *", "jitter": "PT0S"})
    city.tick(100 * DAY)
    plan = city.settle()
    assert recalibration(city)["round"] == "Schedule/2026-11-25T03:00:00Z#1"
    city.serving()
    assert city.settle().revision == plan.revision
    assert len(city.started) == 4


def test_a_new_time_does_not_overtake_an_attempt_that_goes_on() -> None:
    city = serving(recalibration={"schedule": "0 * * * *"})
    city.tick(2 * 3600)
    plan = city.settle()
    for _ in range(10):
        city.tick(3600)
        assert city.settle().revision == plan.revision
    assert "next" not in recalibration(city)
    assert len(city.started) == 3


def test_each_city_has_its_own_moment() -> None:
    moments = set()
    for uid in ("a", "b", "c"):
        city = City()
        city.installation["metadata"]["uid"] = uid
        city.edit(recalibration={"schedule": "0 3 * * *"})
        city.serving()
        assert moment(recalibration(city)["next"]) - moment("2026-11-25T03:00:00+00:00") == offset(uid, None)
        moments.add(recalibration(city)["next"])
    assert len(moments) == 3


def test_cities_of_one_commit_do_not_all_expire_at_once() -> None:
    policy = Recalibration.model_validate({"maximumAge": "P90D"})
    found = [due(policy, f"uid-{n}", NOW, None, NOW) for n in range(342)]
    moments = {f.moment for f in found if f is not None and f.moment is not None}
    assert len(moments) > 300
    assert max(moments) - min(moments) < timedelta(hours=1)
    assert min(moments) >= NOW + timedelta(days=90)
    short = due(Recalibration.model_validate({"maximumAge": "PT1H"}), "uid", NOW, None, NOW)
    assert short is not None
    assert short.moment is not None
    assert short.moment - NOW <= timedelta(minutes=66)


# ---- attempts that fail ----


def test_a_recalibration_that_fails_leaves_what_serves_and_is_no_storm() -> None:
    city = serving(recalibration=THIRTY_DAYS)
    first = city.settle()
    city.tick(31 * DAY)
    failed = refuse(city, city.settle())
    assert failed.serving == first.revision
    assert city.condition("Ready")["reason"] == "ThresholdNotMet"
    assert city.condition("Serving")["status"] == "True"
    started = len(city.started)
    for _ in range(29):
        city.tick(DAY)
        assert city.settle().revision == failed.revision
    assert len(city.started) == started
    city.tick(2 * DAY)
    second = city.settle()
    assert second.revision not in (first.revision, failed.revision)
    assert second.serving == first.revision
    assert city.serving().serving == second.revision


@pytest.mark.parametrize(
    "again",
    [lambda c: c.annotate(retry="1"), lambda c: c.edit(parameters={"seed": 2})],
    ids=["a token", "an edit"],
)
def test_a_failed_recalibration_is_tried_again_when_a_person_says_so(again: Any) -> None:
    city = serving(recalibration=THIRTY_DAYS)
    city.tick(31 * DAY)
    failed = refuse(city, city.settle())
    city.tick(60)
    again(city)
    plan = city.settle()
    assert plan.revision != failed.revision
    assert plan.serving not in (plan.revision, failed.revision)
    assert city.serving().serving == plan.revision


def test_a_first_calibration_that_failed_is_tried_again_in_time() -> None:
    city = City()
    city.edit(recalibration=THIRTY_DAYS)
    failed = refuse(city, city.settle())
    assert failed.serving is None
    city.tick(31 * DAY)
    plan = city.settle()
    assert plan.revision != failed.revision
    assert city.serving().serving == plan.revision


# ---- crashes and pauses ----


def test_killed_between_apply_and_status_it_goes_on_with_the_same_round() -> None:
    city = serving(recalibration=THIRTY_DAYS)
    city.tick(31 * DAY)
    before = json.loads(json.dumps(city.installation["status"]))
    plan = city.settle()
    city.installation["status"] = before
    city.tick(3 * DAY)
    assert city.settle().revision == plan.revision
    assert len(city.started) == 3


def test_a_status_that_is_lost_after_a_recalibration_is_found_again() -> None:
    city = serving(recalibration=THIRTY_DAYS)
    city.tick(31 * DAY)
    plan = city.serving()
    del city.installation["status"]
    again = city.settle()
    assert (again.revision, again.serving) == (plan.revision, plan.revision)
    assert again.revisions[0] == plan.revisions[0]  # the earlier ones were in the status alone
    assert len(city.started) == 4


def suspend_platform(city: City, on: bool = True) -> None:
    platform_spec(city)["suspend"] = on


FREEZES: dict[str, tuple[Any, Any, str, str]] = {
    "suspended": (
        lambda c: c.edit(suspend=True),
        lambda c: c.edit(suspend=False),
        "Suspended",
        "spec.suspend is true: nothing new is done; ",
    ),
    "a suspended platform": (
        suspend_platform,
        lambda c: suspend_platform(c, False),
        "Suspended",
        "spec.suspend of platform oup is true: nothing new is done; ",
    ),
    "plan": (
        lambda c: c.edit(mode="Plan"),
        lambda c: c.edit(mode="Apply"),
        "Planned",
        "spec.mode is Plan: nothing is done; status.plan says what would be; ",
    ),
}


@pytest.mark.parametrize(("freeze", "thaw", "reason", "text"), FREEZES.values(), ids=FREEZES)
def test_nothing_begins_while_it_is_frozen(freeze: Any, thaw: Any, reason: str, text: str) -> None:
    city = serving(recalibration=THIRTY_DAYS)
    first = city.settle()
    children = dict(city.children)
    freeze(city)
    city.tick(31 * DAY)
    plan = city.settle()
    assert (plan.revision, plan.requeue_after) == (first.revision, None)
    assert city.children == children
    ready = city.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("True", reason)
    assert ready["message"].startswith(text)
    assert {city.condition(k)["status"] for k in ("Reconciling", "Stalled")} == {"False"}
    assert "trigger" not in recalibration(city)
    assert city.installation["status"]["plan"]["message"] == "create 9, change 1, remove 8, calibrate, validate"
    thaw(city)
    again = city.settle()
    assert again.revision != first.revision
    assert recalibration(city)["trigger"] == "Age"
    assert "plan" not in city.installation["status"]


# ---- what is an input already ----


def new_contract(city: City) -> None:
    platform_spec(city)["dataSources"][0]["contract"]["version"] = "1.9.0"


INPUTS: dict[str, tuple[Any, str | None, str]] = {
    "contract": (new_contract, "DataContract", "data source river-gauge: contract 1.0.0, now 1.9.0"),
    "city parameter": (
        lambda c: platform_spec(c)["parameters"].update(catchmentAreaKm2=1.784),
        "CityParameter",
        "city parameter catchmentAreaKm2: 1.783, now 1.784",
    ),
    "request": (lambda c: c.annotate(retry="2026-11"), "Request", "annotation ddtas.nl/retry: 2026-11"),
    "edit": (lambda c: c.edit(parameters={"seed": 2}), None, ""),
}


@pytest.mark.parametrize(("change", "trigger", "reason"), INPUTS.values(), ids=INPUTS)
def test_a_changed_input_is_told_as_what_it_is(change: Any, trigger: str | None, reason: str) -> None:
    city = serving()
    first = city.settle()
    change(city)
    plan = city.settle()
    assert plan.revision != first.revision
    assert plan.serving == first.revision
    if trigger is None:
        assert "recalibration" not in city.installation["status"]
        return
    told = dict(recalibration(city))
    assert (told["trigger"], told["reason"]) == (trigger, reason)
    city.tick(3600)
    city.serving()
    assert recalibration(city) == told, "it does not change while it goes on"


def test_a_person_who_takes_a_value_back_is_not_told_that_the_city_changed_it() -> None:
    """It falls back to the listing's default: the city has none, or has had one all along."""
    city = City()
    city.edit(parameters={"areaKm2": 2.5})
    del platform_spec(city)["parameters"]["catchmentAreaKm2"]
    declared = next(p for p in version_body(city)["parameters"] if p["name"] == "areaKm2")
    declared["default"] = "1.5"
    first = city.serving()
    city.edit(parameters={})
    second = city.settle()
    assert second.revision != first.revision
    assert "recalibration" not in city.installation["status"]
    city.serving()
    declared["default"] = "1.6"
    assert city.settle().revision != second.revision
    assert "recalibration" not in city.installation["status"]
    city.serving()
    platform_spec(city)["parameters"]["catchmentAreaKm2"] = 1.7
    city.serving()
    del platform_spec(city)["parameters"]["catchmentAreaKm2"]
    city.settle()
    assert recalibration(city)["trigger"] == "CityParameter"
    assert recalibration(city)["reason"].endswith("1.7, now 1.6 (the city has none now)")


def test_what_is_asked_for_while_it_is_suspended_is_told_when_it_begins() -> None:
    city = serving()
    city.edit(suspend=True)
    city.settle()
    city.annotate(retry="1")
    city.settle()
    assert "recalibration" not in city.installation["status"]
    city.edit(suspend=False)
    city.settle()
    assert recalibration(city)["trigger"] == "Request"


def test_what_is_asked_for_after_a_failed_round_is_told() -> None:
    city = serving(recalibration=THIRTY_DAYS)
    city.tick(31 * DAY)
    refuse(city, city.settle())
    city.tick(60)
    city.annotate(retry="again")
    city.settle()
    assert recalibration(city)["trigger"] == "Request"
    assert recalibration(city)["round"].startswith("Age/"), "the round stays in force"


# ---- the data's schema ----


def measure(city: City, **changes: Any) -> None:
    fields = tuple(f.model_copy(update=changes) if f.name == "discharge_m3s" else f for f in FACTS.fields)
    city.observations["river-gauge"] = replace(REACHABLE, facts=FACTS.model_copy(update={"fields": fields}))


def test_a_changed_unit_in_the_data_calls_for_a_recalibration() -> None:
    city = serving()
    first = city.settle()
    measure(city, unit="m3/s")
    plan = city.settle()
    assert plan.revision != first.revision
    assert recalibration(city)["trigger"] == "Schema"
    assert city.serving().serving == plan.revision
    assert city.settle().revision == plan.revision


HARMLESS: dict[str, Any] = {
    "integers among numbers": lambda c: measure(c, type="integer"),
    "empty values": lambda c: measure(c, empty=3),
    "another field": lambda c: c.observations.update(
        {
            "river-gauge": replace(
                REACHABLE,
                facts=FACTS.model_copy(update={"fields": (*FACTS.fields, MeasuredField(name="x", type="string"))}),
            )
        }
    ),
    "more records": lambda c: c.observations.update(
        {"river-gauge": replace(REACHABLE, facts=FACTS.model_copy(update={"records": 2000}))}
    ),
    "unreachable": lambda c: c.observations.update({"river-gauge": UNREACHABLE}),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_what_says_nothing_new_of_the_data_calls_for_nothing(change: Any) -> None:
    city = serving()
    first = city.settle()
    change(city)
    city.settle()
    city.observations["river-gauge"] = REACHABLE
    assert city.settle().revision == first.revision
    assert len(city.started) == 2


def test_a_schema_that_was_not_known_is_no_change() -> None:
    """An operator of before did not keep it."""
    city = serving()
    first = city.settle()
    for revision in city.installation["status"]["revisions"]:
        del revision["measured"]
    measure(city, unit="m3/s")
    assert city.settle().revision == first.revision
    measure(city, unit="l/s")
    assert city.settle().revision != first.revision


# ---- drift ----

GOOD = {"NSE": 0.7}


def monitored(**more: Any) -> City:
    city = City()
    version = version_body(city)
    run = {k: version["validation"][k] for k in ("image", "args", "resources")}
    version["monitoring"] = run | {
        "schedule": "0 4 * * *",
        "jitter": "PT0S",
        "thresholds": [{"metric": "NSE", "operator": "mustBeGreaterThan", "value": "0.40"}],
    }
    city.edit(**more)
    city.serving()
    return city


def report(city: City, nse: float) -> Plan:
    city.finish("monitor", result({"NSE": nse}, CALIBRATION_WINDOW))
    return city.settle()


def test_monitoring_runs_in_each_period_and_only_its_newest_job_is_kept() -> None:
    city = monitored()
    plan = city.settle()
    assert not [c for c in city.children.values() if c.phase == "monitor"]
    city.now = moment("2026-11-25T03:58:20+00:00")
    assert city.decide().requeue_after == pytest.approx(100, abs=2)
    for day in (25, 26, 27):
        city.now = moment(f"2026-11-{day}T04:01:00+00:00")
        city.settle()
        assert city.job("monitor").name == f"flood-{plan.revision}-monitor-202611{day}0400"
        report(city, 0.7)
    assert city.settle().revision == plan.revision
    assert city.condition("Ready")["status"] == "True"
    (revision,) = city.installation["status"]["revisions"]
    assert (revision["monitoring"]["outcome"], revision["monitoring"]["job"]) == ("Passed", city.job("monitor").name)
    assert len(city.started) == 5


def test_drift_calls_for_a_recalibration() -> None:
    city = monitored()
    first = city.settle()
    city.now = moment("2026-11-25T04:01:00+00:00")
    city.settle()
    job = city.job("monitor").name
    city.finish("monitor", result({"NSE": 0.2}, CALIBRATION_WINDOW))
    seen = city.reconcile()
    assert seen.requeue_after == 1.0, "it is acted on at the next look, of which nothing else would be heard"
    plan = city.settle()
    assert plan.revision != first.revision
    assert plan.serving == first.revision
    told = recalibration(city)
    assert (told["trigger"], told["reason"]) == ("ModelDrift", f"{job}: NSE is 0.2, must be > 0.40")
    assert told["round"] == f"ModelDrift/{job}#1"
    city.serving()
    assert city.settle().serving == plan.revision
    assert not [c for c in city.children.values() if c.phase == "monitor" and c.kind == "Job"]


def test_drift_that_recalibration_does_not_mend_is_no_storm() -> None:
    """What serves is still monitored; each report is acted on once."""
    city = monitored()
    first = city.settle()
    for day in (25, 26):
        city.now = moment(f"2026-11-{day}T04:01:00+00:00")
        city.settle()
        plan = report(city, 0.2)
        assert plan.revision != first.revision
        failed = refuse(city, plan)
        assert (failed.revision, failed.serving) == (plan.revision, first.revision)
        city.tick(3600)
        assert city.settle().revision == plan.revision
    assert len(city.started) == 2 + 2 * 3


NO_DRIFT: dict[str, Any] = {
    "crash": lambda c: c.fail("monitor", "boom"),
    "no result": lambda c: c.finish("monitor", ""),
    "no metric": lambda c: c.finish("monitor", result({"KGE": 0.1}, CALIBRATION_WINDOW)),
}


@pytest.mark.parametrize("end", NO_DRIFT.values(), ids=NO_DRIFT)
def test_a_monitoring_run_that_says_nothing_is_no_drift(end: Any) -> None:
    city = monitored()
    first = city.settle()
    city.now = moment("2026-11-25T04:01:00+00:00")
    city.settle()
    end(city)
    assert city.settle().revision == first.revision
    assert city.condition("Ready")["status"] == "True"
    assert city.installation["status"]["revisions"][0]["monitoring"]["outcome"] == "Inconclusive"
    assert len(city.started) == 3


def test_a_monitoring_run_that_outlasts_its_period_is_waited_for() -> None:
    city = monitored()
    city.now = moment("2026-11-25T04:01:00+00:00")
    city.settle()
    city.tick(3 * DAY)
    city.settle()
    assert city.job("monitor").name.endswith("-202611250400")
    report(city, 0.7)
    assert city.job("monitor").name.endswith("-202611280400")


def test_a_monitoring_job_gets_the_calibrated_parameters_and_its_name_fits() -> None:
    city = monitored()
    city.now = moment("2026-11-25T04:01:00+00:00")
    plan = city.reconcile()
    (job,) = [d.manifest for d in plan.desired if d.key[0] == "Job"]
    sources = job["spec"]["template"]["spec"]["volumes"][1]["projected"]["sources"]
    assert [s["configMap"]["name"].removeprefix(f"flood-{plan.revision}-") for s in sources] == [
        "config",
        "calibrated",
        "evidence",
    ]
    config = next(d.manifest["data"] for d in plan.desired if d.key[1].endswith("-config"))
    run = json.loads(config["monitor.json"])
    assert run["phase"] == "monitor"
    assert run["thresholds"]["monitoring"] == [{"metric": "NSE", "operator": "mustBeGreaterThan", "value": "0.40"}]
    longest = "i" * 30 + "-" + "0" * 10 + "-monitor-202611250400"
    assert len(longest) <= 63


# ---- what means nothing ----

POLICIES: dict[str, tuple[JsonObject, str]] = {
    "schedule": (
        {"schedule": "0 99 * * *"},
        "spec.recalibration.schedule: 0 99 * * * is no cron expression (bad",
    ),
    "zone": (
        {"schedule": "0 3 * * *", "timeZone": "Europe/Nowhere"},
        "spec.recalibration.timeZone: Europe/Nowhere is no time zone: give an IANA name such as Europe/Amsterdam",
    ),
    "zone alone": (
        {"timeZone": "Europe/Amsterdam"},
        "spec.recalibration.timeZone: there is no schedule that",
    ),
    "too short an age": (
        {"maximumAge": "PT59M"},
        "spec.recalibration.maximumAge: PT59M is too short: give an hour or more",
    ),
    "no age": ({"maximumAge": "P0D"}, "spec.recalibration.maximumAge: P0D is no time: give an ISO 8601 duration"),
    "odd age": ({"maximumAge": "P1D2Y"}, "spec.recalibration.maximumAge: P1D2Y is no time"),
    "odd jitter": ({"jitter": "P1D2Y"}, "spec.recalibration.jitter: P1D2Y is no ISO 8601 duration"),
}


@pytest.mark.parametrize(("policy", "text"), POLICIES.values(), ids=POLICIES)
def test_a_policy_that_means_nothing_is_refused_and_what_serves_stays(policy: JsonObject, text: str) -> None:
    city = serving()
    first = city.settle()
    city.edit(recalibration=policy)
    plan = city.settle()
    assert (plan.finding("Accepted").status, plan.finding("Accepted").reason) == ("False", Reason.SCHEDULE_INVALID)
    assert text in plan.finding("Accepted").message
    assert plan.serving == first.revision
    city.edit(recalibration=MONTHLY)
    assert city.settle().finding("Serving").reason is Reason.SERVING


def test_a_listing_whose_monitoring_means_nothing_is_refused() -> None:
    city = monitored()
    version_body(city)["monitoring"]["schedule"] = "x x x x x"
    text = city.settle().finding("Accepted").message
    assert text.startswith("listing flood-twin, version 1.0.0: monitoring.schedule: x x x x x is no cron expression")


def test_an_age_beyond_all_measure_is_no_crash() -> None:
    city = serving(recalibration={"maximumAge": "P9000Y"})
    assert "recalibration" not in city.installation["status"]


# ---- always ----

STEP = st.sampled_from([60, 3600, DAY, 10 * DAY, 40 * DAY])


@settings(max_examples=courses(15), deadline=None)
@given(st.lists(st.tuples(STEP, st.sampled_from([0.8, 0.8, 0.1])), min_size=1, max_size=8))
def test_whatever_time_brings_the_last_valid_calibration_serves(course: list[tuple[float, float]]) -> None:
    city = serving(recalibration=MONTHLY | THIRTY_DAYS)
    valid = city.settle().serving
    for seconds, nse in course:
        city.tick(seconds)
        plan = city.settle()
        assert plan.serving == valid
        if plan.revision != valid and city.condition("Calibrated")["status"] == "Unknown":
            city.finish("calibrate", result(), plan.revision)
            city.settle()
            metrics = {"NSE": nse, "RSR": 0.5, "absPBIAS": 1}
            city.finish("validate", result(metrics, VALIDATION_WINDOW), plan.revision)
            city.settle()
            city.roll_out(revision=plan.revision)
            plan = city.settle()
            valid = plan.revision if nse == 0.8 else valid
        assert plan.serving == valid
        assert len(set(city.started)) == len(city.started), "no run of a revision begins twice"
        services = {c.revision for c in city.children.values() if c.kind == "Service"}
        assert services == {valid}
