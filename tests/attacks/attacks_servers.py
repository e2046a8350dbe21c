"""Data servers that are up to no good: each gives back what it was told in confidence, wherever it can."""

import base64
import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

_CSV = "date,discharge_m3s{more}\n" + "".join(f"2012-01-{day:02},1.0{{value}}\n" for day in range(1, 30))


def confided(headers: Any) -> str:
    """What a client has told: the password, token or key of a request."""
    scheme, _, value = (headers.get("Authorization") or "").partition(" ")
    if scheme == "Basic":
        return unquote(base64.b64decode(value).decode().partition(":")[2])
    return value or headers.get("X-Api-Key") or "nothing"


class EchoServer:
    """HTTP (or HTTPS), with a path for each way to give a secret back."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.heard: list[tuple[str, str, dict[str, str]]] = []  # method, path and headers of each request
        self.elsewhere = ""  # where redirects lead to
        echo = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                echo.heard.append((self.command, self.path, dict(self.headers)))
                with contextlib.suppress(OSError):
                    echo._answer(self)

            do_POST = do_PATCH = do_DELETE = do_PUT = do_GET

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._scheme = "http" if tls is None else "https"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def url(self, path: str = "") -> str:
        """Where it is."""
        return f"{self._scheme}://127.0.0.1:{self.port}{path}"

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        secret, path = confided(request.headers), urlsplit(request.path).path
        name = path.strip("/").partition("/")[0]
        first = name.partition(".")[0]
        if first.isdigit() and first.startswith("3"):
            return _send(request, int(first), "", {"Location": f"{self.elsewhere}{request.path}?was={secret}"})
        if first.isdigit():
            return _send(
                request, int(first), f"you said {secret}", {"WWW-Authenticate": f"Basic realm={secret}"}, secret
            )
        match first:
            case "column":
                return _send(request, 200, _CSV.format(more=f",{secret}", value=",2"), {"Content-Type": "text/csv"})
            case "value":
                return _send(request, 200, _CSV.format(more="", value=secret), {"Content-Type": "text/csv"})
            case "type":
                return _send(request, 200, "x", {"Content-Type": f"image/{secret}"})
            case "encoding":
                return _send(request, 200, "x", {"Content-Type": "text/csv", "Content-Encoding": secret})
            case "scheme":
                return _send(request, 302, "", {"Location": f"ftp://{secret}.example/"})
            case "html":
                return _send(request, 200, f"<!DOCTYPE html><title>{secret}", {"Content-Type": "text/html"})
            case "features":
                point = {"type": "Point", "coordinates": [4.3, 52.0]}
                feature = {"type": "Feature", "geometry": point, "properties": {secret: 1, "date": "2012-01-01"}}
                body = {"type": "FeatureCollection", "features": [feature]}
                return _send(request, 200, json.dumps(body), {"Content-Type": "application/geo+json"})
            case "wfs":
                text = (
                    '<ows:ExceptionReport xmlns:ows="http://www.opengis.net/ows/1.1" version="2.0.0">'
                    f'<ows:Exception exceptionCode="{secret}" locator="{secret}">'
                    f"<ows:ExceptionText>{secret}</ows:ExceptionText></ows:Exception></ows:ExceptionReport>"
                )
                return _send(request, 200, text, {"Content-Type": "text/xml"})
            case "things":
                text = json.dumps({"value": [{"name": secret, "url": f"http://x/{secret}"}], "error": secret})
                return _send(request, 200, text, {"Content-Type": "application/json"})
            case "ogc":
                links = [{"rel": rel, "href": f"/{secret}"} for rel in ("data", "conformance", "self")]
                body = {"title": secret, "links": links, "collections": [{"id": secret, "title": secret}]}
                return _send(request, 200, json.dumps(body), {"Content-Type": "application/json"})
            case "bucket":
                text = f"<Error><Code>{secret}</Code><Message>{request.headers}</Message></Error>"
                return _send(request, 200, text, {"Content-Type": "application/xml"})
            case "token":
                text = json.dumps({"error": secret, "error_description": f"bad client {secret}"})
                return _send(request, 400, text, {"Content-Type": "application/json"}, secret)
        return _send(request, 404, secret, {}, secret)


def _send(
    request: BaseHTTPRequestHandler, status: int, body: str, headers: dict[str, str], phrase: str | None = None
) -> None:
    request.send_response(status, phrase)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body.encode())))
    request.end_headers()
    request.wfile.write(body.encode())


Talk = Callable[[socket.socket, "RawServer"], None]


class RawServer:
    """TCP; `talk` has each connection. All that came is kept."""

    def __init__(self, talk: Talk, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.connections = 0
        self.received = b""
        self.tls = tls
        self._talk = talk
        self._listener = socket.create_server((host, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def read(self, connection: socket.socket, size: int) -> bytes:
        """So many bytes."""
        found = b""
        while len(found) < size:
            piece = connection.recv(size - len(found))
            if not piece:
                raise ConnectionError
            found += piece
            self.received += piece
        return found

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError, struct.error), connection:
            connection.settimeout(20)
            self._talk(connection, self)
            while piece := connection.recv(4096):
                self.received += piece


def _mqtt_packet(connection: socket.socket, server: RawServer) -> bytes:
    server.read(connection, 1)
    length = shift = 0
    while True:
        byte = server.read(connection, 1)[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return server.read(connection, length)


def _mqtt_strings(body: bytes) -> Iterator[str]:
    while len(body) >= 2:
        size = int.from_bytes(body[:2])
        yield body[2 : 2 + size].decode(errors="replace")
        body = body[2 + size :]


def broker_that_tells(connection: socket.socket, server: RawServer) -> None:
    """An MQTT broker that publishes the password as the name of a field, and in the topic."""
    hello = _mqtt_packet(connection, server)
    *_, password = _mqtt_strings(hello[10:])
    connection.sendall(b"\x20\x02\x00\x00")
    _mqtt_packet(connection, server)
    connection.sendall(b"\x90\x03\x00\x01\x00")
    for number in range(5):
        payload = json.dumps({password: number, "date": f"2012-01-0{number + 1}"}).encode()
        topic = f"a/{password}".encode()
        body = struct.pack(">H", len(topic)) + topic + payload
        connection.sendall(bytes([0x30, len(body)]) + body)
        time.sleep(0.05)


def broker_that_refuses(connection: socket.socket, server: RawServer) -> None:
    """An MQTT broker that refuses, and says the password with it."""
    hello = _mqtt_packet(connection, server)
    *_, password = _mqtt_strings(hello[10:])
    connection.sendall(b"\x20\x02\x00\x05" + password.encode())


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">I", len(body) + 4) + body


def _postgresql(connection: socket.socket, server: RawServer, wish: int, *, tls: bool) -> None:
    """A PostgreSQL server that wants the password itself (3) or its MD5 (5), and repeats it in its error."""
    size = int.from_bytes(server.read(connection, 4))
    startup = server.read(connection, size - 4)
    if startup == struct.pack(">I", 80877103):  # SSLRequest
        if not tls or server.tls is None:
            connection.sendall(b"N")
        else:
            connection.sendall(b"S")
            connection = server.tls.wrap_socket(connection, server_side=True)
        size = int.from_bytes(server.read(connection, 4))
        server.read(connection, size - 4)
    connection.sendall(_message(b"R", struct.pack(">I", wish) + (b"salt" if wish == 5 else b"")))
    server.read(connection, 1)
    size = int.from_bytes(server.read(connection, 4))
    password = server.read(connection, size - 4).rstrip(b"\0")
    text = b"SFATAL\0VFATAL\0C28P01\0Mpassword " + password + b" is wrong\0D" + password + b"\0H" + password + b"\0\0"
    connection.sendall(_message(b"E", text))


def database_wants_password(connection: socket.socket, server: RawServer) -> None:
    """Without TLS, the password as it is."""
    _postgresql(connection, server, 3, tls=False)


def database_wants_md5(connection: socket.socket, server: RawServer) -> None:
    """Without TLS, its MD5."""
    _postgresql(connection, server, 5, tls=False)


def database_with_tls_tells(connection: socket.socket, server: RawServer) -> None:
    """With TLS, by an authority that is trusted: it may have the password, and repeats it."""
    _postgresql(connection, server, 3, tls=True)


class HostileCluster:
    """An API server of a city that is up to no good, over HTTPS. `answer` has each request; None takes the usual way.

    The usual way is an empty cluster with the namespace that the kubeconfig names.
    """

    def __init__(self, tls: ssl.SSLContext, answer: "Answer") -> None:
        self.heard: list[tuple[str, str]] = []  # method and path
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                cluster.heard.append((self.command, self.path))
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with contextlib.suppress(OSError):
                    answer(self) or cluster._usual(self)  # type: ignore[func-returns-value]

            do_POST = do_PATCH = do_DELETE = do_PUT = do_GET

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()

    def _usual(self, request: BaseHTTPRequestHandler) -> None:
        path = urlsplit(request.path)
        name = path.path.rstrip("/").rpartition("/")[2]
        if path.path == "/version":
            body: Any = {"major": "1", "minor": "36", "gitVersion": "v1.36.0"}
        elif "watch=true" in path.query:
            time.sleep(1)
            return _send(request, 200, "", {"Content-Type": "application/json"})
        elif "/namespaces/" in path.path and path.path.count("/") == 4:
            body = {"kind": "Namespace", "metadata": {"name": name, "uid": f"uid-of-{name}", "resourceVersion": "1"}}
        elif request.command == "GET":
            body = {"kind": "List", "metadata": {"resourceVersion": "1"}, "items": []}
        else:
            body = {"kind": "Status", "message": "no", "code": 403}
            return _send(request, 403, json.dumps(body), {"Content-Type": "application/json"})
        return _send(request, 200, json.dumps(body), {"Content-Type": "application/json"})


Answer = Callable[[BaseHTTPRequestHandler], bool | None]


def redirects(status: int, to: str, only: str = "") -> Answer:
    """Redirects each request whose path has that in it; the token is asked along."""

    def answer(request: BaseHTTPRequestHandler) -> bool:
        if only not in request.path:
            return False
        _send(request, status, "", {"Location": f"{to}{request.path}"})
        return True

    return answer


def repeats(status: int, method: str = "") -> Answer:
    """Says the token in the message of an error, in the reason phrase and in headers."""

    def answer(request: BaseHTTPRequestHandler) -> bool:
        if method and request.command != method:
            return False
        told = confided(request.headers)
        body = {"kind": "Status", "message": f"{told} may not", "reason": told, "code": status}
        _send(request, status, json.dumps(body), {"Content-Type": "application/json", "Warning": told}, told)
        return True

    return answer
