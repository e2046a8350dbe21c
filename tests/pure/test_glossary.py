"""The words of docs/glossary.md are the names in the API, the code, the metrics and the settings."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ddtas import metrics, names
from ddtas.api import crd
from ddtas.plan.reasons import Reason
from ddtas.settings import Settings

REPO = Path(__file__).parents[2]
CODE = REPO / "operator" / "ddtas"
SECTIONS = (REPO / "docs" / "glossary.md").read_text().split("\n## ")


def rows(section: str) -> list[list[str]]:
    """The rows of a section's table, without its head."""
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


WORDS = [row[0] for row in rows(SECTIONS[0])]
NAMES = [(row[0], name) for row in rows(SECTIONS[0]) for name in re.findall(r"`([^`]+)`", row[2])]
UNUSED = {row[0] for row in rows(SECTIONS[1])}
SCHEMAS = {
    kind.name: crd.crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"] for kind in crd.KINDS
}


def values(schema: dict[str, Any]) -> Iterator[str]:
    """The names and the listed values of all fields at any depth."""
    yield from schema.get("enum", ())
    for name, field in schema.get("properties", {}).items():
        yield name
        yield from values(field)
    if "items" in schema:
        yield from values(schema["items"])


VALUES = {value for schema in SCHEMAS.values() for value in values({"properties": schema})}
CLASSES = Counter(
    node.name
    for path in CODE.rglob("*.py")
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.ClassDef)
)
LABELS = {value for value in vars(names).values() if isinstance(value, str) and value.startswith(f"{names.GROUP}/")}
METRICS = {description.name for description in metrics.DESCRIPTIONS}
SETTINGS = {f"DDTAS_{name.upper()}" for name in Settings.model_fields}


def is_field(path: str) -> bool:
    """Whether a kind has the field, such as Installation.spec.windows."""
    kind, *parts = path.split(".")
    schema: dict[str, Any] = {"properties": SCHEMAS.get(kind, {})}
    for part in parts:
        schema = schema.get("properties", {}).get(part.removesuffix("[]"), {})
        if part.endswith("[]"):
            schema = schema.get("items", {})
    return bool(schema)


def exists(name: str) -> bool:
    """Whether there is something of that name."""
    if name in CLASSES or name in LABELS | METRICS | SETTINGS | VALUES:
        return True
    if name.endswith(("/", ".py")):
        return (CODE / name).exists()
    return "." in name and is_field(name)


@pytest.mark.parametrize(("word", "name"), NAMES, ids=[name for _, name in NAMES])
def test_a_name_of_the_glossary_exists(word: str, name: str) -> None:
    assert exists(name), f"{word}: nothing has the name {name} any more; change the glossary with the name"


def test_a_class_of_the_glossary_is_one_class() -> None:
    assert {name: CLASSES[name] for _, name in NAMES if CLASSES[name] > 1} == {}


@pytest.mark.parametrize("name", ["Nothing", "nothing/", "Installation.spec.nothing", "ddtas_nothing", "DDTAS_NOTHING"])
def test_a_name_that_is_nowhere_is_missed(name: str) -> None:
    assert not exists(name)


def test_each_word_is_there_once_in_the_order_of_the_alphabet() -> None:
    assert sorted(set(WORDS), key=str.lower) == WORDS
    assert not UNUSED & set(WORDS)


def test_each_word_has_a_name() -> None:
    assert set(WORDS) == {word for word, _ in NAMES}


def parts(name: str) -> set[str]:
    """The words that a name is made of, also without their endings: of lookedAt, look, looked and at."""
    words = {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
    return words | {word.removesuffix("ed") for word in words} | {word.removesuffix("s") for word in words}


def test_words_that_are_not_used_are_in_no_name_of_the_api() -> None:
    public = VALUES | {reason.value for reason in Reason} | METRICS | SETTINGS | LABELS
    assert {name for name in public if parts(name) & UNUSED} == set()
