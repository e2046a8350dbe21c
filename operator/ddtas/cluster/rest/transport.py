"""Connections to API servers: an address may be refused, a peer that is gone shows, no redirect is followed."""

import socket
import ssl
from collections.abc import Callable
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio.client import Configuration
from yarl import URL

# A peer that is gone without a word shows after 6 + 3 * 3 seconds, at no request: its kernel is asked, not the server.
_IDLE_SECONDS, _INTERVAL_SECONDS, _PROBES = 6, 3, 3
# The same for what was sent and is not acknowledged.
_UNACKNOWLEDGED_MILLISECONDS = 15_000

Refusal = Callable[[str], str | None]


class Gate:
    """The connections of one client: none to an address that is refused."""

    def __init__(self, refusal: Refusal, tls: ssl.SSLContext) -> None:
        """Connect to nothing yet.

        Args:
            refusal: why an address must not be connected to; None where it may.
            tls: how the server is known.
        """
        self._refusal = refusal
        self.refused = ""  # the last address that was refused, and why
        self.connector = aiohttp.TCPConnector(limit=0, ssl=tls, socket_factory=self._socket, use_dns_cache=False)

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, (address, *_) = info
        if why := self._refusal(str(address)):
            self.refused = f"{address} ({why})"
            raise PermissionError(why)  # an OSError makes aiohttp try the next address of the name
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (
            ("TCP_KEEPIDLE", _IDLE_SECONDS),
            ("TCP_KEEPINTVL", _INTERVAL_SECONDS),
            ("TCP_KEEPCNT", _PROBES),
            ("TCP_USER_TIMEOUT", _UNACKNOWLEDGED_MILLISECONDS),
        ):
            if hasattr(socket, option):  # not everywhere that a developer works
                made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        return made

    def session(self) -> dict[str, Any]:
        """Arguments of a `ClientSession` over these connections.

        The environment is not asked for a proxy: aiohttp would start two threads with each request, one of them to read
        a password for the API server in ~/.netrc.
        """
        return {
            "connector": self.connector,
            "cookie_jar": aiohttp.DummyCookieJar(),
            "middlewares": (_plain,),
            "auto_decompress": False,
            "headers": {"Accept-Encoding": "identity"},
            "read_bufsize": 2**16,
            "trust_env": False,
        }


def use_proxy(configuration: Configuration) -> None:
    """Go through the proxy that the environment names for this server (`HTTPS_PROXY`, `NO_PROXY`), if it names one.

    A proxy that the kubeconfig names comes first.
    """
    server = URL(configuration.host)
    if configuration.proxy or server.host is None or proxy_bypass(server.host):
        return
    proxy = URL(getproxies().get(server.scheme, ""))
    if not proxy.host:
        return
    configuration.proxy = str(proxy.with_user(None))
    if proxy.user is not None:
        credentials = aiohttp.encode_basic_auth(proxy.user, proxy.password or "")
        configuration.proxy_headers = {"Proxy-Authorization": credentials}


async def _plain(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Refuse a redirect, which would take the token elsewhere, and what would be larger than it seems."""
    response = await handler(request)
    if 300 <= response.status < 400:
        response.close()
        raise aiohttp.ClientPayloadError("the server redirects, as no API server does")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        response.close()
        raise aiohttp.ClientPayloadError("the server packs its answer, which was not asked for")
    return response
