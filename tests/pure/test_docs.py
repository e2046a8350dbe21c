"""The documentation says what the code does: generated parts are fresh, tables are complete, examples work."""

import json
import re
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, get_args

import faults_courses
import faults_table
import pytest
import yaml
from builders import City, scored_listing_body
from examples_kit import Runs, Supply, inputs

from ddtas import __main__ as command
from ddtas import metrics
from ddtas.api.evidence import Outcome
from ddtas.api.listing import AppListing
from ddtas.api.platform import DataSource
from ddtas.api.requirements import DataRequirement
from ddtas.data.contract import Credentials, DataKind, Scheme
from ddtas.data.session import SourceReason
from ddtas.plan.children.admission import admit
from ddtas.plan.children.template import TemplateContext, render
from ddtas.plan.reasons import Course, Reason
from ddtas.plan.runs.evidence import parse_result
from ddtas.settings import Settings

REPO = Path(__file__).parents[2]
DOCS = REPO / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), REPO / "README.md", REPO / "CHANGELOG.md", REPO / "CONTRIBUTING.md"])
CODE = {path: path.read_text() for path in (REPO / "operator" / "ddtas").rglob("*.py")}


def page(name: str) -> str:
    return (DOCS / name).read_text()


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def block(name: str, start: str) -> str:
    """The fenced block of a page that begins with this."""
    found = [b for b in re.findall(r"^```\w*\n(.*?)^```$", page(name), re.M | re.S) if b.startswith(start)]
    assert len(found) == 1, f"{name}: {len(found)} blocks begin with {start!r}"
    return str(found[0])


# ---- what is generated ----


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ddtas", *arguments])
    return command.main()


def test_the_reference_is_as_generated(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "reference", "--check") == 0


@pytest.mark.parametrize("what", ["reference", "crds"])
def test_a_stale_file_is_found_and_written_anew(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "ROOT", tmp_path)
    assert run(monkeypatch, what, "--check") == 1
    assert f"run `python -m ddtas {what} --write`" in capsys.readouterr().err
    assert run(monkeypatch, what, "--write") == 0
    assert run(monkeypatch, what, "--check") == 0
    written = next(path for path in tmp_path.rglob("*.*"))
    written.write_text(written.read_text() + "\n")
    assert run(monkeypatch, what, "--check") == 1


def test_the_list_of_reasons_has_each_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "reference") == 0
    text = capsys.readouterr().out
    for reason in Reason:
        assert text.count(f"| `{reason.value}` | {reason.course.value} | {reason.meaning} |") == 1
    for probe in SourceReason:
        assert text.count(f"| `{probe.value}` | ") == 1


def test_every_reason_is_given_somewhere() -> None:
    elsewhere = "\n".join(text for path, text in CODE.items() if path.name != "reasons.py")
    named = set(Reason) - {Reason.REASON_NOT_KNOWN}  # which is given where no other reason has a name
    unused = [r.value for r in named if f"Reason.{r.name}" not in elsewhere and f'"{r.value}"' not in elsewhere]
    assert unused == []


def test_every_reason_of_a_probe_is_given_somewhere() -> None:
    probes = "\n".join(text for path, text in CODE.items() if "data" in path.parts or path.parent.name == "probes")
    assert [r.value for r in SourceReason if f"Reason.{r.name}" not in probes] == []


def test_there_is_advice_for_each_reason_that_stops() -> None:
    text = page("operations.md")
    stops = [r for r in Reason if r.course in (Course.STALLED, Course.WAITING)]
    # These two name another reason, and SourcesUnreachable has the data sources' own.
    explained_by_others = {Reason.WAITING, Reason.NOT_SERVING, Reason.SOURCES_UNREACHABLE}
    assert [r.value for r in stops if f"`{r.value}`" not in text and r not in explained_by_others] == []
    assert [r.value for r in SourceReason if f"`{r.value}`" not in text] == []


# ---- tables ----


def test_each_kind_of_source_and_each_scheme_is_described() -> None:
    text = page("data-sources.md")
    assert [kind.value for kind in DataKind if f"| `{kind.value}`" not in text] == []
    for scheme in get_args(Scheme):
        keys = ", ".join(f"`{key}`" for key in Credentials(secret_name="s", scheme=scheme).keys)
        assert f"| `{scheme}` | {keys} |" in text


