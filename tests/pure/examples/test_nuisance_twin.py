"""The example of three levels: each app on the real series, fed by the one below, and the manifests that say so."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from aiohttp.test_utils import TestClient, TestServer
from builders import EXAMPLES, REACHABLE, UNREACHABLE, calibration_report, result, score_report
from examples_kit import Runs, example_inputs, series
from probes_kit import LIMITS, LOOPBACK, look_at, response, serving, target
from systems import System, Twin

from ddtas.api.base import Verdict
from ddtas.api.evidence import Outcome
from ddtas.api.listing import AppListing
from ddtas.api.requirements import RunThreshold
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.plan.matching.conformance import conformance
from ddtas.plan.products import Ref, of_version
from ddtas.plan.runs.evidence import parse_result
from ddtas.plan.snapshot import SourceObservation
from flood_twin.contract import Config, Window
from flood_twin.data import DataError, Record, load
from nuisance_twin.levels import LEVELS, City, Level, observed, rows
from nuisance_twin.web import Service

CALIBRATION = Window(date(2013, 1, 1), date(2014, 12, 31))
VALIDATION = Window(date(2015, 1, 1), date(2016, 12, 31))
FORECAST = (
    b"date,low_m3s,median_m3s,high_m3s\n2017-01-01,0.001,0.030,0.2\n2017-01-02,0.001,0.002,0.2\n2017-01-03,0,0,0.01\n"
)
NUISANCE = "date,expected,possible\n2017-01-01,1,1\n2017-01-02,0,1\n2017-01-03,0,0\n"


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """The series of the gauge."""
    table = tmp_path_factory.mktemp("series") / "data.csv"
    table.write_text(series())
    return load(table)


def listing(name: str) -> dict[str, Any]:
    body: dict[str, Any] = yaml.safe_load((EXAMPLES / "systems" / f"{name}.yaml").read_text())
    body["metadata"] |= {"uid": f"uid-{name}", "generation": 1, "resourceVersion": "1"}
    return body


# ---- the apps ----


async def test_the_district_serves_where_nine_days_out_of_ten_stay_below_its_limit(tmp_path: Path) -> None:
    """Both runs as their containers make them, judged by the platform."""
    runs = Runs(tmp_path, example_inputs("systems/district.yaml"))
    calibration = runs.judged("calibrate", await runs.run("calibrate"))
    found = {p.name: float(p.value) for p in calibration.parameters}
    assert set(found) == set(LEVELS["district"].parameters)
    evidence = runs.judged("validate", await runs.run("validate", found))
    assert evidence.outcome is Outcome.PASSED
    metrics = {m.name: float(m.value) for m in evidence.metrics}
    assert metrics["coverage90"] == pytest.approx(0.896, abs=0.001)


@pytest.mark.parametrize("limit", [0.005, 1.0], ids=["half of the days above", "none above"])
async def test_the_district_is_refused_with_another_limit(limit: float, tmp_path: Path) -> None:
    runs = Runs(tmp_path, example_inputs("systems/district.yaml"))
    evidence = runs.judged("validate", await runs.run("validate", {"medianM3s": 0.001, "nuisanceM3s": limit}))
    assert evidence.reason == "ThresholdNotMet"


async def test_the_city_reports_its_own_metrics(tmp_path: Path) -> None:
    runs = Runs(tmp_path, example_inputs("systems/city.yaml"))
    assert runs.inputs.version.targets == ()
    calibrated = parse_result((await runs.run("calibrate")).message)
    assert set(calibrated.parameters) == set(LEVELS["city"].parameters)
    validated = parse_result((await runs.run("validate", calibrated.parameters)).message)
    for bound in bounds():
        assert bound.operator.holds(validated.metrics[bound.metric], float(bound.value))
    assert not validated.windows[0].overlaps(calibrated.windows[0])


def bounds() -> tuple[RunThreshold, ...]:
    """Of the city's validation."""
    return AppListing.parse(listing("city")).spec.versions[0].validation.thresholds


def test_the_city_is_refused_with_parameters_that_are_wrong(record: Record) -> None:
    seen, _ = observed(record, CALIBRATION)
    metrics = City().skill(observed(record, VALIDATION)[0], seen, {"stays": 0.0, "begins": 1.0})
    assert not all(bound.operator.holds(metrics[bound.metric], float(bound.value)) for bound in bounds())


