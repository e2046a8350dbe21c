"""Every field of every kind is described, and a field that may be left out says what that means."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from ddtas import __main__ as command
from ddtas.api import crd

# The API server refuses objects of more than 1.5 MiB, and `kubectl apply` without --server-side annotations of 256 KiB.
MOST_BYTES = 256 * 1024


def schema(required: list[str], **properties: Any) -> dict[str, Any]:
    spec = {"description": "S.", "properties": properties, "required": required}
    return {"properties": {"spec": spec}, "required": ["spec"]}


def test_each_field_is_described() -> None:
    assert crd.undescribed() == []


@pytest.mark.parametrize(
    ("text", "required", "lacks"),
    [
        (None, [], "K.spec.a has no description"),
        ("", ["a"], "K.spec.a has no description"),
        ("A size.", [], "K.spec.a may be left out"),
        ("A size.", ["a"], None),
        ("A size. Absent: any.", [], None),
    ],
)
def test_what_a_field_lacks(text: str | None, required: list[str], lacks: str | None) -> None:
    field = {"type": "string"} | ({} if text is None else {"description": text})
    faults = list(crd._undescribed(schema(required, a=field), "K"))
    assert [fault.startswith(lacks or "") for fault in faults] == ([True] if lacks else [])


def test_fields_inside_lists_are_looked_at() -> None:
    field = {"description": "A list.", "items": {"properties": {"b": {"type": "string"}}}}
    (fault,) = crd._undescribed(schema(["a"], a=field), "K")
    assert fault.startswith("K.spec.a[].b has no description")


def test_nothing_is_generated_while_a_field_is_not_described(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(crd, "undescribed", lambda: ["K.spec.a has no description"])
    monkeypatch.setattr("sys.argv", ["ddtas", "crds", "--write"])
    assert command.main() == 1
    assert capsys.readouterr().err == "K.spec.a has no description\n"


@pytest.mark.parametrize("content", crd.files().values(), ids=list(crd.files()))
def test_a_definition_stays_far_below_what_can_be_stored(content: str) -> None:
    assert len(content.encode()) < MOST_BYTES


def patterns(place: Any) -> Iterator[str]:
    """All patterns in a definition."""
    for key, value in place.items() if isinstance(place, dict) else enumerate(place):
        if key == "pattern" and isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            yield from patterns(value)


# What Go's regular expressions have after a backslash, of what others have too: an API server refuses the whole CRD.
SHARED = re.compile(r"(?:[^\\]|\\(?:[dDwWsSbBnrtf]|x[0-9a-f]{2}|[^\w\s]))*")
ALONE = ("(?=", "(?!", "(?<", "(?>")


@pytest.mark.parametrize("content", crd.files().values(), ids=list(crd.files()))
def test_patterns_are_what_an_api_server_understands(content: str) -> None:
    found = set(patterns(yaml.safe_load(content)))
    assert found
    assert [p for p in found if not SHARED.fullmatch(p) or any(part in p for part in ALONE)] == []


@pytest.mark.parametrize("content", crd.files().values(), ids=list(crd.files()))
def test_a_pattern_with_words_of_its_own_has_no_quote(content: str) -> None:
    """It is a text of a rule, in single quotes, which has no escapes: `\\x27` says it as well."""
    rules = re.findall(r"self\.matches\(r'(.*)'\)$", content, re.MULTILINE)
    assert rules
    assert [rule for rule in rules if "'" in rule.replace("''", "'")] == []


@pytest.mark.parametrize("pattern", ["[\\u00a0]", "\\p{L}", "a(?=b)", "(a)\\1", "\\Z"])
def test_patterns_that_it_does_not_understand(pattern: str) -> None:
    assert not SHARED.fullmatch(pattern) or any(part in pattern for part in ALONE)


def test_a_description_has_no_line_breaks_within_a_paragraph() -> None:
    assert crd.joined_lines("One\ntwo.\n\nThree\n  four.") == "One two.\n\nThree four."
