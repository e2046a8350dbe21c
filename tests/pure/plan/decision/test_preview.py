"""Plans that are only shown, and edits by hand that are only reported."""

from typing import Any

import pytest
from builders import VALIDATION_WINDOW, City, JsonObject, result, secret
from courses import courses
from hypothesis import given, settings
from hypothesis import strategies as st

from ddtas.errors import TemplateError
from ddtas.plan.decision.preview import preview
from ddtas.plan.reasons import Reason


def shown(city: City) -> JsonObject:
    city.settle()
    found: JsonObject = city.installation["status"]["plan"]
    return found


def items(plan: JsonObject, action: str) -> set[str]:
    return {f"{item['kind']} {item['name']}" for item in plan.get("items", ()) if item["action"] == action}


def names(city: City) -> set[str]:
    return {f"{kind} {name}" for kind, name in city.children if kind != "Pod"}


# ---- what is shown is what is done ----


def test_a_plan_for_a_new_installation_is_what_is_then_made() -> None:
    city = City()
    city.edit(mode="Plan")
    plan = shown(city)
    assert city.children == {}
    assert plan["message"] == "create 10, calibrate, validate"
    assert city.condition("Ready")["reason"] == "Planned"
    city.edit(mode="Apply")
    city.serving()
    assert items(plan, "Create") == names(city)


