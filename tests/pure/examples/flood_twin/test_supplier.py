"""The data supplier of the example: headers that a probe relies on, and a door that opens only for the right people."""

import base64
import sys
import threading
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[4] / "examples" / "flood-twin" / "data-server"))
from discharge_csv import convert  # type: ignore[import-not-found]
from discharge_server import allowed, halves, make_server, until  # type: ignore[import-not-found]

CONTENT = b"date,discharge_m3s\n2020-01-01,0.1\n"


def basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    folder = tmp_path / "credentials"
    folder.mkdir()
    return folder


@pytest.fixture
def port(tmp_path: Path, credentials: Path) -> Iterator[int]:
    data = tmp_path / "discharge.csv"
    data.write_bytes(CONTENT)
    with make_server(0, data, credentials) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def close_door(folder: Path, username: str, password: str) -> None:
    (folder / "username").write_text(username)
    (folder / "password").write_text(password)


def test_the_series_and_its_headers(port: int) -> None:
    response, body = ask(port, "/discharge.csv")
    assert (response.status, body) == (200, CONTENT)
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Length"] == str(len(CONTENT))
    assert parsedate_to_datetime(response.headers["Last-Modified"])


def test_the_gauge_that_fell_silent(port: int) -> None:
    response, body = ask(port, "/discharge-until-2014.csv")
    assert (response.status, body) == (200, b"date,discharge_m3s\n")
    assert until(b"2014", b"date,x\n2013-01-01,1\n2014-12-31,2\n2015-01-01,3\n") == (
        b"date,x\n2013-01-01,1\n2014-12-31,2\n"
    )


def test_the_same_series_as_another_water_board_publishes_it() -> None:
    series = b"date,precipitation_mm,potential_evapotranspiration_mm,discharge_m3s\n"
    series += b"2012-01-01,1.5,0.3,\n2013-06-30,0,1,0.01\n"
    assert halves(series).decode().split("\r\n")[2:] == [
        "20120101 00:00;0,75;0,15;-9999",
        "20120101 12:00;0,75;0,15;-9999",
        "20130630 00:00;0;0,5;36,00",
        "20130630 12:00;0;0,5;36,00",
        "",
    ]


def test_head_has_the_headers_of_get_and_no_body(port: int) -> None:
    (get, _), (head, body) = ask(port, "/discharge.csv"), ask(port, "/discharge.csv", "HEAD")
    assert body == b""
    assert {**dict(head.headers), "Date": ""} == {**dict(get.headers), "Date": ""}


def test_an_unchanged_series_is_not_sent_again(port: int) -> None:
    tag = ask(port, "/discharge.csv")[0].headers["ETag"]
    response, body = ask(port, "/discharge.csv", If_None_Match=f'"other", {tag}')
    assert (response.status, body) == (304, b"")
    assert ask(port, "/discharge.csv", If_None_Match='"other"')[0].status == 200


def test_a_rotated_secret_holds_at_once(port: int, credentials: Path) -> None:
    close_door(credentials, "ds", "old\n")
    assert ask(port, "/discharge.csv", Authorization=basic("ds:old"))[0].status == 200
    close_door(credentials, "ds", "new")
    response, body = ask(port, "/discharge.csv", Authorization=basic("ds:old"))
    assert response.status == 401
    assert response.headers["WWW-Authenticate"].startswith("Basic realm=")
    assert b"0.1" not in body
    assert ask(port, "/discharge.csv", Authorization=basic("ds:new"))[0].status == 200


def test_health_is_open_and_other_paths_are_not_there(port: int, credentials: Path) -> None:
    close_door(credentials, "ds", "x")
    assert ask(port, "/healthz")[0].status == 200
    assert ask(port, "/../server.py")[0].status == 404


@pytest.mark.parametrize(
    ("header", "want"),
    [
        (basic("ds:gehéim:x"), True),
        (basic("ds:gehéim:x").replace("Basic", "bASIC"), True),
        (None, False),
        ("", False),
        (basic("ds:"), False),
        (basic("ds"), False),
        (basic("DS:gehéim:x"), False),
        (basic("ds:gehéim:x").replace("Basic", "Bearer"), False),
        ("Basic !!!", False),
        ("Basic é", False),
    ],
)
def test_who_may_enter(credentials: Path, header: str | None, want: bool) -> None:
    close_door(credentials, "ds", "gehéim:x")
    assert allowed(header, credentials) is want


def test_without_credentials_the_series_is_open_and_with_half_of_them_closed(credentials: Path) -> None:
    assert allowed(None, credentials)
    (credentials / "password").write_text("x")
    assert not allowed(basic(":x"), credentials)


def test_the_conversion_refuses_other_units() -> None:
    with pytest.raises(ValueError, match="check the units again"):
        convert("Date;rainfall[mm];TURC [mm d-1];Discharge[m3s-1]\n")
    with pytest.raises(ValueError, match="line 2"):
        convert("Date;rainfall[mm];TURC [mm d-1];Discharge[ls-1]\n2012-01-01;1;1;1\n")
