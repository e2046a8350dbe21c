"""Keeps up with all objects of one kind, or those that carry a label: list, then watch, and again.

The `kubernetes` package has an informer, but a thread each, with the whole objects as typed models; kopf's watch ends
the process when it hears what it does not expect. This one hands each object over and keeps only (namespace, name) →
resourceVersion: what it needs to tell, after a new list, which objects went away while the watch was down.

Nothing that is answered ends it. What cannot be read of a stream is followed by a new list, after a pause; an object
that cannot be taken in is that object's trouble, and its neighbours are taken in.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from ddtas import metrics
from ddtas.backoff import backoff
from ddtas.cluster.rest import answers
from ddtas.cluster.rest.client import Client
from ddtas.cluster.rest.resources import ResourceType
from ddtas.errors import ClusterError, Garbled, NotFound, TooLarge

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]
_GONE = 410
_LIST_AFTER = 4  # failures in a row
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.25, 15.0
# A watch that ends sooner is no watch: it must not be opened again and again without a pause.
_SHORT_SECONDS = 2.0
_HEALTHY_SECONDS = 10.0
# What lasts longer is told as not keeping up; a watch that is opened again is none.
_LAG_SECONDS = 20.0
# Told once for each object, of so many of them.
_MOST_TOLD = 100


class Informer:
    """One kind, one namespace (or all), one label selector."""

    def __init__(
        self,
        client: Client,
        resource: ResourceType,
        namespace: str | None,
        selector: str,
        on_object: Callable[[ResourceType, JsonObject], Awaitable[None] | None],
        on_gone: Callable[[ResourceType, str, str, str], None],
        held: Callable[[ResourceType, str | None], Iterable[tuple[str, str]]] = lambda resource, namespace: (),
    ) -> None:
        """Make an informer that is not running yet.

        Args:
            client: the cluster.
            resource: the kind.
            namespace: None for all.
            selector: label selector; "" for all objects.
            on_object: called with each object that is new or changed, oldest first; what it returns is awaited.
            on_gone: called with namespace and name of each object that is gone, and a version at which it was.
            held: namespaces and names of what is known of the kind in the namespace, by answers to own writes, too:
                what was made and went while a watch was down was never heard of.
        """
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._selector = selector
        self._on_object = on_object
        self._on_gone = on_gone
        self._held = held
        self._known: dict[tuple[str, str], str] = {}
        self._version = ""  # up to which all events were seen; none where a list is needed
        self._told: set[tuple[str, str]] = set()  # objects of which it was logged that they cannot be taken in
        self._failures = 0
        self._since = 0.0  # when the trouble began
        self.synced = asyncio.Event()
        self.trouble: ClusterError | None = None  # None while it keeps up

    @property
    def kind(self) -> str:
        """The kind's name."""
        return self._resource.kind

    @property
    def lag(self) -> str:
        """Why it does not keep up; "" while it does."""
        if self.trouble is None:
            return "" if self.synced.is_set() else f"{self._resource.plural}: the first list is under way"
        if self.synced.is_set() and asyncio.get_running_loop().time() - self._since < _LAG_SECONDS:
            return ""
        where = f" in namespace {self._namespace}" if self._namespace else ""
        if isinstance(self.trouble, NotFound):
            return f"{self._resource.plural}{where}: the API server has no such kind (is its CRD applied?)"
        return f"{self._resource.plural}{where}: {self.trouble}"

    async def run(self) -> None:
        """Run until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            started, trouble = clock(), None
            try:
                if not self._version:
                    self._version = await self._list()
                    self.synced.set()
                    self.trouble = None
                await self._watch()
            except ClusterError as error:
                trouble = error
            except Exception as error:
                log.exception("the informer of %s met what it does not expect", self._resource.kind)
                trouble = Garbled(0, type(error).__name__)
            lasted = clock() - started
            if lasted >= _HEALTHY_SECONDS:
                self._failures = 0
            if trouble is None:
                self.trouble = None
                if lasted >= _SHORT_SECONDS:
                    continue
            else:
                self._note(trouble)
            self._failures += 1
            await asyncio.sleep(self._pause(trouble))

    def _note(self, trouble: ClusterError) -> None:
        """Take in what is wrong, and what follows for what is known."""
        # Only a watch that broke off goes on where it was, and not for ever.
        if trouble.status in (_GONE, 404) or isinstance(trouble, Garbled | TooLarge) or self._failures >= _LIST_AFTER:
            self._version = ""
        if self.trouble is None:
            self._since = asyncio.get_running_loop().time()
        self.trouble = trouble
        metrics.INTERRUPTIONS.labels(self._resource.kind, str(trouble.status)).inc()
        if self._failures in (0, 5) or self._failures % 50 == 0:
            log.warning("watch of %s interrupted: %s", self._resource.kind, trouble)

    def _pause(self, trouble: ClusterError | None) -> float:
        """Seconds until the next attempt."""
        pause = backoff(self._failures, _FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS)
        asked = min(trouble.retry_after, _MAX_PAUSE_SECONDS) if trouble is not None else 0.0
        return max(asked, pause * random.uniform(0.7, 1.0))  # noqa: S311 - jitter

    async def _list(self) -> str:
        present, version = set(), ""
        pages = self._client.pages(self._resource, self._namespace, self._selector)
        async with contextlib.aclosing(pages):
            async for page in pages:
                version = str(page["metadata"]["resourceVersion"])
                for body in page["items"]:
                    key = await self._take(body)
                    if key is not None:
                        present.add(key)
                    await asyncio.sleep(0)  # a hundred large objects take long
        for key in {*self._known, *self._held(self._resource, self._namespace)} - present:
            self._gone(*key, version)
        return version

    async def _watch(self) -> None:
        events = self._client.watch(self._resource, self._namespace, self._selector, self._version)
        async with contextlib.aclosing(events):
            async for event in events:
                # Kept at once: after a watch that broke off, no event must be seen for a second time.
                self._version = await self._hear(event["type"], event["object"])
                self.trouble = None

    async def _hear(self, what: str, body: JsonObject) -> str:
        if what == "ERROR":
            code = body.get("code")
            status = code if isinstance(code, int) and 400 <= code < 600 else 0
            self._version = ""  # what it was about is not told, so what is there is looked at
            raise ClusterError(status, answers.message(body, "the watch ended"))
        metadata = body.get("metadata")
        version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
        if not isinstance(version, str) or not version or what not in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK"):
            raise Garbled(0, "an event is none of Kubernetes")
        if what == "DELETED":
            found = answers.identity(body)
            self._gone(found.namespace, found.name, version)
        elif what != "BOOKMARK":
            await self._take(body)
        return version

    async def _take(self, body: Any) -> tuple[str, str] | None:
        """Hand an object over; its key, or None where it has none."""
        try:
            found = answers.identity(body)
        except Garbled as error:
            self._cannot(("", ""), error)
            return None
        key = (found.namespace, found.name)
        if self._known.get(key) != found.version:
            self._known[key] = found.version
            try:
                under_way = self._on_object(self._resource, body)
                if under_way is not None:
                    await under_way
            except Exception as error:  # the one place where one object's fault is kept from the others
                self._cannot(key, error)
        return key

    def _gone(self, namespace: str, name: str, version: str) -> None:
        self._known.pop((namespace, name), None)
        try:
            self._on_gone(self._resource, namespace, name, version)
        except Exception as error:
            self._cannot((namespace, name), error)

    def _cannot(self, key: tuple[str, str], error: Exception) -> None:
        metrics.UNREADABLE.labels(self._resource.kind).inc()
        if key not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(key)
            trace = None if isinstance(error, ClusterError) else error
            log.error("%s %s/%s cannot be taken in: %s", self._resource.kind, *key, error, exc_info=trace)
