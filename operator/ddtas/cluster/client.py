"""Plain JSON requests to one API server, over the `kubernetes` package's asyncio client.

The package brings configuration, authentication and connections; its typed models are left aside, because the
operator keeps only a few fields of each object, and must send exactly the fields that it owns.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from ddtas import __version__
from ddtas.cluster.resources import ResourceType
from ddtas.errors import ClusterError, Conflict, NotFound
from ddtas.names import FIELD_MANAGER

JsonObject = dict[str, Any]
OnRequest = Callable[[str, str, int], None]

_TIMEOUT_SECONDS = 60.0
# Watches hold their connections, so the limit is on requests, not on the pool.
_CONCURRENT_REQUESTS = 32
# A request that is not answered for longer makes room: one city's webhook that hangs must not hold up all others, nor
# the Lease. How many there can be is bounded by the work queue.
_PATIENCE_SECONDS = 2.0
PAGE_SIZE = 100  # objects in one answer to a list
_MAX_LINE_BYTES = 8 * 1024 * 1024


class Client:
    """One API server."""

    def __init__(
        self,
        api: ApiClient,
        on_request: OnRequest = lambda verb, kind, status: None,
        timeout_seconds: float = _TIMEOUT_SECONDS,
        max_bytes: int | None = None,
    ) -> None:
        """Make a client of a configured connection.

        Args:
            api: the connection.
            on_request: told of each request: verb, kind, HTTP status.
            timeout_seconds: for one request, watches aside.
            max_bytes: of one answer; None trusts the server.
        """
        self.api = api
        self._on_request = on_request
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._max_bytes = max_bytes
        self._slots = asyncio.Semaphore(_CONCURRENT_REQUESTS)
        api.user_agent = f"ddtas-operator/{__version__}"

    @classmethod
    async def connect(cls, on_request: OnRequest = lambda verb, kind, status: None) -> Self:
        """Use the pod's service account, or else the kubeconfig (`KUBECONFIG`, `~/.kube/config`)."""
        configuration = Configuration()
        configuration.connection_pool_maxsize = 0  # no limit: see _CONCURRENT_REQUESTS
        if "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
            config.load_incluster_config(client_configuration=configuration)
        else:
            await config.load_kube_config(client_configuration=configuration)
        return cls(ApiClient(configuration=configuration), on_request)

    @property
    def host(self) -> str:
        """Host name or address of the API server."""
        return urlsplit(self.api.configuration.host).hostname or ""

    async def close(self) -> None:
        """Close all connections."""
        await self.api.close()

    async def version(self) -> str:
        """The API server's version, such as "1.36"."""
        answer = await self._json("get", ResourceType("Version", "", "version"), "/version")
        return f"{answer['major']}.{answer['minor']}"

    async def get(self, resource: ResourceType, namespace: str | None, name: str) -> JsonObject:
        """One object.

        Raises:
            NotFound: there is none.
        """
        return await self._json("get", resource, resource.path(namespace, name))

    async def list(
        self, resource: ResourceType, namespace: str | None, selector: str = "", limit: int = 0, token: str = ""
    ) -> JsonObject:
        """All objects of a kind (in a namespace, or everywhere), as they are now; or a page of them."""
        query = {"labelSelector": selector} if selector else {}
        query |= {"limit": str(limit)} if limit else {}
        query |= {"continue": token} if token else {}
        return await self._json("list", resource, resource.path(namespace), query)

    async def pages(
        self, resource: ResourceType, namespace: str | None, selector: str = ""
    ) -> AsyncGenerator[JsonObject, None]:
        """All objects of a kind (in a namespace, or everywhere), as they were at one moment: a hundred at a time.

        Parsed, an object takes many times the memory of what is kept of it. A server that is not trusted could go on
        for ever, so it has to answer at once, within its bound.

        Raises:
            ClusterError: the API server did not answer, or has forgotten that moment (410).
        """
        trusted, token = self._max_bytes is None, ""
        while True:
            page = await self.list(resource, namespace, selector, PAGE_SIZE if trusted else 0, token)
            token = page["metadata"].get("continue", "")
            yield page
            if not trusted or not token:
                return

    async def apply(
        self, resource: ResourceType, manifest: Mapping[str, Any], *, force: bool, subresource: str | None = None
    ) -> JsonObject:
        """Server-side apply.

        Raises:
            Conflict: another field manager owns a field, and `force` is false; or the manifest's uid or
                resourceVersion is not that of the object.
        """
        metadata = manifest["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"], subresource)
        query = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"}
        return await self._json("apply", resource, path, query, manifest, "PATCH", "application/apply-patch+yaml")

    async def create(self, resource: ResourceType, manifest: Mapping[str, Any]) -> JsonObject:
        """Create an object.

        Raises:
            Conflict: there is one with that name.
        """
        path = resource.path(manifest["metadata"].get("namespace"))
        return await self._json("create", resource, path, {"fieldManager": FIELD_MANAGER}, manifest, "POST")

    async def replace(self, resource: ResourceType, manifest: Mapping[str, Any]) -> JsonObject:
        """Replace an object.

        Raises:
            Conflict: it changed since it was read.
        """
        metadata = manifest["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"])
        return await self._json("update", resource, path, {"fieldManager": FIELD_MANAGER}, manifest, "PUT")

    async def delete(
        self, resource: ResourceType, namespace: str, name: str, uid: str, version: str | None = None
    ) -> None:
        """Delete an object and, in the background, what it owns. One that is gone, or is another one, is left alone."""
        preconditions = {"uid": uid} | ({"resourceVersion": version} if version is not None else {})
        options = {"propagationPolicy": "Background", "preconditions": preconditions}
        try:
            await self._json("delete", resource, resource.path(namespace, name), {}, options, "DELETE")
        except (NotFound, Conflict):
            return

    async def watch(
        self, resource: ResourceType, namespace: str | None, selector: str, resource_version: str
    ) -> AsyncGenerator[JsonObject, None]:
        """The events of a watch, until the server ends it.

        Raises:
            ClusterError: the watch was refused (410: the version is too old, list again).
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": "300",
        } | ({"labelSelector": selector} if selector else {})
        # The server ends the watch after timeoutSeconds; a connection that died shows by the socket's silence.
        timeout = aiohttp.ClientTimeout(total=360, sock_connect=20)
        response = await self._send("watch", resource, resource.path(namespace), query, None, "GET", "", timeout)
        try:
            buffer = b""
            async for chunk in response.content.iter_any():
                *lines, buffer = (buffer + chunk).split(b"\n")
                if len(buffer) > _MAX_LINE_BYTES:
                    raise ClusterError(0, f"the API server sent an event of over {_MAX_LINE_BYTES} bytes")
                for line in lines:
                    yield json.loads(line)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ClusterError(0, f"watch {resource.kind}: broken off ({type(error).__name__})") from None
        finally:
            response.close()

    @contextlib.asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """One of the requests under way; one that waits for its answer for long no longer counts among them."""
        await self._slots.acquire()
        held = [self._slots]

        def release() -> None:
            if held:
                held.pop().release()

        patience = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, release)
        try:
            yield
        finally:
            patience.cancel()
            release()

    async def _json(
        self,
        verb: str,
        resource: ResourceType,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        method: str = "GET",
        content_type: str = "application/json",
    ) -> JsonObject:
        async with self._slot():
            response = await self._send(verb, resource, path, query or {}, body, method, content_type, self._timeout)
            async with response:
                try:
                    answer: JsonObject = json.loads(await self._read(response))
                except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
                    raise ClusterError(0, f"{verb} {resource.kind}: {type(error).__name__}") from None
        return answer

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        if self._max_bytes is None:
            return await response.read()
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._max_bytes:
                response.close()
                raise ClusterError(0, f"the API server sent an answer of over {self._max_bytes} bytes")
        return bytes(body)

    async def _send(
        self,
        verb: str,
        resource: ResourceType,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None,
        method: str,
        content_type: str,
        limit: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json"} | ({"Content-Type": content_type} if content_type else {})
        prepared = await self.api.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer = await self.api.call_api(*prepared, _request_timeout=limit)
        except (aiohttp.ClientError, TimeoutError) as error:
            self._on_request(verb, resource.kind, 0)
            raise ClusterError(0, f"{verb} {resource.kind}: no answer from the API server ({error})"[:500]) from None
        response: aiohttp.ClientResponse = answer.response
        self._on_request(verb, resource.kind, response.status)
        if response.status >= 400:
            raise await _error(response)
        return response


async def _error(response: aiohttp.ClientResponse) -> ClusterError:
    async with response:
        try:
            message = str(json.loads(await response.read())["message"])
        except (ValueError, KeyError, TypeError, aiohttp.ClientError, TimeoutError):
            message = response.reason or "no message"
    kinds: dict[int, type[ClusterError]] = {404: NotFound, 409: Conflict}
    return kinds.get(response.status, ClusterError)(response.status, message)
