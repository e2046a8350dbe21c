"""A client for a city's own cluster, from what its kubeconfig says.

The city is not trusted more than any data source: the address of each connection is checked, no redirect is followed,
nothing of this process's environment (proxies, netrc) is used, and answers have a bound.
"""

import os
import ssl
import tempfile

from kubernetes.aio.client import ApiClient, Configuration

from ddtas.cluster.rest.bounds import CITY
from ddtas.cluster.rest.client import Client, Fence, OnRequest
from ddtas.cluster.rest.transport import Gate, Refusal
from ddtas.errors import KubeconfigError
from ddtas.plan.reasons import Reason
from ddtas.plan.remote.kubeconfig import Access


def open_client(
    access: Access, refusal: Refusal, on_request: OnRequest, fence: Fence = lambda: None
) -> tuple[Client, Gate]:
    """A client that has not connected yet, and its connections, which are to be closed after it.

    Args:
        access: what the kubeconfig says.
        refusal: why an address must not be connected to; None where it may.
        on_request: told of each request.
        fence: raises Fenced when this replica must not write any more.

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
    configuration.client_session_kwargs = gate.session()
    return Client(ApiClient(configuration=configuration), on_request, CITY, fence), gate


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
