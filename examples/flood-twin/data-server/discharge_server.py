"""A data supplier in miniature: CSV over HTTP, open or behind HTTP Basic authentication.

``/discharge.csv`` is the series of a gauge, ``/discharge-until-2014.csv`` that of one that fell silent after 2014,
``/debiet.csv`` the first one as another water board would publish it (twice a day, other names and units, semicolons,
decimal commas), and ``/healthz`` says that the server runs and is always open. A series needs a user
name and a password when the files ``username`` and ``password`` are in ``/etc/credentials``; they are read at each
request, so that a rotated Secret holds at once. Standard library only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import signal
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from email.utils import formatdate
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT = 8080
DATA = Path(__file__).with_name("discharge.csv")
LAST_YEAR = b"2014"
CREDENTIALS = Path("/etc/credentials")


def allowed(header: str | None, folder: Path) -> bool:
    """Whether an ``Authorization`` header opens the series.

    :param folder: with the files ``username`` and ``password``; without both of them the series is open. A folder with
        only one of the two is a mistake, and opens for nobody.
    """
    files = [folder / "username", folder / "password"]
    if not any(file.exists() for file in files):
        return True
    if header is None or not all(file.is_file() for file in files):
        return False
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    username, password = (file.read_bytes().rstrip(b"\r\n") for file in files)
    # Both together, in constant time: nothing tells which of the two was wrong, or up to where it was right.
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(username + b":" + password).digest())


def until(year: bytes, series: bytes) -> bytes:
    """The header of a series, and its rows up to and with a year."""
    header, *rows = series.splitlines(keepends=True)
    return b"".join([header, *(row for row in rows if row[:4] <= year)])


def halves(series: bytes) -> bytes:
    """The same series, twice a day in local time: rain and evaporation of half a day in mm, discharge in m3/h.

    A comment holds the header, as in the files of KNMI; -9999 stands for what was not measured.
    """
    rows = [b"# Peilmeter Voorbeeldhaven, tijden in lokale tijd", b"# DATUM;NEERSLAG;VERDAMPING;DEBIET_M3H"]
    for line in series.decode("ascii").splitlines()[1:]:
        day, rain, evapotranspiration, discharge = line.split(",")
        flow = f"{Decimal(discharge) * 3600:f}" if discharge else "-9999"
        half = [f"{Decimal(value) / 2:f}" for value in (rain, evapotranspiration)]
        rows += [
            ";".join([f"{day.replace('-', '')} {hour}", *half, flow]).replace(".", ",").encode()
            for hour in ("00:00", "12:00")
        ]
    return b"\r\n".join(rows) + b"\r\n"


SERIES: dict[str, Callable[[bytes], bytes]] = {
    "/discharge.csv": bytes,
    "/discharge-until-2014.csv": partial(until, LAST_YEAR),
    "/debiet.csv": halves,
}
"""By path, what becomes of the series."""


class Handler(BaseHTTPRequestHandler):
    """GET and HEAD on these paths, and on /healthz."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "data-supplier", ""
    timeout = 30

    def __init__(self, *args: object, data: Path, credentials: Path) -> None:
        self._data, self._credentials = data, credentials
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Answer; HEAD gets the same headers without the body."""
        path = self.path.partition("?")[0]
        if path == "/healthz":
            self._answer(200, b"ok\n")
        elif path not in SERIES:
            self._answer(404, f"the series are at {' and '.join(SERIES)}\n".encode())
        elif not allowed(self.headers.get("Authorization"), self._credentials):
            challenge = {"WWW-Authenticate": 'Basic realm="data", charset="UTF-8"'}
            self._answer(401, b"user name and password needed\n", challenge)
        else:
            content = SERIES[path](self._data.read_bytes())
            tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            headers = {
                "Content-Type": "text/csv; charset=utf-8",
                "Last-Modified": formatdate(self._data.stat().st_mtime, usegmt=True),
                "ETag": tag,
                "Cache-Control": "no-cache",
            }
            if tag in [item.strip().removeprefix("W/") for item in self.headers.get("If-None-Match", "").split(",")]:
                self._answer(304, None, headers)
            else:
                self._answer(200, content, headers)

    do_HEAD = do_GET

    def _answer(self, status: int, body: bytes | None, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain; charset=utf-8", **(headers or {})}.items():
            self.send_header(name, value)
        if body is not None:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body is not None and self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """To stdout; without the probes, which would drown the rest, and with a client's control characters escaped."""
        if getattr(self, "path", "") != "/healthz":
            print(self.client_address[0], (format % args).encode("unicode_escape").decode(), flush=True)


def make_server(port: int, data: Path = DATA, credentials: Path = CREDENTIALS) -> ThreadingHTTPServer:
    """A server that is bound to ``port`` on all addresses and not yet running."""
    return ThreadingHTTPServer(("", port), partial(Handler, data=data, credentials=credentials))


def main() -> None:
    """Serve until SIGTERM."""
    if not DATA.is_file():
        sys.exit(f"{DATA} is not there; the image build makes it with discharge_csv.py")
    server = make_server(PORT)
    # shutdown() waits for the loop that this very thread runs, so it needs another one.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"serving {DATA.stat().st_size} bytes on port {PORT}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
