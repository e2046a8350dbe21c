"""A client for a city's own cluster, from what its kubeconfig says.

The city is not trusted more than any data source: the address of each connection is checked, no redirect is followed,
nothing of this process's environment (proxies, netrc) is used, and answers have a bound.
"""

import os
import socket
import ssl
import tempfile
from collections.abc import Callable
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration

from ddtas.cluster.client import Client, OnRequest
from ddtas.errors import KubeconfigError
from ddtas.plan.kubeconfig import Access
from ddtas.plan.reasons import Reason

Refusal = Callable[[str], str | None]

_TIMEOUT_SECONDS = 15.0
_MAX_BYTES = 32 * 1024 * 1024


class Gate:
    """The connections of one client: none to an address that is refused."""

    def __init__(self, refusal: Refusal, tls: ssl.SSLContext) -> None:
        self._refusal = refusal
        self.refused = ""  # the last address that was refused, and why
        self.connector = aiohttp.TCPConnector(limit=0, ssl=tls, socket_factory=self._socket, use_dns_cache=False)

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, (address, *_) = info
        if why := self._refusal(str(address)):
            self.refused = f"{address} ({why})"
            raise PermissionError(why)  # an OSError makes aiohttp try the next address of the name
        return socket.socket(family, kind, protocol)


async def _no_redirects(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    response = await handler(request)
    if 300 <= response.status < 400:
        response.close()
        raise aiohttp.ClientPayloadError("the server redirects, as no API server does")
    return response


def open_client(access: Access, refusal: Refusal, on_request: OnRequest) -> tuple[Client, Gate]:
    """A client that has not connected yet, and its connections, which are to be closed after it.

    Raises:
        KubeconfigError: a certificate or key of the kubeconfig cannot be read.
    """
    gate = Gate(refusal, _tls(access))
    configuration = Configuration(host=access.server)
    configuration.retries = None
    configuration.ca_cert_data = access.authority or None  # else it reads the system's, for a context it does not use
    if access.token:
        configuration.api_key = {"BearerToken": f"Bearer {access.token}"}
    if access.server_name:
        configuration.tls_server_name = access.server_name
    configuration.client_session_kwargs = {
        "connector": gate.connector,
        "cookie_jar": aiohttp.DummyCookieJar(),
        "middlewares": (_no_redirects,),
        "trust_env": False,
    }
    return Client(ApiClient(configuration=configuration), on_request, _TIMEOUT_SECONDS, _MAX_BYTES), gate


def _tls(access: Access) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=access.authority or None)
        if access.certificate:
            # OpenSSL takes a client's certificate from a file only: one that nobody else can read, for this moment.
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # made with mode 0600
                file.write(f"{access.certificate}\n{access.key}\n")
                file.flush()
                # A passphrase would be asked for at the terminal.
                context.load_cert_chain(os.fspath(file.name), password="")
    except (ssl.SSLError, ValueError, OSError):
        # What OpenSSL says of a key is nobody's business.
        raise KubeconfigError(
            Reason.KUBECONFIG_INVALID,
            "a certificate or key in it cannot be read: it must be PEM, and the key without a passphrase",
        ) from None
    return context
