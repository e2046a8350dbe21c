"""Plain JSON requests to one API server, over the `kubernetes` package's asyncio client.

The package brings configuration, authentication and connections; its typed models are left aside, because the
operator keeps only a few fields of each object, and must send exactly the fields that it owns.

No answer is trusted, that of the own API server no more than that of a city's: each has a bound by what was asked for,
and its shape is checked. Whatever goes wrong is a ClusterError.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from ddtas import __version__
from ddtas.cluster.rest import answers
from ddtas.cluster.rest.bounds import HOME, Bounds, Pace
from ddtas.cluster.rest.resources import ResourceType
from ddtas.cluster.rest.transport import Gate, use_proxy
from ddtas.errors import ClusterError, Conflict, Garbled, NotFound, TooLarge, printable
from ddtas.names import FIELD_MANAGER

JsonObject = dict[str, Any]
OnRequest = Callable[[str, str, int], None]
Fence = Callable[[], None]

# Objects in one answer to a list: so many at first, and at most. Python gives little back of the memory that it has
# taken, and a parsed page takes many times its size: with 100 Installations in one, an operator began 13 MiB larger.
FIRST_PAGE, LARGEST_PAGE = 10, 100
_PAGE_AIM_BYTES = 64 * 1024
# A request that is not answered for longer makes room: one city's webhook that hangs must not hold up all others.
# How many there can be is bounded by the work queue.
_PATIENCE_SECONDS = 2.0
_MOST_RETRY_AFTER_SECONDS = 60.0
# Beyond the time that the API server was asked to end a watch after.
_WATCH_GRACE_SECONDS = 3.0
_READS = frozenset({"get", "list"})


class _Request(NamedTuple):
    verb: str
    resource: ResourceType
    path: str
    query: Mapping[str, str] = {}
    body: Mapping[str, Any] | Sequence[JsonObject] | None = None
    method: str = "GET"
    content_type: str = "application/json"


class Client:
    """One API server."""

    def __init__(
        self,
        api: ApiClient,
        on_request: OnRequest = lambda verb, kind, status: None,
        bounds: Bounds = HOME,
        fence: Fence = lambda: None,
        gate: Gate | None = None,
    ) -> None:
        """Make a client of a configured connection.

        Args:
            api: the connection.
            on_request: told of each request: verb, kind, HTTP status.
            bounds: of requests and answers.
            fence: raises Fenced when this replica must not write any more; asked right before each write.
            gate: the connections, where they are to be closed with the client.
        """
        self.api = api
        self.fence = fence
        self._on_request = on_request
        self._bounds = bounds
        self._gate = gate
        self._slots = asyncio.Semaphore(bounds.requests)
        self._pages = asyncio.Semaphore(bounds.pages)
        self._pace = Pace(bounds.events, bounds.burst)
        api.user_agent = f"ddtas-operator/{__version__}"

    @classmethod
    async def connect(cls, on_request: OnRequest = lambda verb, kind, status: None) -> Self:
        """Use the pod's service account, or else the kubeconfig (`KUBECONFIG`, `~/.kube/config`)."""
        configuration = Configuration()
        if "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ:
            config.load_incluster_config(client_configuration=configuration)
        else:
            await config.load_kube_config(client_configuration=configuration)
        configuration.retries = None
        use_proxy(configuration)
        api = ApiClient(configuration=configuration)
        gate = Gate(lambda address: None, api.rest_client.ssl_context)
        api.rest_client.configuration.client_session_kwargs = gate.session()
        return cls(api, on_request, gate=gate)

    def bounded(self, bounds: Bounds) -> "Client":
        """The same connection with other bounds, and no fence."""
        return Client(self.api, self._on_request, bounds)

    @property
    def host(self) -> str:
        """Host name or address of the API server."""
        return urlsplit(self.api.configuration.host).hostname or ""

    async def close(self) -> None:
        """Close all connections."""
        await self.api.close()
        if self._gate is not None:
            await self._gate.connector.close()

    async def version(self) -> str:
        """The API server's version, such as "1.36"."""
        request = _Request("get", ResourceType("Version", "", "version"), "/version")
        answer = answers.mapping(await self._answer(request, answers.VERSION_BYTES), "the version")
        major, minor = answer.get("major"), answer.get("minor")
        if not isinstance(major, str) or not isinstance(minor, str):
            raise Garbled(0, "the version has no numbers")
        return f"{major}.{minor}"[:100]

    async def get(self, resource: ResourceType, namespace: str | None, name: str) -> JsonObject:
        """One object.

        Raises:
            NotFound: there is none.
        """
        return await self._object(_Request("get", resource, resource.path(namespace, name)), name)

    async def pages(
        self, resource: ResourceType, namespace: str | None, selector: str = ""
    ) -> AsyncGenerator[JsonObject, None]:
        """All objects of a kind (in a namespace, or everywhere), as they were at one moment: some 64 KiB at a time.

        Parsed, an object takes many times the memory of what is kept of it. What is in `items` may be anything
        (`answers.identity`); an object with too many values has FAULT.

        Raises:
            ClusterError: the API server did not answer, or has forgotten that moment (410).
            TooLarge: there are more objects than the bounds allow, or one that is larger.
        """
        token, size, count = "", FIRST_PAGE, 0
        most = self._bounds.objects
        while True:
            query = {"labelSelector": selector} if selector else {}
            query |= {"limit": str(size)} | ({"continue": token} if token else {})
            request = _Request("list", resource, resource.path(namespace), query)
            single = size == 1
            async with self._pages:
                try:
                    raw = await self._raw(request, self._bounds.object_bytes if single else answers.PAGE_BYTES)
                    page = answers.mapping(await answers.parse(raw, outline=single), "a list")
                except TooLarge:
                    if single:
                        raise
                    size = max(1, size // 4)
                    continue
                metadata = answers.mapping(page.get("metadata"), "a list's metadata")
                token = metadata.get("continue") or ""
                if not isinstance(token, str) or not isinstance(metadata.get("resourceVersion"), str):
                    raise Garbled(0, "a list has no resourceVersion that is one")
                page["items"] = answers.items(page)
                # An empty page counts as well: there must not be any number of them.
                count += max(1, len(page["items"]))
                if most is not None and count > most:
                    raise TooLarge(0, f"there are more than {most} {resource.plural}")
                yield page
                if not token:
                    return
                length = len(raw)
            if length < _PAGE_AIM_BYTES // 2:
                size = min(LARGEST_PAGE, size * 2)
            elif length > _PAGE_AIM_BYTES:
                size = max(1, size // 2)

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
        request = _Request("apply", resource, path, query, manifest, "PATCH", "application/apply-patch+yaml")
        return await self._object(request, metadata["name"])

    async def create(self, resource: ResourceType, manifest: Mapping[str, Any]) -> JsonObject:
        """Create an object.

        Raises:
            Conflict: there is one with that name.
        """
        metadata = manifest["metadata"]
        path = resource.path(metadata.get("namespace"))
        request = _Request("create", resource, path, {"fieldManager": FIELD_MANAGER}, manifest, "POST")
        return await self._object(request, metadata["name"])

    async def replace(self, resource: ResourceType, manifest: Mapping[str, Any]) -> JsonObject:
        """Replace an object.

        Raises:
            Conflict: it changed since it was read.
        """
        metadata = manifest["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"])
        request = _Request("update", resource, path, {"fieldManager": FIELD_MANAGER}, manifest, "PUT")
        return await self._object(request, metadata["name"])

    async def overwrite_status(
        self, resource: ResourceType, metadata: Mapping[str, Any], status: JsonObject
    ) -> JsonObject:
        """Replace the whole status of an object, whoever wrote what into it.

        Raises:
            Conflict: it changed since it was read.
        """
        path = resource.path(metadata.get("namespace"), metadata["name"], "status")
        patch: list[JsonObject] = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
            {"op": "add", "path": "/status", "value": status},
        ]
        query = {"fieldManager": FIELD_MANAGER}
        request = _Request("patch", resource, path, query, patch, "PATCH", "application/json-patch+json")
        return await self._object(request, metadata["name"])

    async def delete(
        self, resource: ResourceType, namespace: str, name: str, uid: str, version: str | None = None
    ) -> None:
        """Delete an object and, in the background, what it owns. One that is gone, or is another one, is left alone."""
        preconditions = {"uid": uid} | ({"resourceVersion": version} if version is not None else {})
        options = {"propagationPolicy": "Background", "preconditions": preconditions}
        path = resource.path(namespace, name)
        try:
            await self._raw(_Request("delete", resource, path, {}, options, "DELETE"), self._bounds.object_bytes)
        except (NotFound, Conflict):
            return

    async def watch(
        self, resource: ResourceType, namespace: str | None, selector: str, resource_version: str
    ) -> AsyncGenerator[JsonObject, None]:
        """The events of a watch, until the server ends it; of each, `object` is a JSON object and `type` a text.

        Raises:
            ClusterError: the watch was refused (410: the version is too old, list again), or broke off.
            Garbled: what came is no event.
        """
        seconds = self._bounds.watch_seconds
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
        } | ({"labelSelector": selector} if selector else {})
        request = _Request("watch", resource, resource.path(namespace), query)
        limit = aiohttp.ClientTimeout(total=seconds + _WATCH_GRACE_SECONDS, sock_connect=self._bounds.read_seconds)
        async with self._response(request, limit) as response:
            async for line in self._lines(request, response):
                event = answers.mapping(await answers.parse(line), "an event")
                if not isinstance(event.get("type"), str):
                    raise Garbled(0, "an event has no type")
                answers.mapping(event.get("object"), "the object of an event")
                yield event

    async def _lines(self, request: _Request, response: aiohttp.ClientResponse) -> AsyncIterator[bytearray]:
        buffer, searched = bytearray(), 0
        with _told(request):
            async for chunk in response.content.iter_any():
                buffer += chunk
                while (end := buffer.find(b"\n", searched)) >= 0:
                    line, searched = buffer[:end], 0
                    del buffer[: end + 1]
                    await self._pace.take()
                    if line.strip():
                        yield line
                searched = len(buffer)
                if searched > self._bounds.object_bytes:
                    raise TooLarge(0, f"watch {request.resource.kind}: an event has over {searched} bytes")
            if buffer.strip():
                raise ClusterError(0, f"watch {request.resource.kind}: broken off in the middle of an event")

    @asynccontextmanager
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

    async def _object(self, request: _Request, name: str) -> JsonObject:
        body: JsonObject = await self._answer(request, self._bounds.object_bytes)
        if answers.identity(body).name != name:
            raise Garbled(0, f"{request.verb} {request.resource.kind} {name}: the answer is another object")
        return body

    async def _answer(self, request: _Request, most_bytes: int) -> Any:
        return await answers.parse(await self._raw(request, most_bytes))

    async def _raw(self, request: _Request, most_bytes: int) -> bytearray:
        seconds = self._bounds.read_seconds if request.verb in _READS else self._bounds.write_seconds
        async with (
            self._slot(),
            self._response(request, aiohttp.ClientTimeout(total=seconds)) as response,
        ):
            with _told(request):
                body, whole = await _read(response, most_bytes)
        if not whole:
            text = f"{request.verb} {request.resource.kind}: the API server's answer has over {most_bytes} bytes"
            raise TooLarge(0, text)
        return body

    @asynccontextmanager
    async def _response(self, request: _Request, limit: aiohttp.ClientTimeout) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, with its body to be read; closed in the end, if that was not read to its end."""
        verb, resource, path, query, body, method, content_type = request
        with _told(request, lambda: self._on_request(verb, resource.kind, 0)):
            prepared = await self.api.param_serialize(
                method,
                path,
                query_params=list(query.items()),
                header_params={"Accept": "application/json", "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
            )
            if method != "GET":
                self.fence()
            # The limit of a watch is for its events: its head must come as soon as that of any other answer.
            async with asyncio.timeout(self._bounds.read_seconds):
                answer = await self.api.call_api(*prepared, _request_timeout=limit)
        response: aiohttp.ClientResponse = answer.response
        self._on_request(verb, resource.kind, response.status)
        async with response:
            if response.status >= 400:
                raise await _error(request, response)
            try:
                yield response
            finally:
                if not response.content.is_eof():
                    response.close()


@contextmanager
def _told(request: _Request, on_none: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Whatever happens between here and the API server is a ClusterError."""
    try:
        yield
    except ClusterError:
        raise
    except Exception as error:  # aiohttp, its parsers, TLS, credentials: no list of them is complete
        on_none()
        said = f" ({error})" if str(error) else ""
        text = f"{request.verb} {request.resource.kind}: no answer from the API server: {type(error).__name__}{said}"
        raise ClusterError(0, printable(text, 500)) from None


async def _read(response: aiohttp.ClientResponse, most_bytes: int) -> tuple[bytearray, bool]:
    """The body, and whether that is all of it."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most_bytes:
            return body, False
        await asyncio.sleep(0)
    return body, True


async def _error(request: _Request, response: aiohttp.ClientResponse) -> ClusterError:
    said, status = None, response.status
    try:
        with _told(request):
            body, whole = await _read(response, answers.ERROR_BYTES)
        said = await answers.parse(body) if whole else None
    except ClusterError:
        pass  # the status says enough
    text = answers.message(said, response.reason or "no message")
    kinds: dict[int, type[ClusterError]] = {404: NotFound, 409: Conflict}
    return kinds.get(status, ClusterError)(status, text, _retry_after(response.headers.get("Retry-After", "")))


def _retry_after(text: str) -> float:
    seconds = float(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0
    return min(_MOST_RETRY_AFTER_SECONDS, seconds)
