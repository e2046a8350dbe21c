"""The servers of ``servers_registry``: they answer what a probe asks, refuse what they must, and leave nothing."""

import json
import socket
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring
from servers import s3 as s3_module
from servers.http_client import ask
from servers.ngsi_ld import NgsiLdServer
from servers.ngsi_ld import ngsi_ld as run_ngsi_ld
from servers.postgresql import Database
from servers.process import Server
from servers.s3 import S3Server
from servers.s3 import s3 as run_s3
from servers.sensorthings import Basic, SensorThingsServer
from servers.sensorthings import sensorthings as run_sensorthings
from servers.sigv4 import Keys, sign

from ddtas_dev import frost
from ddtas_dev.console import DevError

S3_XML = "{http://s3.amazonaws.com/doc/2006-03-01/}"


# --- S3 ---------------------------------------------------------------------------------------------------------------


def test_s3_lists_a_bucket_for_who_may_read_it(s3: S3Server) -> None:
    answer = s3.ask("GET", s3.bucket, s3.reader, parameters={"list-type": "2"})
    assert answer.status == 200
    found = {
        entry.findtext(f"{S3_XML}Key"): int(entry.findtext(f"{S3_XML}Size") or 0)
        for entry in fromstring(answer.body).iter(f"{S3_XML}Contents")
    }
    assert found == {key: len(content) for key, content in s3_module.objects().items()}


def test_s3_lists_by_prefix_and_in_pages(s3: S3Server) -> None:
    parameters = {"list-type": "2", "prefix": "levels/", "max-keys": "1"}
    first = fromstring(s3.ask("GET", s3.bucket, s3.reader, parameters=parameters).body)
    assert first.findtext(f"{S3_XML}IsTruncated") == "true"
    token = first.findtext(f"{S3_XML}NextContinuationToken") or ""
    second = s3.ask("GET", s3.bucket, s3.reader, parameters={**parameters, "continuation-token": token})
    assert [key.text for key in fromstring(second.body).iter(f"{S3_XML}Key")] == ["levels/2025.csv"]


def test_s3_gives_an_object_and_says_its_age_and_kind(s3: S3Server) -> None:
    answer = s3.ask("GET", f"{s3.bucket}/trees.geojson", s3.reader)
    assert answer.status == 200
    assert len(json.loads(answer.body)["features"]) == 10
    assert answer.headers["Last-Modified"].endswith("GMT")
    assert answer.headers["ETag"]
    head = s3.ask("HEAD", f"{s3.bucket}/levels/2025.csv", s3.reader)
    assert (head.status, int(head.headers["Content-Length"])) == (200, len(s3_module.objects()["levels/2025.csv"]))


@pytest.mark.parametrize("what", ["", "/levels/2024.csv"])
@pytest.mark.parametrize(
    ("keys", "status", "code"),
    [
        (None, 403, "AccessDenied"),
        (s3_module.WRONG_SECRET, 403, "SignatureDoesNotMatch"),
        (s3_module.UNKNOWN, 403, "InvalidAccessKeyId"),
    ],
)
def test_s3_refuses_who_does_not_prove_who_he_is(
    s3: S3Server, what: str, keys: Keys | None, status: int, code: str
) -> None:
    parameters = {} if what else {"list-type": "2"}
    answer = s3.ask("GET", s3.bucket + what, keys, parameters=parameters)
    assert answer.status == status
    assert fromstring(answer.body).findtext("Code") == code


def test_s3_refuses_a_signature_of_another_request_or_of_long_ago(s3: S3Server) -> None:
    _, headers = sign("GET", f"{s3.url}/{s3.bucket}/levels/2024.csv", s3.reader, region=s3.region)
    other = ask("GET", f"{s3.url}/{s3.bucket}/levels/2025.csv", headers=headers)
    assert fromstring(other.body).findtext("Code") == "SignatureDoesNotMatch"
    old = s3.ask("GET", f"{s3.bucket}/levels/2024.csv", s3.reader, now=datetime.now(UTC) - timedelta(hours=1))
    assert fromstring(old.body).findtext("Code") == "RequestTimeTooSkewed"


def test_s3_keeps_a_bucket_closed_and_says_what_is_not_there(s3: S3Server) -> None:
    closed = s3.ask("GET", s3.closed_bucket, s3.reader, parameters={"list-type": "2"})
    assert (closed.status, fromstring(closed.body).findtext("Code")) == (403, "AccessDenied")
    assert s3.ask("GET", s3.closed_bucket, s3.owner, parameters={"list-type": "2"}).status == 200
    absent = s3.ask("GET", f"{s3.bucket}/levels/1999.csv", s3.reader)
    assert (absent.status, fromstring(absent.body).findtext("Code")) == (404, "NoSuchKey")
    assert s3.ask("PUT", f"{s3.bucket}/new.csv", s3.reader, body=b"x").status == 403


