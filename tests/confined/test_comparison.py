"""Questions about places, answered by real confined processes."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from builders import platform_body
from plan.matching.test_checks import crossing

from ddtas import confined
from ddtas.api.platform import MunicipalityPlatform
from ddtas.confined import Exceeded, Limit
from ddtas.data.contract import Area, Extent
from ddtas.data.meaning import comparison, questions, space, units
from ddtas.data.meaning.questions import Question
from ddtas.data.meaning.space import Covered, Fault, MeetsCrs, Transformable
from ddtas.data.meaning.units import InTermsOf
from ddtas.plan.status.platform import platform_status
from ddtas.reconcile.pacing import settled

HERE = Extent(crs="OGC:CRS84", bbox=("4.3", "51.9", "4.5", "52.1"))
CITY = Area(crs="EPSG:28992", wkt="POLYGON((80000 450000,90000 450000,90000 460000,80000 460000,80000 450000))")
NOW = datetime(2026, 6, 1, tzinfo=UTC)
PARTY = ("areas", "delft")


@pytest.fixture(autouse=True)
async def _closed_afterwards() -> AsyncIterator[None]:
    questions._answers.clear()
    yield
    await confined.close()


@pytest.fixture(autouse=True)
def _nothing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process nothing is worked out."""
    for module, name in (
        (space, "_meets_crs"),
        (space, "_covered_percent"),
        (space, "_transformable"),
        (space, "_fault"),
        (units, "_in_terms_of"),
    ):
        monkeypatch.setattr(module, name, lambda *_: pytest.fail("worked out here"))


async def test_answers_are_those_of_the_same_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Question] = [
        InTermsOf("m3/s", "L/min"),
        InTermsOf("Cel", "K"),
        InTermsOf("m3/s", "m"),
        MeetsCrs("EPSG:28992", "http://www.opengis.net/def/crs/EPSG/0/28992"),
        MeetsCrs("EPSG:28992", "EPSG:4326"),
        MeetsCrs("EPSG:28992", "EPSG:99999"),
        Transformable("EPSG:28992", "OGC:CRS84"),
        Covered(CITY, HERE),
        Covered(HERE, Extent(crs="EPSG:28992", bbox=("80000", "450000", "90000", "460000"))),
        Covered(CITY, Extent(crs="http://www.opengis.net/def/crs/IAU/2015/49900", bbox=("1", "2", "3", "4"))),
        Fault(CITY),
        Fault(Area(crs="EPSG:28992", wkt=crossing(900))),
    ]
    await comparison.answer_all(asked, PARTY)
    found = [questions._answers[question] for question in asked]
    monkeypatch.undo()
    assert found == [question.answer() for question in asked]
    assert units.conversion("m3/s", "L/min") == ("60000", "0")
    assert found[2:7] == [None, True, False, None, True]
    assert 50 < found[7] < 100  # type: ignore[operator]


@pytest.mark.parametrize("points", [450, 999, 1600])
async def test_an_area_that_crosses_itself_holds_nobody_up(points: int) -> None:
    """450 points held the event loop for 3.8 s, and 1,600 for 28.5 s."""
    body = platform_body()
    body["spec"]["municipality"]["area"] = {"crs": "EPSG:28992", "wkt": crossing(points)[:16384]}
    platform = MunicipalityPlatform.parse(body)

    async def judged() -> str:
        status = platform_status(platform, {}, {}, (), NOW)
        return next(c.message for c in status.conditions if c.type == "Ready")

    await settled("delft", judged)  # what is imported for the first time, is
    questions._answers.clear()
    started = time.thread_time()
    message = await settled("delft", judged)
    assert time.thread_time() - started < 0.05
    assert message.startswith("spec.municipality.area.wkt ")
    assert await judged() == message  # and it is remembered


async def test_what_takes_too_much_is_the_fault_of_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = Fault(Area(crs="EPSG:28992", wkt="POLYGON((0 0, 2 2, 2 0, 0 0))"))
    run, asked = confined.run, 0

    async def costly(job: confined.Job, request: bytes, variant: str = "") -> bytes:
        nonlocal asked
        asked += 1
        if b"2 2" in request:
            raise Exceeded(Limit.PROCESSOR)
        return await run(job, request, variant)

    monkeypatch.setattr(confined, "run", costly)
    others = [MeetsCrs("EPSG:28992", f"EPSG:{code}") for code in range(28990, 28997)]
    await comparison.answer_all([*others[:5], bad, *others[5:]], PARTY)
    assert questions._answers[bad] is None
    monkeypatch.undo()
    assert [questions._answers[q] for q in others] == [q.answer() for q in others]
    assert asked <= 7


async def test_one_city_has_one_place_at_a_time() -> None:
    cities = [[MeetsCrs("EPSG:28992", f"EPSG:{1000 * n + i}") for i in range(300)] for n in (3, 25)]
    await asyncio.gather(*(comparison.answer_all(q, ("areas", str(n))) for n, q in enumerate(cities)))
    assert all(question in questions._answers for city in cities for question in city)