def test_each_thing_that_a_requirement_may_ask_is_described() -> None:
    text = page("data-sources.md")
    asked = {f.alias for n, f in DataRequirement.model_fields.items()} - {"name", "description"}
    assert [name for name in sorted(map(str, asked)) if f"`{name}`" not in text and f"`{name}:" not in text] == []


def rows(name: str, first: str) -> dict[str, list[str]]:
    """The rows of a page's tables whose first cell is a name in backticks with this beginning."""
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in page(name).splitlines() if line[:1] == "|"]
    return {row[0].strip("`"): row for row in cells if row[0].startswith(f"`{first}")}


def test_the_table_of_settings_is_complete() -> None:
    table = rows("reference/settings.md", "DDTAS_")
    wanted = {f"DDTAS_{name.upper()}": field.default for name, field in Settings.model_fields.items()}
    assert sorted(table) == sorted(wanted)
    for name, default in wanted.items():
        shown = "" if default == () else str(default).lower() if isinstance(default, bool) else str(default)
        assert table[name][1].strip("`").removesuffix(".0") == shown.removesuffix(".0"), name


def test_a_setting_of_the_chart_is_set_by_the_value_that_is_named() -> None:
    template = (REPO / "charts" / "ddtas-operator" / "templates" / "deployment.yaml").read_text()
    values = dict(re.findall(r"name: (DDTAS_\w+), value: {{.*?\.Values\.([\w.]+)", template))
    named = {name: row[3].strip("`") for name, row in rows("reference/settings.md", "DDTAS_").items()}
    assert {name: value for name, value in named.items() if value} == values


def test_the_table_of_metrics_is_complete() -> None:
    table = rows("reference/metrics.md", "ddtas_")
    found = {}
    for family in metrics.REGISTRY.collect():
        if family.name.startswith("ddtas_"):
            found[family.name + ("_total" if family.type == "counter" else "")] = family.type
    # Registered by the running operator only.
    assert {name: row[1] for name, row in table.items()} == found | {
        "ddtas_objects": "gauge",
        "ddtas_installations": "gauge",
    }


