"""What the flood twin serves: when it is ready, that nothing is trusted on its page, and its forecast as data."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from aiohttp.test_utils import TestClient, TestServer

from flood_twin import page, plot, web
from flood_twin.contract import Evidence, RunInfo, Settings, Threshold, Window
from flood_twin.data import DataError, Record
from flood_twin.forecast import Forecast
from flood_twin.model import Parameters
from flood_twin.web import Twin, application

EVIL = "<script>alert(1)</script>\"'&"
WINDOW = Window(date(2015, 1, 1), date(2016, 12, 31))
RUN = RunInfo(
    "flood-twin", "gouda", "Gouda", "GM0513", "3f2a91", 1, {"validation": WINDOW},
    {"validation": [Threshold("NSE", "mustBeGreaterThan", "0.50"), Threshold("KGE", "mustBeLessThan", "9")]},
)  # fmt: skip
SETTINGS = Settings("NSE", 7500, 1.783, 3)
EVIDENCE = {"validation": Evidence({"NSE": 0.54}, [WINDOW])}
FORECAST = Forecast(
    date(2017, 1, 1), [2015, 2016], np.zeros(3), np.array([0.001, 0.02, 0.3]), np.array([1.0, 2.0, 37.5])
)


class FakeConfig:
    """A configuration without files."""

    def settings(self) -> Settings:
        return SETTINGS

    def run(self) -> RunInfo:
        return RUN

    def calibrated(self) -> Parameters:
        return Parameters(130.0, 0.1, 0.5, 0.02, 0.5)

    def evidence(self) -> dict[str, Evidence]:
        return EVIDENCE

    def table(self) -> None:
        return None


draw, pictures = plot.render, list[bytes]()


def drawn_once(*what: Any) -> bytes:
    """The picture of the first record: drawing takes longer than everything else here, and all have the same record."""
    if not pictures:
        pictures.append(draw(*what))
    return pictures[0]


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the data source gives: a record, or an error to raise."""
    days = 1096
    rain, demand = [3.0 * (i % 5 == 0) for i in range(days)], [1.0] * days
    given: dict[str, Any] = {"it": Record(date(2014, 1, 1), rain, demand, np.linspace(0, 0.1, days))}

    def load(_: object) -> Record:
        if isinstance(given["it"], Exception):
            raise given["it"]
        return given["it"]  # type: ignore[no-any-return]

    monkeypatch.setattr(web, "load", load)
    monkeypatch.setattr(plot, "render", drawn_once)
    return given


@pytest.fixture
def twin(source: dict[str, Any]) -> Twin:
    return Twin(FakeConfig())  # type: ignore[arg-type]


@pytest.fixture
async def client(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TestClient[Any, Any]]:
    async def never(_: Twin) -> None:
        return None

    monkeypatch.setattr(Twin, "keep_fresh", never)
    async with TestClient(TestServer(application(twin))) as client:
        yield client


@pytest.mark.parametrize("path", ["/healthz", "/forecast", "/forecast.csv", "/plot.png", "/"])
async def test_nothing_is_served_before_there_is_something(path: str, twin: Twin, client: TestClient[Any, Any]) -> None:
    response = await client.get(path)
    assert response.status == 503
    assert "the data have not been read yet" in await response.text()
    assert await twin.refresh()
    assert (await client.get(path)).status == 200
    assert (await client.head(path)).status == 200


async def test_a_failed_refresh_keeps_the_last_good_result_and_says_so(
    twin: Twin, source: dict[str, Any], client: TestClient[Any, Any]
) -> None:
    await twin.refresh()
    source["it"] = DataError("the supplier <is> away")
    assert not await twin.refresh()
    assert (await client.get("/healthz")).status == 200
    assert (await (await client.get("/forecast")).json())["problem"] == "the supplier <is> away"
    assert "could not be refreshed: the supplier &lt;is&gt; away" in await (await client.get("/")).text()


async def test_the_forecast_as_a_data_product(twin: Twin, client: TestClient[Any, Any]) -> None:
    await twin.refresh()
    answer = await client.get("/forecast.csv")
    assert answer.content_type == "text/csv"
    header, *rows = (await answer.text()).splitlines()
    assert header == "date,low_m3s,median_m3s,high_m3s"
    assert [row.split(",")[0] for row in rows] == ["2017-01-01", "2017-01-02", "2017-01-03"]
    days = (await (await client.get("/forecast")).json())["days"]
    assert [float(value) for row in rows for value in row.split(",")[1:]] == [
        day[name] for day in days for name in ("low", "median", "high")
    ]


