"""The S3 probe against a real S3 server that checks signatures."""

import io
import json
from collections.abc import Iterator
from ipaddress import ip_network

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from servers import s3 as s3_module
from servers.s3 import S3Server
from servers.sigv4 import Keys

from ddtas.data.addresses import AddressPolicy
from ddtas.data.contract import Credentials, DataContract, DataKind, FieldType
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.data.probing import ProbeSession
from ddtas.data.session import Limits, Target
from ddtas.errors import SourceError
from ddtas.probes.process import CONFINED

LOOPBACK = AddressPolicy(allowed=(ip_network("127.0.0.0/8"),))
CONTRACT = DataContract.model_validate({"version": "1.0.0"})
OBJECTS = s3_module.objects()


def look_for(
    s3: S3Server,
    path: str,
    keys: Keys | None = s3_module.READER,
    *,
    physical_name: str | None = None,
    region: str = s3_module.REGION,
    limits: Limits = Limits(),  # noqa: B008 (immutable)
) -> ProbeSession:
    auth = {"secretName": "s3", "scheme": "SigV4", "region": region}
    target = Target(
        kind=DataKind.S3,
        endpoint=f"{s3.url}/{path}",
        contract=CONTRACT,
        physical_name=physical_name,
        auth=Credentials.model_validate(auth) if keys else None,
        secret={"access-key-id": keys.access_key, "secret-access-key": keys.secret_key} if keys else None,
    )
    return ProbeSession(target, limits, LOOPBACK)


async def facts_of(session: ProbeSession) -> SourceFacts:
    return await CONFINED[DataKind.S3](session)


async def error_of(session: ProbeSession) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await facts_of(session)
    assert caught.value.message.isprintable()
    assert "secret-0123456789" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("path", "physical_name"),
    [
        (f"{s3_module.BUCKET}/levels/2025.csv", None),
        (f"{s3_module.BUCKET}/levels/", "2025.csv"),
        (s3_module.BUCKET, "levels/2025.csv"),
        ("", f"{s3_module.BUCKET}/levels/2025.csv"),
    ],
)
async def test_reads_a_csv(s3: S3Server, path: str, physical_name: str | None) -> None:
    session = look_for(s3, path, physical_name=physical_name)
    facts = await facts_of(session)
    assert facts.fields == (
        MeasuredField(name="time", type=FieldType.TIMESTAMP),
        MeasuredField(name="level", type=FieldType.NUMBER),
    )
    assert (facts.records, facts.sampled, facts.size_bytes) == (8760, 8760, len(OBJECTS["levels/2025.csv"]))
    assert (facts.first, facts.last) == ("2025-01-01T00:00:00Z", "2025-12-31T23:00:00Z")
    assert facts.time_resolution == "PT1H"
    assert (session.requests, session.received) == (1, facts.size_bytes)


async def test_reads_geojson(s3: S3Server) -> None:
    session = look_for(s3, f"{s3.bucket}/trees.geojson")
    facts = await facts_of(session)
    assert (facts.records, facts.geometry_type, facts.crs) == (10, "Point", ("OGC:CRS84",))
    assert facts.extent is not None
    assert facts.extent.bbox == ("4.3", "52.07", "4.309", "52.07")
    assert [field.name for field in facts.fields] == ["id", "species"]
    assert (session.requests, session.received) == (1, len(OBJECTS["trees.geojson"]))


async def test_lists_a_prefix_and_reads_its_newest_object(s3: S3Server) -> None:
    session = look_for(s3, f"{s3.bucket}/levels/")
    facts = await facts_of(session)
    assert facts.size_bytes == sum(len(content) for key, content in OBJECTS.items() if key.startswith("levels/"))
    assert [field.name for field in facts.fields] == ["time", "level"]
    assert (facts.sampled, facts.time_resolution) == (8760, "PT1H")
    assert (facts.records, facts.first, facts.last, facts.extent) == (None, None, None, None)
    assert {unknown.fact for unknown in facts.unknown} == {"extent", "first", "last", "records"}
    assert session.requests == 2
    assert len(OBJECTS["levels/2025.csv"]) < session.received < len(OBJECTS["levels/2025.csv"]) + 4096


async def test_reads_an_object_up_to_the_cap(s3: S3Server) -> None:
    session = look_for(s3, f"{s3.bucket}/levels/", limits=Limits(max_bytes=32 * 1024))
    facts = await facts_of(session)
    assert session.received == 32 * 1024
    assert facts.size_bytes == sum(len(content) for key, content in OBJECTS.items() if key.startswith("levels/"))
    assert facts.why_unknown("sizeBytes") is None