def values(tree: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, dict) and name != "resources":
            yield from values(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_every_value_of_the_chart_is_explained() -> None:
    chart = yaml.safe_load((REPO / "charts" / "ddtas-operator" / "values.yaml").read_text())
    assert [name for name in values(chart) if f"`{name}`" not in page("operations.md")] == []


# ---- examples ----


RAIN = [
    {"name": "date", "type": "date", "concept": "time"},
    {"name": "rain_mm", "type": "number", "unit": "mm"},
    {"name": "runoff_mm", "type": "number", "unit": "mm"},
]


def test_the_listing_in_the_app_contract_is_valid() -> None:
    body = yaml.safe_load(block("app-contract.md", "# listing.yaml\n"))
    listing = AppListing.parse(body)
    assert listing.spec.versions[0].components[0].name == "web"


async def test_the_app_in_the_app_contract_is_judged_by_the_platform(tmp_path: Path) -> None:
    """Both scripts as their runs, on data that they fit but for a day."""
    days = [date(2013, 1, 1) + timedelta(days=n) for n in range(4 * 365 + 1)]
    rows = [f"{day},{n % 7},{0.4 * (n % 7):.2f}\n" for n, day in enumerate(days[:-1])]
    source = DataSource.model_validate(
        {"name": "gauge", "title": "Rain", "kind": "http-csv", "endpoint": "http://gauge.example/rain.csv"}
        | {"contract": {"version": "1.0.0", "fields": RAIN}, "accessRights": "public", "licence": "CC0-1.0"}
        | {"purposes": ["water"]}
    )
    supply = Supply(source, "date,rain_mm,runoff_mm\n" + "".join(rows) + f"{days[-1]},1,5.00\n")
    runs = Runs(tmp_path, inputs(yaml.safe_load(block("app-contract.md", "# listing.yaml\n")), supply), supply)
    for script in ("calibrate.py", "validate.py"):
        (tmp_path / script).write_text(block("app-contract.md", f"# {script}\n"))
    calibration = runs.judged("calibrate", await runs.run("calibrate"))
    found = {p.name: float(p.value) for p in calibration.parameters}
    assert found == {"coefficient": pytest.approx(0.4)}
    validation = runs.judged("validate", await runs.run("validate", found))
    assert validation.outcome is Outcome.PASSED
    assert 0.9 < next(float(m.value) for m in validation.metrics if m.name == "NSE") < 1.0


def test_what_the_app_contract_says_of_run_json_is_what_is_written() -> None:
    shown = json.loads(block("app-contract.md", '{\n  "phase"'))
    (config,) = (m for m in made().sent.values() if m["metadata"]["name"].endswith("-config"))
    written = json.loads(config["data"]["calibrate.json"])
    assert set(shown) == set(written)
    assert set(shown["targets"][0]) == set(written["targets"][0])


def made() -> City:
    """The example, with its first run."""
    city = City(listing=scored_listing_body())
    city.settle()
    return city


def test_the_result_in_the_app_contract_is_one() -> None:
    assert parse_result(block("app-contract.md", '{\n  "metrics"')).metrics["PBIAS"] == -3.1


def test_the_files_in_the_app_contract_are_json() -> None:
    assert set(json.loads(block("app-contract.md", '{\n  "calibration"'))) == {"calibration", "validation"}


def test_the_template_in_the_app_contract_is_admitted() -> None:
    context: TemplateContext = {
        "prefix": "runoff-9563821c0d",
        "revision": "9563821c0d",
        "installation": {"name": "runoff", "namespace": "voorbeeldstad"},
        "municipality": {"name": "'s-Gravenhage", "code": "GM0518"},
        "parameters": {"depth": 1.5},
        "bindings": {"rain-series": {"source": "gauge", "kind": "http-csv"}},
    }
    objects = render([("tiles", block("app-contract.md", "# template.yaml\n"))], context)
    admitted = admit(objects, prefix=context["prefix"], namespace="voorbeeldstad")
    assert [o["kind"] for o in admitted] == ["ConfigMap", "Service", "Deployment"]


# ---- pages ----


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", without_blocks(path.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPO)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))


def status_of(text: str) -> str:
    """What the line below a decision's title says: accepted, perhaps with what replaced it."""
    found = re.match(r"# .*\n\nStatus: (.*)\.\n", text)
    assert found, "the line after the title must be `Status: Accepted.`, or say what replaced it"
    return found[1]


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_one_page_and_has_its_parts(path: Path) -> None:
    text = path.read_text()
    assert re.match(rf"# {path.name[:4]}\. ", text)
    assert status_of(text).startswith(("Accepted", "Replaced"))
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert headings == ["Context", "Decision", "Alternatives", "Consequences"], (
        "Alternatives: what was weighed, and why not"
    )
    assert len(text.splitlines()) <= 45


def test_the_index_has_each_decision() -> None:
    """A missing row is shown as it must be written."""
    index = [line for line in page("decisions/README.md").splitlines() if line.startswith("| [")]
    wanted = [
        f"| [{path.name[:4]}]({path.name}) | {title[1]} | {status_of(path.read_text())} |"
        for path in DECISIONS
        if (title := re.match(r"# \d{4}\. (.*)", path.read_text()))
    ]
    assert [row for row in wanted if row not in index] == []
    assert sorted(set(index)) == sorted(wanted)


def test_each_attack_is_told_and_each_that_is_told_is_tried() -> None:
    """A row of docs/attacks.md names its test: of the layer by name, of another one by `file::name`."""
    told = re.findall(r"`((?:test_\w+\.py::)?test_\w+)`", page("attacks.md"))
    tests = {
        path.name: set(re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.M))
        for path in (REPO / "tests").rglob("test_*.py")
    }
    layer = {path.name for path in (REPO / "tests" / "attacks").glob("test_*.py")}
    here = {name for file in layer for name in tests[file]}
    assert {name for name in told if "::" not in name} == here
    for file, _, name in (one.partition("::") for one in told if "::" in one):
        assert name in tests[file], f"{file} has no {name}"


def test_the_page_of_faults_has_those_that_are_tried() -> None:
    """docs/faults.md was written by a run of all of them, as they are now."""
    assert faults_table.cells(page("faults.md")) == faults_courses.grids()
