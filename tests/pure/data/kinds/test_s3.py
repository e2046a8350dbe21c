"""The S3 probe: lists and objects of broken and hostile servers, and what it signs."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from probes_kit import LIMITS, LOOPBACK, SECRET, Answer, look_at, redirect, refusal, response, serving
from probes_kit import target as kit_target

from ddtas.data.contract import DataKind
from ddtas.data.measured import SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits
from ddtas.errors import SourceError

NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
KEYS = {"access-key-id": "reader", "secret-access-key": SECRET}
CSV = b"day,level\n2024-01-01,1\n2024-01-02,2\n"
SIZE = len(CSV)


def entry(key: str, size: Any = SIZE, changed: str = "2024-02-01T10:00:00.000Z") -> str:
    return f"<Contents><Key>{key}</Key><LastModified>{changed}</LastModified><Size>{size}</Size></Contents>"


def listing(*entries: str, more: str = "", root: str = "ListBucketResult", namespace: str = NAMESPACE) -> bytes:
    truncated = "<IsTruncated>true</IsTruncated>" if more else "<IsTruncated>false</IsTruncated>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} {namespace}>{truncated}{more}{"".join(entries)}</{root}>'
    return response(body.encode(), "Content-Type: application/xml")


def token(text: str) -> str:
    return f"<NextContinuationToken>{text}</NextContinuationToken>"


def look_for(url: str, *, keys: bool = False, limits: Limits = LIMITS) -> ProbeSession:
    how = ("SigV4", KEYS) if keys else ()
    return ProbeSession(kit_target(url, *how, kind=DataKind.S3), limits, LOOPBACK)


async def facts_of(routes: dict[str, Answer], path: str = "/city/levels/") -> tuple[SourceFacts, list[str]]:
    async with serving(routes) as server:
        return await look_at(look_for(server.url(path=path))), server.targets


async def error_of(
    answer: Answer | dict[str, Answer], path: str = "/city/levels/", *, keys: bool = False
) -> SourceError:
    async with serving(answer) as server:
        return await refusal(look_for(server.url(path=path), keys=keys))


# --- lists


async def test_reads_the_newest_object_that_can_be_read() -> None:
    entries = [
        entry("levels/"),  # what some tools make for a folder
        entry("levels/b.csv", changed="2024-03-01T00:00:00Z"),
        entry("levels/a.CSV", changed="2024-03-02T00:00:00.123Z"),
        entry("levels/empty.csv", 0, "2024-03-03T00:00:00Z"),
        entry("levels/../../other/c.csv", changed="2024-03-04T00:00:00Z"),
        entry(f"levels/{'é' * 600}.csv", changed="2024-03-04T00:00:00Z"),
        entry("levels/readme.txt", 7, "2024-03-05T00:00:00Z"),
    ]
    facts, asked = await facts_of({"/city": listing(*entries), "/city/levels/a.CSV": response(CSV)})
    assert asked == ["/city?list-type=2&max-keys=1000&prefix=levels/", "/city/levels/a.CSV"]
    assert (facts.size_bytes, facts.last) == (5 * len(CSV) + 7, None)
    # An old year may be uploaded today.
    assert facts.why_unknown("last") == "a list of objects tells when they were uploaded, not when their data ends"
    assert [field.name for field in facts.fields] == ["day", "level"]
    assert (facts.sampled, facts.time_resolution, facts.records) == (2, "P1D", None)


@pytest.mark.parametrize("namespace", [NAMESPACE, "", 'xmlns="http://elsewhere/"'])
async def test_takes_any_namespace(namespace: str) -> None:
    facts, _ = await facts_of({"/city": listing(entry("levels/a.txt", 7), namespace=namespace)})
    assert facts.size_bytes == 7


async def test_reads_two_pages_and_then_knows_only_the_beginning() -> None:
    first = "/city?list-type=2&max-keys=1000&prefix=levels/"
    second = f"{first}&continuation-token=a%2Bb%20c"
    pages = {first: listing(entry("levels/a.txt", 7), more=token("a+b c")), second: listing(entry("levels/b.txt", 7))}
    facts, asked = await facts_of(pages)  # type: ignore[arg-type]
    assert (facts.size_bytes, facts.last, len(asked)) == (14, None, 2)
    facts, asked = await facts_of({"/city": listing(entry("levels/a.txt", 7), more=token("x"))})
    assert (facts.size_bytes, facts.last, len(asked)) == (None, None, 2)
    assert facts.why_unknown("sizeBytes") == "there are more than 2 objects: give a longer prefix"


async def test_tells_of_an_object_that_cannot_be_read() -> None:
    error = await error_of({"/city": listing(entry("levels/a.csv")), "/city/levels/a.csv": response(b"<html>")})
    assert error.reason == "UnexpectedContent"
    assert "(the object is levels/a.csv)" in error.message
    error = await error_of({"/city": listing(entry("levels/a.csv"))})
    assert error.reason == "HttpError"
    assert "lists levels/a.csv but does not have it" in error.message


async def test_shows_names_of_keys_only_as_they_can_be_shown() -> None:
    keys = [entry("a\u202e&#10;" + "b" * 2000), *(entry(f"n{number}") for number in range(9))]
    error = await error_of({"/city?list-type=2&max-keys=5&delimiter=/&prefix=": listing(*keys)}, "/city/a.csv")
    assert error.reason == "EntityNotFound"
    assert "n3)" in error.message
    assert "n4" not in error.message


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (listing(root="Error"), "ErrorReported"),
        (response(b"<Error><Code>SlowDown\n\xe2\x80\xae</Code></Error>"), "ErrorReported"),
        (response(b"<a/>"), "UnexpectedContent"),
        (response(b"<html></html>", "Content-Type: text/html"), "UnexpectedContent"),
        (response(b"{}", "Content-Type: application/json"), "UnexpectedContent"),
        (response(b""), "MalformedData"),
        (response(b"{}"), "MalformedData"),
        (response(b"<ListBucketResult>"), "MalformedData"),
        (response(b'<!DOCTYPE a [<!ENTITY b "c">]><ListBucketResult>&b;</ListBucketResult>'), "MalformedData"),
        (response(b"<a>" * 10_000), "MalformedData"),
        (listing(more="<a/>"), "MalformedData"),  # more to come, and no token for it
        (listing("<Contents/>"), "MalformedData"),
        (listing("<Contents><Key><b/></Key></Contents>"), "MalformedData"),
        (listing(entry("")), "MalformedData"),
        (listing(entry("a", -1)), "MalformedData"),
        (listing(entry("a", "1e9")), "MalformedData"),
        (listing(entry("a", "9" * 5000)), "MalformedData"),
        (listing(entry("a", "٣")), "MalformedData"),
        (listing(entry("a", changed="yesterday")), "MalformedData"),
        (listing(entry("a", changed="2024-13-01T00:00:00Z")), "MalformedData"),
        (listing(entry("a" * 3_000_000)), "MalformedData"),  # longer than a document may be
        (response(b"", status="403 Forbidden"), "Unauthorized"),
        (response(b"", status="404 Not Found"), "EntityNotFound"),
        (response(b"", status="400 Bad Request"), "HttpError"),
        (response(b"", status="503 Slow Down"), "HttpError"),
        (response(b"", status="301 Moved Permanently"), "AddressForbidden"),  # Amazon, of a bucket elsewhere
        (redirect("http://127.0.0.2:1/city"), "Unreachable"),
    ],
)
async def test_refuses_what_is_no_list(answer: bytes, reason: str) -> None:
    assert (await error_of(answer)).reason == reason


async def test_needs_objects_under_a_prefix_but_not_in_a_bucket() -> None:
    facts, asked = await facts_of({"/city": listing()}, "/city/")
    assert (facts.size_bytes, facts.last, len(asked)) == (0, None, 1)
    error = await error_of({"/city": listing()})
    assert error.reason == "EntityNotFound"


async def test_makes_few_requests() -> None:
    limits = Limits(max_requests=2)
    page = listing(entry("levels/a.csv"), more=token("x"))
    async with serving({"/city": page, "/city/levels/a.csv": response(CSV)}) as server:
        session = look_for(server.url(path="/city/levels/"), limits=limits)
        assert (await refusal(session)).reason == "TooManyRequests"
    async with serving({"/city": page, "/city/levels/a.csv": response(CSV)}) as server:
        session = look_for(server.url(path="/city/levels/"))
        await look_at(session)
        assert session.requests == 3


# --- signatures


async def test_signs_each_request_on_its_own() -> None:
    async with serving({"/city": listing(entry("levels/a.csv")), "/city/levels/a.csv": response(CSV)}) as server:
        await look_at(look_for(server.url(path="/city/levels/"), keys=True))
        first, second = (server.header("Authorization", request) or "" for request in (0, 1))
        when = datetime.strptime(server.header("x-amz-date") or "", "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    form = (
        r"AWS4-HMAC-SHA256 Credential=reader/\d{8}/us-east-1/s3/aws4_request,"
        r"SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=[0-9a-f]{64}"
    )
    assert re.fullmatch(form, first)
    assert re.fullmatch(form, second)
    assert first != second
    assert abs(datetime.now(UTC) - when) < timedelta(minutes=1)
    assert not any(SECRET in request for request in server.requests)


async def test_signs_nothing_for_another_server() -> None:
    async with serving(listing(entry("levels/a.txt", 7))) as other, serving(redirect(other.url())) as server:
        facts = await look_at(look_for(server.url(path="/city/levels/"), keys=True))
        assert facts.size_bytes == 7
        assert server.header("Authorization")
        assert other.header("Authorization") is None
        assert other.header("x-amz-date") is None


@pytest.mark.parametrize(
    ("key", "value"),
    [("access-key-id", "a/b"), ("access-key-id", ""), ("access-key-id", "é"), ("secret-access-key", f"{SECRET}\n")],
)
async def test_refuses_keys_that_cannot_be_sent(key: str, value: str) -> None:
    async with serving(listing()) as server:
        secret = KEYS | {key: value}
        to = kit_target(server.url(path="/city/"), "SigV4", secret, kind=DataKind.S3)
        error = await refusal(to)
    assert (error.reason, server.requests) == ("Unauthorized", [])
    assert key in error.message


async def test_tells_of_keys_only_where_there_are_some() -> None:
    forbidden = response(b"", status="403 Forbidden")
    assert "name a Secret for SigV4" in (await error_of(forbidden)).message
    assert "correct its Secret and region" in (await error_of(forbidden, keys=True)).message
    wrong_region = await error_of(response(b"", status="400 Bad Request"), keys=True)
    assert (wrong_region.reason, "us-east-1" in wrong_region.message) == ("Unauthorized", True)