# --- SensorThings -----------------------------------------------------------------------------------------------------


def test_sensorthings_counts_without_sending_entities(sensorthings: SensorThingsServer) -> None:
    status, body = sensorthings.ask("Observations?$count=true&$top=0")
    assert (status, body) == (200, {"@iot.count": 720, "value": []})
    assert sensorthings.ask("Things?$count=true&$top=0")[1]["@iot.count"] == 3


def test_sensorthings_gives_the_newest_observation(sensorthings: SensorThingsServer) -> None:
    _, body = sensorthings.ask("Observations?$orderby=phenomenonTime%20desc&$top=1")
    (newest,) = body["value"]
    assert datetime.fromisoformat(newest["phenomenonTime"]) == sensorthings.newest
    assert isinstance(newest["result"], float)
    assert body["@iot.nextLink"].startswith(sensorthings.api)


def test_sensorthings_tells_unit_property_place_and_span_of_a_datastream(sensorthings: SensorThingsServer) -> None:
    _, body = sensorthings.ask("Datastreams?$expand=ObservedProperty,Thing/Locations&$orderby=id&$top=1")
    (stream,) = body["value"]
    assert stream["unitOfMeasurement"]["symbol"] == "m"
    assert stream["ObservedProperty"]["name"] == "water level"
    assert stream["Thing"]["Locations"][0]["location"] == {"type": "Point", "coordinates": [4.3128, 52.0801]}
    first, last = (datetime.fromisoformat(time) for time in stream["phenomenonTime"].split("/"))
    assert (last, last - first) == (sensorthings.newest, timedelta(hours=sensorthings.hours - 1))


def test_sensorthings_filters_and_gives_pages(sensorthings: SensorThingsServer) -> None:
    since = f"{sensorthings.newest - timedelta(hours=5):%Y-%m-%dT%H:%M:%SZ}"
    _, body = sensorthings.ask(f"Observations?$filter=phenomenonTime%20gt%20{since}&$count=true&$top=10")
    assert (body["@iot.count"], len(body["value"])) == (15, 10)
    _, rest = sensorthings.ask(body["@iot.nextLink"].removeprefix(f"{sensorthings.api}/"))
    assert len(rest["value"]) == 5


@pytest.mark.parametrize(("path", "status"), [("Nothing", 404), ("Things(99)", 404), ("Things?$filter=((", 400)])
def test_sensorthings_tells_what_is_wrong(sensorthings: SensorThingsServer, path: str, status: int) -> None:
    found, body = sensorthings.ask(path)
    assert (found, body["code"]) == (status, status)
    assert body["message"]


def test_sensorthings_can_ask_for_a_password(tmp_path: Path, postgis: Database) -> None:
    right = Basic("reader", "a-password")
    with run_sensorthings(tmp_path, postgis, right) as server:
        assert server.ask("Things?$count=true&$top=0")[0] == 200
        refused = ask("GET", f"{server.api}/Things")
        assert refused.status == 401
        assert refused.headers["WWW-Authenticate"].startswith("Basic ")
        wrong = ask("GET", f"{server.api}/Things", headers=Basic("reader", "another").header())
        assert wrong.status == 401


# --- NGSI-LD ----------------------------------------------------------------------------------------------------------


def test_ngsi_ld_counts_without_sending_entities(ngsi_ld: NgsiLdServer) -> None:
    answer = ask("GET", f"{ngsi_ld.api}/entities?type={ngsi_ld.entity_type}&count=true&limit=0")
    assert (answer.status, json.loads(answer.body)) == (200, [])
    assert answer.headers["NGSILD-Results-Count"] == str(ngsi_ld.count) == "25"


def test_ngsi_ld_gives_pages_with_the_context_in_a_link(ngsi_ld: NgsiLdServer) -> None:
    answer = ask("GET", f"{ngsi_ld.api}/entities?type={ngsi_ld.entity_type}&limit=20")
    assert answer.headers.get_content_type() == "application/json"
    assert answer.headers["NGSILD-Results-Count"] is None
    context, following = answer.headers.get_all("Link") or []
    assert 'rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"' in context
    assert len(json.loads(answer.body)) == 20
    address = following.partition(">")[0].removeprefix("<")
    last = ask("GET", ngsi_ld.url + address)
    assert len(json.loads(last.body)) == 5
    assert len(last.headers.get_all("Link") or []) == 1