@pytest.mark.parametrize("name", LEVELS)
async def test_a_run_that_cannot_be_made_says_why_at_the_end_of_its_log(name: str, tmp_path: Path) -> None:
    runs = Runs(tmp_path, example_inputs(f"systems/{name}.yaml"))
    ended = await runs.run("validate", {"other": 1.0})
    assert ended.code == 1
    assert ended.log.startswith(f"error: calibrated.json: {LEVELS[name].parameters[0]} is missing")


def below_is(folder: Path, content: bytes) -> Path:
    """The table of the level below."""
    folder.mkdir(exist_ok=True)
    (folder / "data.csv").write_bytes(content)
    return folder / "data.csv"


def test_what_a_district_makes_of_a_forecast(tmp_path: Path) -> None:
    below = rows(below_is(tmp_path, FORECAST))
    header, made = LEVELS["district"].product(below, {"nuisanceM3s": 0.02})
    assert header == ("date", "expected", "possible")
    assert made == [["2017-01-01", "1", "1"], ["2017-01-02", "0", "1"], ["2017-01-03", "0", "0"]]


def test_what_a_city_makes_of_that(tmp_path: Path) -> None:
    below = rows(below_is(tmp_path, NUISANCE.encode()))
    _, made = LEVELS["city"].product(below, {"stays": 0.8, "begins": 0.02})
    assert made == [["2017-01-01", "0.800"], ["2017-01-02", "0.644"], ["2017-01-03", "0.020"]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"date,expected,possible\n", "has no rows"), (b"date,expected,possible\n2017-01-01,,1\n", "is no number")],
    ids=["no rows", "a value is missing"],
)
def test_what_is_below_may_be_nothing(content: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=reason):
        LEVELS["city"].product(rows(below_is(tmp_path, content)), {"stays": 0.8, "begins": 0.02})


@pytest.mark.parametrize("values", [np.full(400, np.nan), np.ones(400)], ids=["none", "all alike"])
def test_a_series_that_says_nothing_is_refused(values: Any) -> None:
    made = Record(date(2013, 1, 1), [0.0] * 400, [0.0] * 400, values)
    with pytest.raises(DataError, match="180 that differ are needed"):
        observed(made, CALIBRATION)


# ---- the service ----


def config(folder: Path, level: Level) -> Config:
    """A configuration directory as the platform lays it."""
    parameters = {"medianM3s": 0.005, "nuisanceM3s": 0.02, "stays": 0.8, "begins": 0.02}
    run = {"municipality": {"name": "<b>Gouda", "code": "GM0513"}, "windows": {}, "thresholds": {}}
    (folder / "run.json").write_text(json.dumps(run))
    (folder / "calibrated.json").write_text(json.dumps(parameters))
    below_is(folder / level.upstream, FORECAST)
    return Config({"DDTAS_CONFIG": str(folder), "DDTAS_DATA": str(folder)})


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[tuple[Service, TestClient[Any, Any]]]:
    service = Service(config(tmp_path, LEVELS["district"]), LEVELS["district"])
    async with TestClient(TestServer(service.application())) as client:
        yield service, client


async def test_it_serves_what_it_made_also_when_the_level_below_says_nothing(
    client: tuple[Service, TestClient[Any, Any]], tmp_path: Path
) -> None:
    service, http = client
    await asyncio.sleep(0)
    assert service.refresh()
    assert (await http.get("/healthz")).status == 200
    answer = await http.get("/nuisance.csv")
    assert (answer.content_type, await answer.text()) == ("text/csv", NUISANCE)
    below_is(tmp_path / LEVELS["district"].upstream, b"date,low_m3s,median_m3s,high_m3s\n2017-01-01,0,<i>,0\n")
    assert not service.refresh()
    assert await (await http.get("/nuisance.csv")).text() == NUISANCE
    page = await (await http.get("/")).text()
    assert "is no number" in page
    assert "<b>" not in page


async def test_it_is_not_ready_before_the_level_below_said_something(tmp_path: Path) -> None:
    service = Service(config(tmp_path, LEVELS["district"]), LEVELS["district"])
    (tmp_path / LEVELS["district"].upstream / "data.csv").unlink()
    async with TestClient(TestServer(service.application())) as http:
        assert not service.refresh()
        assert (await http.get("/healthz")).status == 503


