"""The last words of a container: enough of them to know why, and none of its credentials."""

from base64 import b64encode

import pytest
from builders import City, secret
from hypothesis import given
from hypothesis import strategies as st

from ddtas.plan.runs.last_words import Hidden, last_words
from ddtas.plan.snapshot import PodFacts

TRACEBACK = """INFO starting
Traceback (most recent call last):
  File "/app/flood/run.py", line 12, in main
    raise ValueError("no discharge in 2014")
ValueError: no discharge in 2014
"""


def test_an_exception_that_nobody_caught_is_shown() -> None:
    city = City()
    city.settle()
    city.fail("calibrate", TRACEBACK)
    city.settle()
    message = city.condition("Ready")["message"]
    assert "exit code 1: " in message
    assert "ValueError: no discharge in 2014" in message
    assert "\n" not in message
    assert city.condition("Stalled")["message"] == message


def test_what_containers_write_at_their_end_is_kept_for_each_of_them() -> None:
    city = City()
    city.validated()
    plan = city.decide()
    pods = [d.manifest["spec"]["template"]["spec"] for d in plan.desired if d.key[0] in ("Job", "Deployment")]
    assert pods
    for pod in pods:
        assert {c["terminationMessagePolicy"] for c in pod["containers"]} == {"FallbackToLogsOnError"}


def test_a_log_is_no_result_of_a_run_that_ended_well() -> None:
    """The kubelet gives the log where it ended with an error only; nothing else is taken for a result."""
    city = City()
    city.settle()
    city.finish("calibrate", "")
    city.settle()
    assert city.condition("Ready")["reason"] == "ResultMissing"


PASSWORD = "p@ss/word with spaces"
LEAKS = {
    "as it is": f"cannot log in with {PASSWORD}",
    "in an address": "GET https://voorbeeldstad:p%40ss%2Fword%20with%20spaces@data.example/ failed",
    "as base64": f"header {b64encode(PASSWORD.encode()).decode()}",
    "as basic authentication": f"Basic {b64encode(f'voorbeeldstad:{PASSWORD}'.encode()).decode()}",
    "in JSON": '{"error": "cannot log in with p@ss/word with spaces"}',
}


@pytest.mark.parametrize("text", LEAKS.values(), ids=LEAKS)
@pytest.mark.parametrize("ended", ["a run", "a run that ended well", "a component"])
def test_credentials_are_not_shown(ended: str, text: str) -> None:
    city = City()
    city.secrets["water-board"] = secret(username="voorbeeldstad", password=PASSWORD)
    if ended == "a component":
        city.validated()
        web = next(c for c in city.children.values() if c.kind == "Deployment")
        city.pod(web, PodFacts("Running", "CrashLoopBackOff", exit_code=1, ended_reason="Error", ended_message=text))
    else:
        city.settle()
        city.fail("calibrate", text) if ended == "a run" else city.finish("calibrate", text)
    city.settle()
    said = str(city.installation["status"])
    assert "word" not in said.replace("password", "")
    assert b64encode(PASSWORD.encode()).decode()[:12] not in said
    assert "redacted" in said or ended == "a run that ended well"


def test_short_values_are_hidden_where_they_stand_alone() -> None:
    hide = Hidden(["ab", ""])
    assert hide("ab: cab, ab") == "redacted: cab, redacted"
    assert "ab" not in repr(hide)


def test_a_log_that_was_cut_in_the_middle_of_a_password_does_not_show_its_end() -> None:
    text = f"word-of-the-password {'x' * 2048}"
    assert "word" not in last_words(text, Hidden(["secret-word-of-the-password"]))


@given(st.text(max_size=3000), st.lists(st.text(min_size=4, max_size=20), max_size=3))
def test_whatever_it_is_it_is_one_short_printable_line_without_secrets(text: str, values: list[str]) -> None:
    said = last_words(text + "".join(values), Hidden(values))
    assert len(said) <= 300
    assert said.isprintable() or said == ""
    for value in values:
        if value.strip() and value.isalnum():
            assert value not in said.replace("redacted", "")
