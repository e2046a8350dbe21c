"""Documents that are read whole: JSON that Python would read, and a probe must not."""

from typing import Any

import pytest
from probes_kit import LIMITS, LOOPBACK, json_response, serving, target

from ddtas.errors import ProbeError
from ddtas.probes import Limits, Look, http


async def read(body: str, limits: Limits = LIMITS) -> Any:
    async with serving(json_response(body)) as server:
        look = Look(target(server.url()), limits, LOOPBACK)
        async with http.visit(look) as visit:
            return (await visit.json()).value


@pytest.mark.parametrize(
    "body", ["NaN", "-Infinity", "1e999", "[-1e999]", '{"a": 1e400}', "1" * 5000, "[" * 90_000, "{"]
)
async def test_refuses_json_that_is_not_finite_or_not_json(body: str) -> None:
    with pytest.raises(ProbeError) as caught:
        await read(body)
    assert caught.value.reason == "MalformedData"


async def test_reads_numbers_as_they_are() -> None:
    assert await read("[1.5, -2e3, 1e-999, 12345678901234567890]") == [1.5, -2000.0, 0.0, 12345678901234567890]


async def test_a_document_that_is_too_long_can_be_told_from_a_broken_one() -> None:
    with pytest.raises(http.TooLongError) as caught:
        await read('"' + "x" * 1000 + '"', Limits(max_document_bytes=500))
    assert caught.value.reason == "MalformedData"
