"""Each pure function that takes what others wrote is total: an answer, or the one error that it says, and at once."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import hostile
import pytest
from builders import BODIES
from hostile import CLOCK, HALF, TEXTS
from pydantic import TypeAdapter, ValidationError

from ddtas.api.base import Recalibration
from ddtas.api.installation import Installation
from ddtas.api.listing import AppListing, Parameter
from ddtas.api.platform import MunicipalityPlatform
from ddtas.data.contract import Area, Extent
from ddtas.data.meaning import periods, space, units
from ddtas.errors import DdtasError, InvalidObject, KubeconfigError, ResultError, printable
from ddtas.plan import products, quantity, version_range
from ddtas.plan.reasons import Reason
from ddtas.plan.remote import kubeconfig
from ddtas.plan.revision import digest
from ddtas.plan.runs import evidence, recalibration, schedule
from ddtas.plan.versions import choice as versions_
from ddtas.plan.versions import parameters
from ddtas.schema.types import Quantity

MOMENTS = (
    datetime.min.replace(tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
    datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
)


def quietly(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Its answer; None for an error of ours."""
    try:
        if call in (space.meets_crs, space.covered_percent):
            return call(*args)
        return CLOCK.of(f"{call.__name__}{args!r}"[:120], lambda: call(*args, **kwargs))
    except (DdtasError, ValidationError):
        return None


def test_quantities() -> None:
    ours = TypeAdapter(Quantity)
    for text in TEXTS:
        assert (quietly(quantity.read, text) is None) or quantity.amount(text) >= 0
        try:
            ours.validate_python(text)
        except ValidationError:
            continue
        written = quietly(quantity.canonical, text)
        assert quantity.canonical(written) == written
        assert len(written) < 40


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("9999999999999999999T", "9999999999999999999T"),
        ("1000T", "1P"),
        ("1024Ti", "1Pi"),
        ("1000000000000000000", "1E"),
    ],
)
def test_what_is_large_is_written_as_the_api_server_does(given: str, canonical: str) -> None:
    assert quantity.canonical(given) == canonical


def test_units() -> None:
    for text in TEXTS:
        assert quietly(units.in_terms_of, text, "m3/s") is None or len(text) <= 60
        assert quietly(units.same, text, text) is True
        quietly(units.convert, 1e308, text, "mm")


def test_periods() -> None:
    for text in TEXTS:
        for function in (periods.parts, periods.span, periods.rhythm, periods.end_of):
            quietly(function, text)
        quietly(schedule.offset, "uid", text)
    assert periods.span(f"P{'9' * 29}Y") is None
    assert periods.end_of("9999-12-31") is None


def test_schedules() -> None:
    zones = (None, *(text for text in TEXTS if "/" in text or text == "localtime"))
    for expression in TEXTS:
        for zone in zones if "*" in expression else ("Europe/Amsterdam",):
            if quietly(schedule.fault, expression, zone) is not None:
                continue
            for moment in MOMENTS:
                for later in (timedelta(), timedelta(days=365_000)):
                    plan = schedule.Schedule(expression, zone, later)
                    quietly(plan.after, moment)
                    quietly(plan.at_or_before, moment)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "localtime", "posix/Europe/Amsterdam", "posixrules", "Factory", HALF]
)
def test_what_is_no_name_of_a_zone(name: str) -> None:
    assert schedule.zone(name) is None


def test_recalibration_at_the_end_of_time() -> None:
    for moment in MOMENTS:
        for text in (t for t in TEXTS if t.startswith("P")):
            policy = quietly(Recalibration, schedule="0 4 * * *", maximum_age=text, jitter=text)
            if policy is not None:
                for round_ in (None, *TEXTS):
                    for now in MOMENTS:
                        quietly(recalibration.due, policy, "uid", moment, round_, now)


def test_versions() -> None:
    for text in TEXTS:
        for other in ("1.2.0", ">=1.0.0 <2.0.0", text):
            quietly(version_range.within, text, other)
            quietly(versions_.in_range, other, text)
            quietly(versions_.precedes, text, other)


def test_parameters() -> None:
    for kind in ("string", "integer", "number", "boolean"):
        for bound in (None, "0", "9" * 32):
            declared = Parameter.model_validate(
                {"name": "a", "type": kind, "description": "a", "minimum": bound, "maximum": bound}
            )
            for value in hostile.SCALARS:
                if isinstance(value, str | int | float):
                    values, faults = quietly(parameters.effective, [declared], {"a": value}, {})
                    assert bool(values) != bool(faults)
                    assert len("".join(faults)) < 1000
                    json.dumps(values, allow_nan=False)


