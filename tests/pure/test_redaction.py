"""Credentials are found in what is shown, however they are usually written down."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddtas.redaction import REDACTED, SHORTEST, Redactor, forms

SECRET = 'pa:ss+wörd/"7=x'


@pytest.fixture
def redactor() -> Redactor:
    made = Redactor()
    made.put("delft", "gauge", [SECRET])
    return made


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        json.dumps({"a": f"x{SECRET}y"}),
        f"https://x.example/?p={quote(SECRET, safe='')}&q=1",
        f"Basic {base64.b64encode(f'u:{SECRET}'.encode()).decode()}",
        f"Basic {base64.b64encode(f'us:{SECRET}'.encode()).decode()}",
        f"Basic {base64.b64encode(f'use:{SECRET}'.encode()).decode()}",
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_each_way_to_write_it_is_found(redactor: Redactor, shown: str) -> None:
    assert redactor.holds(shown)
    hidden = redactor.hide(shown)
    assert REDACTED in hidden
    assert not any(form in hidden for form in forms(SECRET))


def test_what_is_beside_it_stays(redactor: Redactor) -> None:
    assert redactor.hide(f"a {SECRET} b {SECRET}") == f"a {REDACTED} b {REDACTED}"
    body = {"conditions": [{"message": f"no {SECRET}", "at": 1}], "ok": True, "none": None}
    assert redactor.hide_in(body, {}, "delft") == {
        "conditions": [{"message": f"no {REDACTED}", "at": 1}],
        "ok": True,
        "none": None,
    }


def test_nobody_can_guess_the_password_of_another_city(redactor: Redactor) -> None:
    assert redactor.hide(SECRET, "gouda") == SECRET
    redactor.put("gouda", "same", [SECRET])
    assert redactor.hide(SECRET, "gouda") == REDACTED
    redactor.remove("gouda", "same")
    assert redactor.hide(SECRET, "gouda") == SECRET
    assert redactor.hide(SECRET, "delft") == REDACTED


def test_a_secret_that_changed_or_went_is_forgotten(redactor: Redactor) -> None:
    redactor.put("delft", "gauge", ["another-one"])
    assert not redactor.holds(SECRET)
    assert redactor.holds("x another-one")
    redactor.remove("delft", "gauge")
    redactor.remove("delft", "gauge")
    assert not redactor.holds("another-one")


def test_short_ones_are_left_alone(redactor: Redactor) -> None:
    redactor.put("delft", "short", ["gauge", "", "x" * (SHORTEST - 1)])
    assert redactor.hide("the river gauge") == "the river gauge"


@given(st.text('0123456789/+"é =', min_size=SHORTEST, max_size=40), st.text(max_size=60), st.text(max_size=60))
def test_none_is_left_whatever_it_is_and_wherever(secret: str, before: str, after: str) -> None:
    redactor = Redactor()
    redactor.put("a", "b", [secret])
    text = f"{before}{secret}{after}"
    assert redactor.holds(text)
    assert not redactor.holds(redactor.hide(text))
    assert not redactor.holds(json.dumps(redactor.hide_in({"a": [text]}, {}, "a")))