# ---- the manifests ----

CREWS = b"date,chance\n2017-01-01,0.800\n2017-01-02,0.644\n2017-01-03,0.020\n"


@pytest.mark.parametrize(
    ("name", "served"), [("stream", FORECAST), ("district", NUISANCE.encode()), ("city", CREWS)], ids=str
)
async def test_each_product_is_what_its_contract_promises(name: str, served: bytes) -> None:
    """As the operator's own look at it finds."""
    version = AppListing.parse(listing(name)).spec.versions[0]
    ((_, source),) = of_version(Ref("voorbeeldstad", name), f"{name}-twin", version, "voorbeeldstad")
    async with serving(response(served, "Content-Type: text/csv")) as server:
        facts = await look_at(target(server.url(), contract=source.contract), LIMITS, LOOPBACK)
    assert conformance(source, facts, datetime.now(UTC)) == (Verdict.MET, ())
    assert facts.time_resolution == "P1D"


def seen(*fields: tuple[str, str]) -> SourceObservation:
    found = tuple(MeasuredField(name=name, type=kind) for name, kind in fields)
    return SourceObservation("Reachable", "Read", "", SourceFacts(fields=found, time_resolution="P1D"))


def test_the_manifests_make_a_system_of_three_levels() -> None:
    system = System()
    system.seen = {
        "stream-forecast": seen(
            ("date", "date"), ("low_m3s", "number"), ("median_m3s", "number"), ("high_m3s", "number")
        ),
        "district-nuisance": seen(("date", "date"), ("expected", "integer"), ("possible", "integer")),
        "city-crews": seen(("date", "date"), ("chance", "number")),
    }
    twins: dict[str, Twin] = {}
    for body in yaml.safe_load_all((EXAMPLES / "systems" / "installations.yaml").read_text()):
        name, spec = body["metadata"]["name"], body["spec"]
        assert spec.pop("listing") == f"{name}-twin"
        twins[name] = system.install(name, listing(name), **spec)

    def bound() -> dict[str, str]:
        system.settle()
        return {name: twin.condition("DataBound")["reason"] for name, twin in twins.items()}

    def serve(name: str, **metrics: float) -> None:
        twin = twins[name]
        targets = twin.snapshot().listing.spec.versions[0].targets  # type: ignore[union-attr]
        if targets:
            twin.settle()
            twin.finish("calibrate", "", score=calibration_report(limit=0.02))
            twin.settle()
            twin.examine(*(other.installation for other in twins.values() if other is not twin))
            twin.settle()
            twin.finish("validate", "", score=score_report(**metrics))
        else:
            plan = twin.calibrated()
            twin.finish("validate", result(metrics, {"start": "2015-01-01", "end": "2016-12-31"}), plan.revision)
        twin.settle()
        twin.roll_out()
        twin.settle()

    assert bound() == {"stream": "Bound", "district": "UpstreamNotServing", "city": "UpstreamNotServing"}
    serve("stream", NSE=0.539, RSR=0.679, absPBIAS=16.0)
    assert bound() == {"stream": "Bound", "district": "Bound", "city": "UpstreamNotServing"}
    serve("district", coverage90=0.896)
    assert bound() == dict.fromkeys(twins, "Bound")
    serve("city", brierSkill=0.73)
    assert {name: twin.condition("Ready")["reason"] for name, twin in twins.items()} == dict.fromkeys(twins, "Serving")
    levels = {name: twin.installation["status"]["revisions"][-1]["validation"] for name, twin in twins.items()}
    assured = {name: validation.get("assurance") for name, validation in levels.items()}
    assert assured == {"stream": "Sealed", "district": "Sealed", "city": None}
    for name in ("district", "city"):
        checks = [c for b in twins[name].installation["status"]["bindings"] for c in b["checks"]]
        assert {c["measured"] for c in checks if c["name"].startswith("upstream ")} == {Verdict.MET}
    # The stream's gauge falls silent: what serves, serves, and who is fed by it has what it needs.
    twins["stream"].observations["river-gauge"] = UNREACHABLE
    twins["stream"].settle()
    assert twins["stream"].condition("Serving")["reason"] == "KeepsServing"
    twins["stream"].observations["river-gauge"] = REACHABLE
    assert bound() == dict.fromkeys(twins, "Bound")
