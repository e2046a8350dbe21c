"""The example of three levels: each app on the real series, fed by the one below, and the manifests that say so."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from aiohttp.test_utils import TestClient, TestServer
from builders import REACHABLE, UNREACHABLE, result
from probes_kit import LIMITS, LOOPBACK, look_at, response, serving, target
from systems import System, Twin

from ddtas.api.base import Verdict
from ddtas.api.listing import AppListing
from ddtas.api.workload import Run
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.plan.matching.conformance import conformance
from ddtas.plan.products import Ref, of_version
from ddtas.plan.runs.evidence import RunResult, parse_result
from ddtas.plan.snapshot import SourceObservation
from flood_twin.contract import Config, Window
from flood_twin.data import DataError, Record, load
from nuisance_twin.levels import LEVELS, Level, observed, rows
from nuisance_twin.web import Service

EXAMPLES = Path(__file__).parents[3] / "examples"
sys.path.append(str(EXAMPLES / "flood-twin" / "data-server"))
from discharge_csv import MEMBER, convert  # type: ignore[import-not-found]  # noqa: E402

CALIBRATION = Window(date(2013, 1, 1), date(2014, 12, 31))
VALIDATION = Window(date(2015, 1, 1), date(2016, 12, 31))
FORECAST = (
    b"date,low_m3s,median_m3s,high_m3s\n2017-01-01,0.001,0.030,0.2\n2017-01-02,0.001,0.002,0.2\n2017-01-03,0,0,0.01\n"
)
NUISANCE = "date,expected,possible\n2017-01-01,1,1\n2017-01-02,0,1\n2017-01-03,0,0\n"


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of the gauge, in a folder of its own."""
    member = files("spotpy").joinpath(MEMBER.removeprefix("spotpy/"))
    table = tmp_path_factory.mktemp("series") / "data.csv"
    table.write_text(convert(member.read_text("ascii")))
    return table


@pytest.fixture(scope="module")
def record(series: Path) -> Record:
    return load(series)


def listing(name: str) -> dict[str, Any]:
    body: dict[str, Any] = yaml.safe_load((EXAMPLES / "systems" / f"{name}.yaml").read_text())
    body["metadata"] |= {"uid": f"uid-{name}", "generation": 1, "resourceVersion": "1"}
    return body


def thresholds(name: str) -> Run:
    return AppListing.parse(listing(name)).spec.versions[0].validation


# ---- the apps ----


@pytest.mark.parametrize("name", LEVELS)
def test_each_level_may_serve_on_the_real_series(name: str, record: Record) -> None:
    level = LEVELS[name]
    seen, window = observed(record, CALIBRATION)
    assert (window.start, window.end) == (CALIBRATION.start, CALIBRATION.end)
    found, _ = level.calibrate(seen)
    assert set(found) == set(level.parameters)
    unseen, _ = observed(record, VALIDATION)
    metrics = level.validate(unseen, seen, found)
    for bound in thresholds(name).thresholds:
        assert bound.operator.holds(metrics[bound.metric], float(bound.value)), (bound, metrics)


@pytest.mark.parametrize("name", LEVELS)
def test_each_level_is_refused_where_its_bounds_do_not_hold(name: str, record: Record) -> None:
    """That validation can fail: with parameters that are wrong."""
    level = LEVELS[name]
    seen, _ = observed(record, CALIBRATION)
    metrics = level.validate(observed(record, VALIDATION)[0], seen, {"nuisanceM3s": 0.0, "stays": 0.0, "begins": 1.0})
    bounds = thresholds(name).thresholds
    assert not all(bound.operator.holds(metrics[bound.metric], float(bound.value)) for bound in bounds)


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


async def phase(folder: Path, level: str, what: str) -> RunResult:
    """Run a phase as its container does; what it left in its termination message."""
    report = folder / "termination-log"
    environ = {"DDTAS_CONFIG": str(folder), "DDTAS_DATA": str(folder), "DDTAS_RESULT": str(report)}
    environ |= {"PATH": os.environ["PATH"], "PYTHONPATH": str(EXAMPLES / "flood-twin" / "app")}
    command = (sys.executable, "-m", "nuisance_twin", level, what)
    process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0
    return parse_result(report.read_text())


@pytest.mark.parametrize("name", LEVELS)
async def test_both_runs_as_their_containers_make_them(name: str, series: Path, tmp_path: Path) -> None:
    windows = {"calibration": CALIBRATION.as_json(), "validation": VALIDATION.as_json()}
    (tmp_path / "run.json").write_text(json.dumps({"municipality": {}, "windows": windows, "thresholds": {}}))
    (tmp_path / "discharge-series").symlink_to(series.parent)
    calibrated = await phase(tmp_path, name, "calibrate")
    (tmp_path / "calibrated.json").write_text(json.dumps(calibrated.parameters))
    validated = await phase(tmp_path, name, "validate")
    assert set(calibrated.parameters) == set(LEVELS[name].parameters)
    for bound in thresholds(name).thresholds:
        assert bound.operator.holds(validated.metrics[bound.metric], float(bound.value))
    assert not validated.windows[0].overlaps(calibrated.windows[0])


# ---- the service ----


def config(folder: Path, level: Level) -> Config:
    """A configuration directory as the platform lays it."""
    parameters = {"nuisanceM3s": 0.02, "stays": 0.8, "begins": 0.02}
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
        plan = twin.calibrated()
        twin.finish("validate", result(metrics, {"start": "2015-01-01", "end": "2016-12-31"}), plan.revision)
        twin.settle()
        twin.roll_out()
        twin.settle()

    assert bound() == {"stream": "Bound", "district": "UpstreamNotServing", "city": "UpstreamNotServing"}
    serve("stream", NSE=0.539, RSR=0.679, absPBIAS=16.0)
    assert bound() == {"stream": "Bound", "district": "Bound", "city": "UpstreamNotServing"}
    serve("district", absShareError=0.4)
    assert bound() == dict.fromkeys(twins, "Bound")
    serve("city", brierSkill=0.73)
    assert {name: twin.condition("Ready")["reason"] for name, twin in twins.items()} == dict.fromkeys(twins, "Serving")
    for name in ("district", "city"):
        checks = [c for b in twins[name].installation["status"]["bindings"] for c in b["checks"]]
        assert {c["measured"] for c in checks if c["name"].startswith("upstream ")} == {Verdict.MET}
    # The stream's gauge falls silent: what serves, serves, and who is fed by it has what it needs.
    twins["stream"].observations["river-gauge"] = UNREACHABLE
    twins["stream"].settle()
    assert twins["stream"].condition("Serving")["reason"] == "KeepsServing"
    twins["stream"].observations["river-gauge"] = REACHABLE
    assert bound() == dict.fromkeys(twins, "Bound")
