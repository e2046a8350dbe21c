"""The generated pages of fields: each field of each kind is there, with its type and what it means."""

import re
from pathlib import Path
from typing import Any

import pytest

from ddtas.api import crd
from ddtas.reference import fields, markdown, pages

REPO = Path(__file__).parents[2]
CHART = REPO / "charts" / "ddtas-operator"
PAGES = {kind.name: fields.text(kind) for kind in crd.KINDS}


def names(schema: dict[str, Any]) -> set[str]:
    """The names of all fields at any depth."""
    inside = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    return set(schema.get("properties", {})).union(*map(names, inside))


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
def test_each_field_has_a_row(kind: crd.Kind) -> None:
    properties = crd.crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    wanted = names(properties["spec"]) | names(properties["status"])
    assert wanted - set(re.findall(r"^\| `(\w+)` \|", PAGES[kind.name], re.M)) == set()


@pytest.mark.parametrize("page", pages.files().values(), ids=list(pages.files()))
def test_each_row_has_as_many_cells_as_its_table(page: str) -> None:
    for block in re.findall(r"(?:^\|.*\n)+", page, re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        (
            "Installation",
            "| `suspend` | boolean | | True: what is there stays, and nothing new is done. Absent: false. |",
        ),
        ("AppListing", "| `replicas` | integer from 1 to 10 | | How many pods it has. Absent: 1. |"),
        ("AppListing", "| `kinds` | list of 1 to 16 entries: `http-csv`, `http-geojson`, `http-parquet`,"),
        ("MunicipalityPlatform", "| `area` | [Area](#area) | | The area that data must cover"),
        ("MunicipalityPlatform", "| `bbox` | list of 4 entries: string of up to 32 characters | yes | Minimum x,"),
    ],
)
def test_how_a_field_is_shown(kind: str, row: str) -> None:
    assert f"\n{row}" in PAGES[kind]


def test_a_type_says_where_it_is_used_and_which_rules_it_has() -> None:
    section = PAGES["AppListing"].partition("\n## RunWindow\n")[2].partition("\n## ")[0]
    assert "At `spec.versions[].calibration.window`, `spec.versions[].validation.window`" in section
    assert "- start must not be after end" in section


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_files_that_a_page_names_exist(page: str) -> None:
    text = (REPO / page).read_text()
    paths = re.findall(r"`([\w.-]+(?:/[\w.-]+)*(?:/|\.py|\.md|\.tpl))`", text)
    code = REPO / "operator" / "ddtas"
    folders = (REPO, code, CHART, CHART / "templates")
    names = {path.name for path in code.rglob("*.py")}  # of files that each folder of some folder has
    assert paths
    assert [
        path for path in paths if path not in names and not any((folder / path).exists() for folder in folders)
    ] == []


def test_a_vertical_bar_ends_no_cell() -> None:
    assert markdown.table(("a",), [("x|y",)])[-1] == r"| x\|y |"