@pytest.fixture(scope="module")
def folder(s3: S3Server) -> Iterator[str]:
    """A folder with names that are hard to encode, and a Parquet file that is newer than the others."""
    names = ["a b/c+d/(1)'!*&=%2F é.csv", "a b/c+d/~.txt", "a b/c+d/rows.parquet"]
    data = pa.table({"n": pa.array(range(100_000))})
    file = io.BytesIO()
    pq.write_table(data, file, compression="none", use_dictionary=False)
    contents = [b"a,b\n1,2\n", b"text", file.getvalue()]
    for name, content in zip(names, contents, strict=True):
        assert s3.ask("PUT", f"{s3.bucket}/{name}", s3.owner, body=content).status == 200
    try:
        yield "a b/c+d/"
    finally:
        for name in names:
            s3.ask("DELETE", f"{s3.bucket}/{name}", s3.owner)


async def test_signs_names_that_are_hard_to_encode(s3: S3Server, folder: str) -> None:
    path = f"{s3.bucket}/a%20b/c+d/(1)'!*&=%252F%20%C3%A9.csv"
    facts = await facts_of(look_for(s3, path))
    assert [field.name for field in facts.fields] == ["a", "b"]


async def test_reads_the_footer_of_parquet_by_a_range(s3: S3Server, folder: str) -> None:
    session = look_for(s3, f"{s3.bucket}/a%20b/c+d/rows.parquet")
    facts = await facts_of(session)
    assert (facts.records, facts.sampled) == (100_000, 100_000)
    assert facts.size_bytes is not None
    assert facts.size_bytes > 800_000
    assert (session.requests, session.received) == (1, 64 * 1024)
    listed = await facts_of(look_for(s3, f"{s3.bucket}/a%20b/c+d"))
    assert (listed.fields, listed.sampled) == (facts.fields, 100_000)


async def test_tells_of_a_bucket_without_readable_objects(s3: S3Server, folder: str) -> None:
    facts = await facts_of(look_for(s3, f"{s3.bucket}/a%20b/c+d/~"))
    assert (facts.size_bytes, facts.fields) == (4, ())
    assert "no object has data and one of the suffixes" in (facts.why_unknown("fields") or "")


async def test_reads_what_is_public_without_keys(s3: S3Server) -> None:
    bucket = "public"
    assert s3.ask("PUT", bucket, s3.owner).status == 200
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": ["s3:ListBucket", "s3:GetObject"],
                "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
            }
        ],
    }
    put = s3.ask("PUT", bucket, s3.owner, parameters={"policy": ""}, body=json.dumps(policy).encode())
    assert put.status in (200, 204)
    empty = await facts_of(look_for(s3, bucket, None))
    assert (empty.size_bytes, empty.last) == (0, None)
    assert s3.ask("PUT", f"{bucket}/a.csv", s3.owner, body=b"a\n1\n").status == 200
    assert (await facts_of(look_for(s3, bucket, None))).size_bytes == 4
    assert (await facts_of(look_for(s3, f"{bucket}/a.csv", None))).records == 1


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("nowhere", "no such bucket"),
        ("nowhere/levels/2025.csv", "no such object"),
        ("city/levels/1999.csv", "there is levels/2024.csv, levels/2025.csv"),
        ("city/nothing/", "there is trees.geojson, a b/, levels/"),
        ("", "names no bucket"),
    ],
)
async def test_tells_what_is_not_there(s3: S3Server, path: str, shown: str, folder: str) -> None:
    session = look_for(s3, path, s3_module.OWNER)
    error = await error_of(session)
    assert error.reason == "EntityNotFound"
    assert shown in error.message
    assert session.requests <= 2


@pytest.mark.parametrize("path", ["city", "city/levels/2025.csv"])
@pytest.mark.parametrize("keys", [None, s3_module.WRONG_SECRET, s3_module.UNKNOWN])
async def test_tells_that_credentials_do_not_fit(s3: S3Server, path: str, keys: Keys | None) -> None:
    session = look_for(s3, path, keys)
    error = await error_of(session)
    assert (error.reason, session.requests) == ("Unauthorized", 1)


@pytest.mark.parametrize("path", ["archive", "archive/levels/2025.csv"])
async def test_tells_that_a_user_may_not_read(s3: S3Server, path: str) -> None:
    error = await error_of(look_for(s3, path))
    assert error.reason == "Unauthorized"


async def test_tells_that_the_region_is_another(s3: S3Server) -> None:
    error = await error_of(look_for(s3, s3.bucket, region="us-east-1"))
    assert error.reason == "Unauthorized"
    assert "region" in error.message
