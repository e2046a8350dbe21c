"""Credentials that change: tried by a probe before an app gets them, and until then it keeps those that it has."""

from dataclasses import replace
from typing import Any

import pytest
from builders import REACHABLE, City, JsonObject, secret

from ddtas.plan.snapshot import SourceObservation

UNTRIED = replace(REACHABLE, current=False)
AFTER_A_RESTART = replace(REACHABLE, current=None)
REFUSED = SourceObservation("Unreachable", "AccessDenied", "HTTP 401: correct the Secret", current=True)


def rotate(city: City, seen: SourceObservation) -> None:
    city.secrets["water-board"] = secret(username="voorbeeldstad", password="another")
    city.observations["river-gauge"] = seen


def passed_on(city: City) -> dict[tuple[str, str], str]:
    """What apps have of their credentials: their Secrets, and their pods."""
    return {k: c.applied for k, c in city.children.items() if c.kind in ("Secret", "Deployment")}


def told(city: City) -> JsonObject | None:
    found: list[JsonObject] = city.installation["status"]["conditions"]
    return next((c for c in found if c["type"] == "CredentialsPassedOn"), None)


def test_changed_credentials_are_passed_on_once_a_probe_has_succeeded_with_them() -> None:
    city = City()
    revision = city.serving().revision
    before = passed_on(city)
    rotate(city, UNTRIED)
    plan = city.settle()
    assert passed_on(city) == before
    condition = told(city)
    assert condition is not None
    assert (condition["status"], condition["reason"]) == ("Unknown", "CredentialsUntried")
    assert condition["message"].endswith("data source river-gauge, Secret water-board: they have not been tried yet")
    assert city.condition("Ready")["status"] == "True"
    city.observations["river-gauge"] = REACHABLE
    plan = city.settle()
    assert plan.revision == plan.serving == revision
    assert set(passed_on(city).values()).isdisjoint(before.values()), "the Secret, and the pods that mount it"
    assert told(city) is None


def test_credentials_that_a_source_refuses_are_not_passed_on() -> None:
    city = City()
    city.serving()
    before = passed_on(city)
    rotate(city, REFUSED)
    plan = city.settle()
    assert passed_on(city) == before
    assert plan.serving is not None
    assert city.condition("Serving")["status"] == "True"
    condition = told(city)
    assert condition is not None
    assert (condition["status"], condition["reason"]) == ("False", "CredentialsRefused")
    assert condition["message"].endswith("Secret water-board: AccessDenied: HTTP 401: correct the Secret")
    city.observations["river-gauge"] = REACHABLE
    city.settle()
    assert told(city) is None
    assert passed_on(city) != before


def test_what_is_kept_survives_a_restart_and_says_nothing_where_nothing_changed() -> None:
    city = City()
    city.serving()
    before = passed_on(city)
    city.observations["river-gauge"] = AFTER_A_RESTART
    city.settle()
    assert told(city) is None
    assert passed_on(city) == before
    rotate(city, AFTER_A_RESTART)
    city.settle()
    assert passed_on(city) == before
    condition = told(city)
    assert condition is not None
    assert condition["reason"] == "CredentialsUntried"


def test_a_new_revision_waits_until_its_credentials_were_tried() -> None:
    city = City()
    first = city.serving()
    rotate(city, UNTRIED)
    city.edit(parameters={"seed": 2})
    plan = city.settle()
    assert plan.serving == first.revision
    assert (plan.finding("Provisioned").status, plan.finding("Provisioned").reason) == ("Unknown", "Probing")
    assert len(city.started) == 2
    city.observations["river-gauge"] = REACHABLE
    assert city.serving().serving != first.revision


def test_a_first_binding_after_a_restart_goes_by_what_was_known() -> None:
    city = City(observations={"river-gauge": AFTER_A_RESTART})
    city.serving()
    assert city.condition("Ready")["status"] == "True"


def test_a_secret_that_is_missing_and_comes_back_changes_nothing() -> None:
    city = City()
    city.serving()
    before, there = passed_on(city), dict(city.secrets)
    city.secrets.clear()
    del city.observations["river-gauge"]
    city.settle()
    assert city.condition("DataBound")["reason"] == "CredentialsMissing"
    assert passed_on(city) == before
    city.secrets.update(there)
    city.settle()
    assert passed_on(city) == before
    city.observations["river-gauge"] = REACHABLE
    city.settle()
    assert passed_on(city) == before
    assert city.condition("Ready")["status"] == "True"


def pod_digest(city: City) -> Any:
    (deployment,) = [d.manifest for d in city.decide().desired if d.key[0] == "Deployment"]
    return deployment["spec"]["template"]["metadata"]["annotations"]["ddtas.nl/bindings-digest"]


def test_nobody_can_try_passwords_on_what_a_deployment_shows() -> None:
    """Two Secrets with the same content have another digest each."""
    city = City()
    city.serving()
    before = pod_digest(city)
    city.secrets["water-board"] = replace(city.secrets["water-board"], uid="another")
    assert pod_digest(city) != before
    assert "another" not in repr(city.secrets)


@pytest.mark.parametrize("seen", [UNTRIED, REFUSED, AFTER_A_RESTART])
def test_an_edit_by_hand_of_what_is_passed_on_is_put_right(seen: SourceObservation) -> None:
    city = City()
    city.serving()
    (key,) = [k for k in city.children if k[0] == "Secret"]
    right = city.children[key].applied
    city.observations["river-gauge"] = seen
    city.tamper(key)
    city.settle()
    assert city.children[key].applied == right
