"""A city whose API server answers without end: that city's trouble, and no memory of the operator."""

import contextlib
import json
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cluster_apps as apps
import pytest
import yaml
from cluster_city import City
from cluster_kit import KINDS, condition, eventually
from servers.certificates import Authority

MIB = 2**20
NESTED = b"[" + b"[[]]," * (32 * MIB // 5) + b"[]]"
Way = Callable[[BaseHTTPRequestHandler], None]


def _head(request: BaseHTTPRequestHandler, status: int, length: int | None = None) -> None:
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(length)) if length is not None else None
    request.send_header("Connection", "close")
    request.end_headers()


def endless_error(request: BaseHTTPRequestHandler) -> None:
    """500, with a body that does not end."""
    _head(request, 500)
    while True:
        request.wfile.write(b"x" * 65536)


def nested(request: BaseHTTPRequestHandler) -> None:
    """32 MiB of empty lists."""
    _head(request, 200, len(NESTED))
    request.wfile.write(NESTED)


def trickle(request: BaseHTTPRequestHandler) -> None:
    """A byte now and then."""
    _head(request, 200, 10**6)
    while True:
        request.wfile.write(b" ")
        time.sleep(0.2)


def full_of_junk(request: BaseHTTPRequestHandler) -> None:
    """An API server as any other one, but for its lists and watches."""
    path = request.path.partition("?")[0]
    name = path.rpartition("/")[2]
    if path == "/version":
        return _say(request, {"major": "1", "minor": "36"})
    if path.startswith("/api/v1/namespaces/") and path.count("/") == 4:
        return _say(request, {"metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": "1"}})
    if "watch=true" in request.path:
        _head(request, 200)
        text = json.dumps({"type": "ADDED", "object": {"metadata": {"name": "x" * MIB}}}).encode() + b"\n"
        while True:
            request.wfile.write(text)
    items = [{"metadata": {"name": f"n{i}", "uid": "u", "resourceVersion": "1"}, "data": "y" * 10**6} for i in range(2)]
    return _say(request, {"metadata": {"resourceVersion": "1", "continue": "more"}, "items": items})


def _say(request: BaseHTTPRequestHandler, body: Any) -> None:
    raw = json.dumps(body).encode()
    _head(request, 200, len(raw))
    request.wfile.write(raw)


class Hostile:
    """A TLS server that answers each request in that way."""

    def __init__(self, authority: Authority, way: Way) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with contextlib.suppress(OSError):
                    way(self)

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        pair = authority.server()
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(pair.certificate, pair.key)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._authority = authority
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def kubeconfig(self) -> str:
        """What a city would send."""
        url = f"https://127.0.0.1:{self._server.server_address[1]}"
        vouched = b64encode(self._authority.ca.read_bytes()).decode()
        body = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "x", "cluster": {"server": url, "certificate-authority-data": vouched}}],
            "users": [{"name": "x", "user": {"token": "abc"}}],
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x", "namespace": "twins"}}],
            "current-context": "x",
        }
        return str(yaml.safe_dump(body))

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.parametrize("way", [endless_error, nested, trickle, full_of_junk], ids=lambda way: way.__name__)
def test_a_city_that_answers_without_end_is_alone_in_that(city: City, tmp_path: Path, way: Way) -> None:
    operator = city.start()
    flood = city.everything()
    flood.served()
    assert operator._process is not None
    status = Path(f"/proc/{operator._process.pid}/status")

    def peak() -> int:
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024

    before, hostile = peak(), Hostile(Authority(tmp_path), way)
    city.cluster.apply(apps.credentials(city.namespace, "elsewhere", kubeconfig=hostile.kubeconfig()))
    spec = {"cluster": {"kubeconfigSecret": {"name": "elsewhere"}}}
    city.cluster.apply(apps.platform(city.namespace, apps.source(city.supplier.url()), name="bad", **spec))

    def judged() -> bool:
        body = city.cluster.get(KINDS["MunicipalityPlatform"], city.namespace, "bad")
        reason = condition(body, "ClusterReachable").get("reason")
        return reason not in (None, "ClusterConnecting")

    eventually("word of that cluster", judged)
    time.sleep(15)
    print(f"{way.__name__}: {(peak() - before) / MIB:.0f} MiB")
    assert peak() - before < 64 * MIB
    other = city.install("other")
    other.served()
    assert operator.get("/healthz")[0] == 200
    hostile.stop()