def test_places() -> None:
    known = Extent.model_validate({"crs": "EPSG:28992", "bbox": ["0", "0", "9", "9"]})
    for text in TEXTS:
        quietly(space.meets_crs, text, "EPSG:28992")
        area = quietly(Area, crs="EPSG:28992", wkt=text)
        if area is not None:
            quietly(space.covered_percent, area, known)
        for box in (["0", "0", "9" * 32, "9" * 32], [f"-{'9' * 31}", "0", "0", "0"], ["5", "5", "5", "5"]):
            extent = quietly(Extent, crs=text, bbox=box)
            if extent is not None:
                quietly(space.covered_percent, known, extent)
                quietly(space.covered_percent, extent, known)


def test_addresses() -> None:
    for text in TEXTS:
        assert quietly(products.port_of, text) in (None, *range(65536))
    assert products.port_of("http://a:99999/") is None


def test_another_planet_has_no_place_here() -> None:
    mars = Extent.model_validate(
        {"crs": "http://www.opengis.net/def/crs/IAU_2015/0/49900", "bbox": ["0", "0", "1", "1"]}
    )
    here = Area.model_validate({"crs": "EPSG:28992", "wkt": "POLYGON((0 0, 9 0, 9 9, 0 9, 0 0))"})
    assert space.covered_percent(here, mars) is None


def results() -> Iterator[str]:
    """Termination messages, each with one thing that is wrong or odd."""
    good = '{"metrics": {"NSE": 0.5}, "windows": [{"start": "2013-01-01", "end": "2014-12-31"}]%s}'
    for number in ("1e999", "-1e999", "NaN", "Infinity", "9" * 400, "9" * 4000, "-0", "0." + "0" * 400 + "1", "1e-999"):
        yield (good % "").replace("0.5", number)
    yield good % ', "metrics": {"NSE": 0.9}'
    yield (good % "").replace('"NSE": 0.5', '"NSE": 0.1, "NSE": 0.9')
    yield (good % "").replace('"end"', '"start"')
    yield good % f', "message": "{HALF}"'
    yield good % ', "message": "\\ud800"'
    yield good % ', "parameters": {"\\u0000": 1}'
    yield "[" * 4000
    yield '{"a":' * 700 + "1" + "}" * 700
    yield from TEXTS


@pytest.mark.parametrize("message", list(results()))
def test_results(message: str) -> None:
    found: evidence.RunResult | ResultError
    try:
        found = CLOCK.of("parse_result", lambda: evidence.parse_result(message))
    except ResultError as error:
        found = error
    if isinstance(found, ResultError):
        assert found.reason in set(Reason)
        assert len(found.message) < 500
        found.message.encode()
    else:
        json.dumps(found.dump(), allow_nan=False)


@pytest.mark.parametrize("twice", ['"metrics": {"NSE": 0.1, "NSE": 0.9}', '"metrics": {}, "metrics": {"NSE": 0.9}'])
def test_a_key_that_is_there_twice_is_refused(twice: str) -> None:
    message = f'{{{twice}, "windows": [{{"start": "2013-01-01", "end": "2014-12-31"}}]}}'
    with pytest.raises(ResultError, match=r"^(NSE|metrics) is there twice: report each once$") as caught:
        evidence.parse_result(message)
    assert caught.value.reason == "ResultMalformed"


def test_kubeconfigs() -> None:
    for text in (
        *TEXTS,
        "? a\n" * 16_000,
        "a: " + "1:" * 30_000 + "1",
        "a: " + "9" * 60_000,
        "[" * 60_000,
        "<<: {a: 1}",
    ):
        with pytest.raises(KubeconfigError):
            CLOCK.of("kubeconfig", lambda t=text: kubeconfig.parse(t.encode(errors="surrogatepass")))  # type: ignore[misc]


def test_texts() -> None:
    for text in TEXTS:
        shown = printable(text)
        assert len(shown) <= 300
        shown.encode()
        digest({"a": text})
        Reason.named(text)


NAMES = ["a.b", "x" * 64, "-a", "a-", "A", "", "a_b", "a\n", "é"]


@pytest.mark.parametrize("model", [AppListing, MunicipalityPlatform, Installation])
@pytest.mark.parametrize("name", NAMES)
def test_names_that_can_be_no_label(model: Any, name: str) -> None:
    body = BODIES[model.__name__]()
    body["metadata"]["name"] = name
    with pytest.raises(InvalidObject, match=r"metadata\.name must have at most \d+ characters and no dot"):
        model.parse(body)


def test_an_installations_name_begins_others() -> None:
    body = BODIES["Installation"]()
    body["metadata"]["name"] = "x" * 31
    with pytest.raises(InvalidObject, match="at most 30 characters"):
        Installation.parse(body)


def test_what_is_wrong_is_said_in_few_words() -> None:
    body = BODIES["AppListing"]()
    body["spec"] = {f"{n}" * 1000: None for n in range(100)} | {"versions": [{"version": HALF}] * 20}
    with pytest.raises(InvalidObject) as caught:
        AppListing.parse(body)
    assert len(str(caught.value)) < 1000
