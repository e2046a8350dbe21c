"""MapServer serving WFS 2.0: the CGI program behind a small HTTP server of our own.

===================  ===================================================================================
feature type         features
===================  ===================================================================================
``ms:levels``        300 points with the columns of ``dataset.COLUMNS``, stored in EPSG:28992
``ms:stations``      12 points with the same columns, stored in EPSG:4326
===================  ===================================================================================

Both are offered in EPSG:28992 (the default), EPSG:4326 and EPSG:4258, as GML 3.2 and as GeoJSON.
"""

import contextlib
import os
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from ddtas_dev import servers_debian

from . import dataset
from .process import HOST, Server, free_port

PATH = "/wfs"
LEVELS, STATIONS = "ms:levels", "ms:stations"
_SECONDS = 60.0

# Decides by the headers of a request: None lets it in, else the status and the headers of the refusal.
Guard = Callable[[Message], tuple[int, dict[str, str]] | None]

_TYPES = {"id": "Integer", "name": "Character", "level": "Real", "measured_at": "DateTime", "inspected_on": "Date"}


@dataclass(frozen=True)
class MapServer(Server):
    """``url`` is the WFS endpoint, to be given a query."""

    newest: datetime


@contextlib.contextmanager
def mapserver(
    directory: Path, newest: datetime | None = None, *, guard: Guard | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[MapServer]:
    """Serve the feature types above until the block ends.

    ``directory`` gets the data, the map file and the log; ``newest`` is the time of the newest feature, now when not
    given. ``guard`` may refuse a request; ``tls`` makes it HTTPS (and wants a client certificate, if it says so).
    """
    program = servers_debian.mapserver()
    directory.mkdir(parents=True, exist_ok=True)
    moment, port, log = dataset.newest_hour(newest), free_port(), directory / "mapserver.log"
    url = f"{'https' if tls else 'http'}://{HOST}:{port}{PATH}"
    measurements = dataset.rows(moment)
    (directory / "levels.geojson").write_text(dataset.geojson(measurements, dataset.RD))
    (directory / "stations.geojson").write_text(dataset.geojson(dataset.stations(measurements), dataset.WGS84))
    (directory / "city.map").write_text(_map_file(directory, url))
    # Debian's configuration, where there is one, is the machine's own.
    (directory / "mapserver.conf").write_text(f'CONFIG\n ENV\n  MS_MAPFILE "{directory / "city.map"}"\n END\nEND\n')
    environment = {"PATH": os.environ["PATH"], "MAPSERVER_CONFIG_FILE": str(directory / "mapserver.conf")}
    handler = _handler(_Cgi(program, environment, port, log), guard)
    server = ThreadingHTTPServer((HOST, port), handler)
    if tls:
        # The handshake belongs to the thread of the connection: a client that stalls must not stop the others.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield MapServer(url=url, host=HOST, port=port, log=log, newest=moment)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()  # waits for requests that run, and so for their CGI processes


@dataclass(frozen=True)
class _Cgi:
    """The CGI program and what it is told by its environment."""

    program: Path
    environment: Mapping[str, str]
    port: int
    log: Path

    def answer(self, method: str, query: str, headers: Message, body: bytes) -> tuple[int, list[str], bytes]:
        """Run it for one request: status, header lines, body. 504 when it takes too long."""
        told = {
            **self.environment,
            "GATEWAY_INTERFACE": "CGI/1.1",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SERVER_NAME": HOST,
            "SERVER_PORT": str(self.port),
            "SCRIPT_NAME": PATH,
            "REQUEST_METHOD": method,
            "QUERY_STRING": query,
            "CONTENT_TYPE": headers.get("Content-Type") or "",
            "CONTENT_LENGTH": str(len(body)),
        }
        with self.log.open("ab") as output:
            try:
                done = subprocess.run(
                    [self.program], env=told, input=body, stdout=subprocess.PIPE, stderr=output, timeout=_SECONDS
                )
            except subprocess.TimeoutExpired:
                return 504, [], b""
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = [line.split()[1] for line in lines if line.lower().startswith("status:")]
        return int(status[0]) if status else 200, [x for x in lines if not x.lower().startswith("status:")], content


def _handler(cgi: _Cgi, guard: Guard | None) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _SECONDS

        def do_GET(self) -> None:
            self._serve(b"")

        def do_HEAD(self) -> None:
            self._serve(b"")

        def do_POST(self) -> None:
            self._serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        def _serve(self, body: bytes) -> None:
            asked = urlsplit(self.path)
            if asked.path != PATH:
                self._send(404, [], b"")
            elif guard and (refusal := guard(self.headers)):
                self._send(refusal[0], [f"{name}: {value}" for name, value in refusal[1].items()], b"")
            else:
                # MapServer has no HEAD: it is a GET whose body is not sent.
                method = "POST" if self.command == "POST" else "GET"
                self._send(*cgi.answer(method, asked.query, self.headers, body))

        def _send(self, status: int, headers: list[str], body: bytes) -> None:
            self.send_response(status)
            for line in headers:
                name, colon, value = line.partition(":")
                if colon and name.lower() != "content-length":
                    self.send_header(name, value.strip())
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            with cgi.log.open("a") as output:
                output.write(f"{self.log_date_time_string()} {format % args}\n")

    return Handler


def _map_file(directory: Path, url: str) -> str:
    layers = _layer("levels", dataset.RD, directory) + _layer("stations", dataset.WGS84, directory)
    return f"""MAP
  NAME "city"
  EXTENT 70000 445000 90000 465000
  UNITS METERS
  PROJECTION "init=epsg:{dataset.RD}" END
  OUTPUTFORMAT
    NAME "geojson"
    DRIVER "OGR/GEOJSON"
    MIMETYPE "application/json; subtype=geojson"
    FORMATOPTION "STORAGE=stream"
    FORMATOPTION "FORM=simple"
  END
  WEB
    METADATA
      "ows_title" "Water levels of the city"
      "ows_onlineresource" "{url}"
      "ows_srs" "EPSG:{dataset.RD} EPSG:{dataset.WGS84} EPSG:4258"
      "ows_enable_request" "!*"
      "wfs_enable_request" "*"
      "wfs_getfeature_formatlist" "gml,geojson"
    END
  END
{layers}END
"""


def _layer(name: str, epsg: int, directory: Path) -> str:
    types = "\n".join(f'      "gml_{column}_type" "{_TYPES[column]}"' for column in dataset.COLUMNS)
    return f"""  LAYER
    NAME "{name}"
    TYPE POINT
    STATUS ON
    CONNECTIONTYPE OGR
    CONNECTION "{directory / f"{name}.geojson"}"
    PROJECTION "init=epsg:{epsg}" END
    TEMPLATE "none"
    METADATA
      "wfs_title" "{name.title()}"
      "gml_featureid" "id"
      "gml_include_items" "all"
{types}
      "wfs_use_default_extent_for_getfeature" "false"
    END
  END
"""