EDITS: dict[str, Any] = {
    "a parameter": lambda c: c.edit(parameters={"seed": 2}),
    "a retry": lambda c: c.annotate(retry="1"),
    "nothing": lambda c: None,
    "a replica more": lambda c: c.listing["spec"]["versions"][0]["components"][0].update(replicas=2),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_plan_for_an_edit_is_what_is_then_done(edit: Any) -> None:
    city = City()
    city.serving()
    before = dict(city.children)
    city.edit(mode="Plan")
    edit(city)
    plan = shown(city)
    assert city.children == before
    revision = city.installation["status"]["revision"]
    city.edit(mode=None)
    city.settle()
    if plan.get("calibrates"):
        city.serving()
    now = city.children
    assert items(plan, "Create") == {f"{k} {n}" for k, n in now.keys() - before.keys() if k != "Pod"}
    assert items(plan, "Remove") == {f"{k} {n}" for k, n in before.keys() - now.keys() if k != "Pod"}
    kept = {k for k in now.keys() & before.keys() if now[k].applied != before[k].applied}
    assert items(plan, "Change") == {f"{k} {n}" for k, n in kept}
    assert city.installation["status"]["revision"] == revision
    assert plan.get("validates", False) == plan.get("calibrates", False)


def test_nothing_to_do_is_said() -> None:
    city = City()
    city.serving()
    city.edit(suspend=True)
    assert shown(city) == {"message": "nothing to do", "items": []}


def test_a_plan_half_way_shows_the_rest() -> None:
    city = City()
    city.calibrated()
    city.edit(suspend=True)
    plan = shown(city)
    assert "calibrates" not in plan
    assert "validates" not in plan, "it runs already"
    assert {i.partition(" ")[0] for i in items(plan, "Create")} == {"ConfigMap", "Deployment", "Service"}


NOT_KNOWN: dict[str, tuple[Any, str, str]] = {
    "no platform yet": (lambda c: setattr(c, "platform", None), "PlatformNotFound", "there is no MunicipalityPlatform"),
    "no listing yet": (lambda c: setattr(c, "listing", None), "ListingNotFound", "there is no AppListing"),
    "a source that was not looked at": (lambda c: c.observations.clear(), "Probing", "has not been probed yet"),
    "no credentials yet": (lambda c: c.secrets.clear(), "CredentialsMissing", "Secret water-board is not there"),
    "refused": (lambda c: c.edit(version="9.9.9"), "VersionNotFound", "has no version 9.9.9"),
}


@pytest.mark.parametrize(("change", "reason", "text"), NOT_KNOWN.values(), ids=NOT_KNOWN)
def test_a_plan_that_is_not_known_says_what_it_waits_for(change: Any, reason: str, text: str) -> None:
    """It is not planned before there is a plan; and then that has all its items."""
    city = City()
    city.edit(mode="Plan")
    change(city)
    plan = shown(city)
    assert "items" not in plan
    assert plan["message"].startswith("not known: ")
    assert text in plan["message"]
    ready = city.condition("Ready")
    assert ready["reason"] == reason
    assert ready["message"].startswith("spec.mode is Plan: nothing is done")
    assert text in ready["message"]
    assert city.children == {}

    known = City()
    known.edit(mode="Plan")
    assert len(shown(known)["items"]) == 10
    assert known.condition("Ready")["reason"] == "Planned"


def test_templates_are_rendered_for_a_plan() -> None:
    city = City()
    assert isinstance(city.listing, dict)
    city.listing["spec"]["versions"][0]["templates"] = [{"name": "tiles", "manifest": "kind: ConfigMap"}]
    city.edit(mode="Plan")
    first = preview(city.snapshot())
    (request,) = first.render
    assert first.status.items is None
    assert first.waits is not None
    tiles = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x-tiles"}, "data": {}}
    city.rendered[request.revision] = (tiles,)
    found = preview(city.snapshot())
    assert found.render == ()
    assert ("ConfigMap", "x-tiles") in {(i.kind, i.name) for i in found.status.items or ()}
    city.rendered[request.revision] = TemplateError("TemplateInvalid", "no")
    assert preview(city.snapshot()).status.message == "not known: no"


@settings(max_examples=courses(15), deadline=None)
@given(st.lists(st.sampled_from(["edit", "retry", "finish", "roll", "delete", "settle"]), max_size=12), st.integers(0))
def test_looking_changes_nothing_and_always_ends(course: list[str], pick: int) -> None:
    city = City()
    for step, what in enumerate(course):
        if what == "edit":
            city.edit(parameters={"seed": step})
        elif what == "retry":
            city.annotate(retry=str(step))
        elif what == "roll":
            city.roll_out()
        elif what == "delete" and city.children:
            city.delete(sorted(city.children)[pick % len(city.children)])
        elif what == "finish":
            for phase, window in (("calibrate", None), ("validate", VALIDATION_WINDOW)):
                jobs = [c for c in city.children.values() if c.phase == phase and c.kind == "Job"]
                if len(jobs) == 1:
                    city.finish(phase, result(window=window))
        else:
            city.settle()
    snapshot = city.snapshot()
    first = preview(snapshot)
    assert snapshot == city.snapshot()
    assert preview(snapshot) == first
    created = {(i.kind, i.name) for i in first.status.items or () if i.action == "Create"}
    assert created.isdisjoint(city.children)


# ---- edits by hand ----


def web(city: City) -> tuple[str, str]:
    return next(key for key in city.children if key[0] == "Deployment")


def test_edits_by_hand_are_put_right_unless_told_otherwise() -> None:
    for drift in ({}, {"drift": "Correct"}):
        city = City()
        city.edit(**drift)
        city.serving()
        right = city.children[web(city)].applied
        city.tamper(web(city))
        city.settle()
        assert city.children[web(city)].applied == right
        assert "drift" not in city.installation["status"]


def test_edits_by_hand_are_only_reported() -> None:
    city = City()
    city.edit(drift="Report")
    city.serving()
    (config,) = [key for key in city.children if key[1].endswith("-config")]
    city.tamper(web(city))
    city.delete(config)
    city.settle()
    assert city.children[web(city)].applied == "edited"
    assert config not in city.children
    told = city.installation["status"]["drift"]
    assert told == [
        {"kind": "ConfigMap", "name": config[1], "change": "Missing"},
        {"kind": "Deployment", "name": web(city)[1], "change": "Edited"},
    ]
    ready = city.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "Drifted")
    assert ready["message"].startswith(f"missing: ConfigMap {config[1]}; spec.drift is Report: restore what is missing")
    for _ in range(3):
        city.tick(600)
        city.settle()
    assert city.installation["status"]["drift"] == told
    city.edit(drift="Correct")
    city.settle()
    assert config in city.children
    assert "drift" not in city.installation["status"]
    assert city.condition("Ready")["status"] == "True"


def test_an_edit_that_takes_nothing_away_leaves_ready_alone() -> None:
    city = City()
    city.edit(drift="Report")
    city.serving()
    city.tamper(web(city))
    city.settle()
    assert city.condition("Ready")["status"] == "True"
    assert [d["change"] for d in city.installation["status"]["drift"]] == ["Edited"]


def test_news_of_our_own_is_sent_all_the_same() -> None:
    """A rotated credential, and a switch of Services, are no edits by hand."""
    city = City()
    city.edit(drift="Report")
    old = city.serving()
    city.secrets["water-board"] = secret(username="new", password="new")
    before = city.children[web(city)].applied
    city.settle()
    assert city.children[web(city)].applied != before
    city.roll_out()
    city.edit(parameters={"seed": 2})
    plan = city.serving()
    assert plan.serving == plan.revision != old.revision
    assert "drift" not in city.installation["status"]


def test_a_run_that_is_deleted_by_hand_is_made_again() -> None:
    city = City()
    city.edit(drift="Report")
    city.settle()
    city.delete(city.job("calibrate").key)
    plan = city.settle()
    assert plan.finding("Calibrated").reason is Reason.CALIBRATING
    assert len(city.started) == 2