def test_ngsi_ld_gives_unit_time_and_place_of_an_entity(ngsi_ld: NgsiLdServer) -> None:
    answer = ask("GET", f"{ngsi_ld.api}/entities?type={ngsi_ld.entity_type}&limit=1")
    (gauge,) = json.loads(answer.body)
    assert gauge["level"]["unitCode"] == "MTR"
    assert datetime.fromisoformat(gauge["level"]["observedAt"]) == ngsi_ld.newest
    assert gauge["location"]["value"] == {"type": "Point", "coordinates": [4.25, 52.02]}
    one = ask("GET", f"{ngsi_ld.api}/entities/{gauge['id']}", headers={"Accept": "application/ld+json"})
    assert one.headers.get_content_type() == "application/ld+json"
    assert one.headers["Link"] is None
    assert json.loads(one.body)["@context"].startswith("https://uri.etsi.org/ngsi-ld/")
    simple = ask("GET", f"{ngsi_ld.api}/entities/{gauge['id']}?options=keyValues&attrs=level")
    assert json.loads(simple.body) == {"id": gauge["id"], "type": gauge["type"], "level": gauge["level"]["value"]}


def test_ngsi_ld_reads_a_type_by_the_context_that_the_request_names(ngsi_ld: NgsiLdServer) -> None:
    def count(name: str, context: str | None = None) -> str | None:
        link = f'<{context}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
        headers = {"Link": link} if context else {}
        address = f"{ngsi_ld.api}/entities?type={name}&count=true&limit=0"
        return ask("GET", address, headers=headers).headers["NGSILD-Results-Count"]

    assert count("https://uri.etsi.org/ngsi-ld/default-context/WaterLevelObserved") == "25"
    assert count("WaterLevelObserved", "https://data.example/context.jsonld") == "0"
    assert count("NothingOfTheKind") == "0"


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/ngsi-ld/v1/entities", 400, "BadRequestData"),
        ("/ngsi-ld/v1/entities?type=WaterLevelObserved&limit=0", 400, "BadRequestData"),
        ("/ngsi-ld/v1/entities?type=WaterLevelObserved&limit=-1", 400, "BadRequestData"),
        ("/ngsi-ld/v1/entities?type=WaterLevelObserved&limit=1001", 400, "BadRequestData"),
        ("/ngsi-ld/v1/entities/urn:ngsi-ld:WaterLevelObserved:none", 404, "ResourceNotFound"),
        ("/elsewhere", 404, "ResourceNotFound"),
        ("/ngsi-ld/v1/entities?type=WaterLevelObserved&q=level%3E1", 501, "OperationNotSupported"),
    ],
)
def test_ngsi_ld_tells_what_is_wrong(ngsi_ld: NgsiLdServer, path: str, status: int, error: str) -> None:
    answer = ask("GET", ngsi_ld.url + path)
    assert answer.status == status
    problem = json.loads(answer.body)
    assert problem["type"] == f"https://uri.etsi.org/ngsi-ld/errors/{error}"
    assert problem["title"]
    assert problem["detail"]


# --- all of them ------------------------------------------------------------------------------------------------------


def _leaves_nothing(started: AbstractContextManager[Server], directory: Path) -> None:
    with started as server:
        port = server.port
        assert _processes_of(directory)
    assert _processes_of(directory) == []
    with socket.socket() as attempt:
        assert attempt.connect_ex(("127.0.0.1", port)) != 0


def _processes_of(directory: Path) -> list[str]:
    """The command lines of living processes that name a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:
            continue
        if f"{directory}/" in command:
            found.append(command)
    return found


def test_s3_leaves_no_process(tmp_path: Path) -> None:
    _leaves_nothing(run_s3(tmp_path), tmp_path)


def test_sensorthings_leaves_no_process(tmp_path: Path, postgis: Database) -> None:
    _leaves_nothing(run_sensorthings(tmp_path, postgis), tmp_path)


def test_ngsi_ld_leaves_no_process(tmp_path: Path) -> None:
    _leaves_nothing(run_ngsi_ld(tmp_path), tmp_path)


# --- their installation -----------------------------------------------------------------------------------------------


def test_an_artifact_that_is_not_the_listed_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a-1.jar").write_bytes(b"a")
    listed = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a-1.jar\n"
    frost.check_digests(tmp_path, listed)
    (tmp_path / "a-1.jar").write_bytes(b"b")
    with pytest.raises(DevError, match="what was fetched is not what"):
        frost.check_digests(tmp_path, listed)
    (tmp_path / "a-1.jar").unlink()
    with pytest.raises(DevError, match="what was fetched is not what"):
        frost.check_digests(tmp_path, listed)