async def test_the_forecast_as_data(twin: Twin, client: TestClient[Any, Any]) -> None:
    await twin.refresh()
    found = await (await client.get("/forecast")).json()
    assert found["unit"] == "m3/s"
    assert found["municipality"] == {"name": "Gouda", "code": "GM0513"}
    assert found["dataWindow"] == {"start": "2014-01-01", "end": "2016-12-31"}
    assert found["years"] == [2014, 2015, 2016]
    assert [day["date"] for day in found["days"]] == ["2017-01-01", "2017-01-02", "2017-01-03"]
    assert all(0 <= day["low"] <= day["median"] <= day["high"] for day in found["days"])
    assert found["evidence"]["validation"]["metrics"] == {"NSE": 0.54}
    assert set(found["calibrated"]) == {"cmax", "bexp", "alpha", "Ks", "Kq"}


async def test_a_fault_while_refreshing_ends_the_process(twin: Twin, source: dict[str, Any]) -> None:
    source["it"] = RuntimeError("a fault, not a source that is away")
    with pytest.raises(RuntimeError):
        await twin.refresh()


async def test_the_page_allows_no_script_and_the_browser_is_told_so(twin: Twin, client: TestClient[Any, Any]) -> None:
    await twin.refresh()
    response = await client.get("/")
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; img-src 'self'")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    html = await response.text()
    assert "<script" not in html
    assert not re.search(r'(src|href)="[^"]*:', html), "relative addresses only: the app may stand under any path"


def test_no_value_reaches_the_page_unescaped() -> None:
    run = replace(
        RUN, installation=EVIL, namespace=EVIL, municipality=EVIL, municipality_code=EVIL, revision=EVIL,
        thresholds={"validation": [Threshold(EVIL, EVIL, EVIL), Threshold("NSE", EVIL, EVIL)]},
    )  # fmt: skip
    evidence = {"validation": Evidence({"NSE": 0.5, EVIL: 1.0}, [WINDOW])}
    settings = replace(SETTINGS, objective=EVIL)
    html = page.render(run, settings, Parameters(1, 1, 1, 1, 1), evidence, WINDOW, FORECAST, EVIL)
    assert "<script" not in html
    assert "alert(1)</" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;") >= 10


def test_metrics_stand_beside_their_thresholds_and_a_threshold_without_a_metric_is_shown() -> None:
    html = page.render(RUN, SETTINGS, Parameters(1, 1, 1, 1, 1), EVIDENCE, WINDOW, FORECAST, None)
    assert "<td>NSE</td><td>0.54</td><td>&gt; 0.50</td>" in html
    assert "<td>KGE</td><td>not computed</td><td>&lt; 9</td>" in html
    assert "2015 or 2016" in html


def test_a_calibration_that_is_not_judged_has_no_empty_table() -> None:
    evidence = EVIDENCE | {"calibration": Evidence({}, [WINDOW])}
    html = page.render(RUN, SETTINGS, Parameters(1, 1, 1, 1, 1), evidence, WINDOW, FORECAST, None)
    assert "Validation: 2015-01-01" in html
    assert "Calibration: " not in html


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (0, "0.000"),
        (1.2346, "1.235"),
        (0.02, "0.0200"),
        (0.0010496, "0.00105"),
        (1e-12, "0.000000000"),
        (1234.5, "1234.500"),
    ],
)
def test_small_discharges_keep_three_digits(value: float, want: str) -> None:
    assert page.flow(value) == want


@pytest.mark.parametrize("title", ["Gouda", "$broken \\frac{", "Súdwest-Fryslân"])
def test_the_plot_is_a_picture_whatever_the_title_and_the_evidence(title: str) -> None:
    observed = np.array([np.nan] * 40 + [0.1] * 60)
    record = Record(date(2015, 1, 1), [1.0] * 100, [1.0] * 100, observed)
    for evidence in ({}, EVIDENCE):
        png = plot.render(record, np.linspace(0, 1, 100), title, {}, evidence)
        assert png.startswith(b"\x89PNG")
