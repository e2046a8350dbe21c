"""Connections to API servers: through which proxy they go."""

import asyncio
import base64
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from api_kit import client_of
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import kube_config

from ddtas.cluster.rest.client import Client
from ddtas.cluster.rest.transport import use_proxy
from ddtas.errors import ClusterError

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without any proxy."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def proxy_of(server: str, proxy: str | None = None) -> tuple[Any, Any]:
    """The proxy of a configuration for that server, and the headers that are sent to it."""
    configuration = Configuration(host=server)
    configuration.proxy = proxy
    use_proxy(configuration)
    return configuration.proxy, configuration.proxy_headers


def test_the_environment_names_the_proxy(environment: pytest.MonkeyPatch) -> None:
    assert proxy_of("https://api.example:6443") == (None, None)
    environment.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    assert proxy_of("https://api.example:6443") == ("http://proxy.example:3128", None)
    assert proxy_of("http://api.example:8080") == (None, None)
    assert proxy_of("https://api.example:6443", "http://of-the-kubeconfig:1") == ("http://of-the-kubeconfig:1", None)
    environment.setenv("NO_PROXY", "api.example,10.0.0.1")
    assert proxy_of("https://api.example:6443") == (None, None)
    assert proxy_of("https://10.0.0.1:443") == (None, None)
    assert proxy_of("https://other.example") == ("http://proxy.example:3128", None)


async def test_the_proxy_is_asked_for_the_api_server_with_its_password(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    heard: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    cluster = {"name": "c", "cluster": {"server": "https://api.example:6443"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    users = [{"name": "u", "user": {"token": "abc"}}]
    access = {"clusters": [cluster], "contexts": [context], "users": users, "current-context": "c"}
    (tmp_path / "kubeconfig").write_text(json.dumps({"apiVersion": "v1", "kind": "Config"} | access))
    environment.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    environment.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))  # read at import
    environment.setenv("HTTPS_PROXY", f"http://me:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}")
    client = await Client.connect()
    with pytest.raises(ClusterError, match="403"):
        await client.version()
    await client.close()
    server.close()
    head = heard[0].decode()
    assert head.startswith("CONNECT api.example:6443 HTTP/1.1\r\n")
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'me:secret').decode()}\r\n" in head
    assert "abc" not in head


async def test_a_request_starts_no_thread(environment: pytest.MonkeyPatch) -> None:
    """With each request, aiohttp would look for a proxy in one thread, and for a password in ~/.netrc in another."""
    started: list[Any] = []
    environment.setattr(threading.Thread, "start", lambda thread: started.append(thread))

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"major": "1", "minor": "36"})

    async with client_of(answer) as client:
        assert await client.version() == "1.36"
    assert started == []
