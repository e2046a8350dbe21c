"""Keeps up with all objects of one kind that carry a label: list, then watch, and again.

The `kubernetes` package has an informer, but a thread each, with the whole objects as typed models. This one hands
each object over and keeps only (namespace, name) → resourceVersion: what it needs to tell, after a new list, which
objects went away while the watch was down.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from ddtas.cluster.client import Client
from ddtas.cluster.resources import ResourceType
from ddtas.errors import ClusterError

log = logging.getLogger(__name__)

JsonObject = dict[str, Any]
_GONE = 410
_MAX_PAUSE_SECONDS = 30.0


class Informer:
    """One kind, one namespace (or all), one label selector."""

    def __init__(
        self,
        client: Client,
        resource: ResourceType,
        namespace: str | None,
        selector: str,
        on_object: Callable[[ResourceType, JsonObject], None],
        on_gone: Callable[[ResourceType, str, str], None],
    ) -> None:
        """Make an informer that is not running yet.

        Args:
            client: the cluster.
            resource: the kind.
            namespace: None for all.
            selector: label selector.
            on_object: called with each object that is new or changed, oldest first.
            on_gone: called with namespace and name of each object that is gone.
        """
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._selector = selector
        self._on_object = on_object
        self._on_gone = on_gone
        self._known: dict[tuple[str, str], str] = {}
        self._version = ""  # up to which all events were seen; none before the first list
        self.synced = asyncio.Event()
        self.trouble: ClusterError | None = None  # the last one, before it synced

    async def run(self) -> None:
        """Run until cancelled. Trouble with the API server is logged, and ends with it."""
        pause = 0.0
        while True:
            try:
                if not self._version:
                    self._version = await self._list()
                    self.synced.set()
                await self._watch()
                pause = 0.0
            except ClusterError as error:
                if error.status == _GONE:
                    self._version = ""
                    continue
                self.trouble = error
                pause = min(_MAX_PAUSE_SECONDS, max(1.0, pause * 2))
                log.warning("watch of %s interrupted: %s", self._resource.kind, error)
                await asyncio.sleep(pause)

    async def _list(self) -> str:
        present, version = set(), ""
        pages = self._client.pages(self._resource, self._namespace, self._selector)
        async with contextlib.aclosing(pages):
            async for page in pages:
                version = str(page["metadata"]["resourceVersion"])
                for body in page["items"]:
                    metadata = body["metadata"]
                    key = (metadata.get("namespace", ""), metadata["name"])
                    present.add(key)
                    if self._known.get(key) != metadata["resourceVersion"]:
                        self._known[key] = metadata["resourceVersion"]
                        self._on_object(self._resource, body)
        for namespace, name in self._known.keys() - present:
            del self._known[namespace, name]
            self._on_gone(self._resource, namespace, name)
        return version

    async def _watch(self) -> None:
        events = self._client.watch(self._resource, self._namespace, self._selector, self._version)
        async with contextlib.aclosing(events):
            async for event in events:
                # Kept at once: after a watch that broke off, no event must be seen for a second time.
                self._version = self._take(event["type"], event["object"])

    def _take(self, what: str, body: JsonObject) -> str:
        if what == "ERROR":
            raise ClusterError(int(body.get("code", 0)), str(body.get("message", "the watch ended")))
        metadata = body["metadata"]
        key = (metadata.get("namespace", ""), metadata.get("name", ""))
        if what == "DELETED":
            self._known.pop(key, None)
            self._on_gone(self._resource, *key)
        elif what != "BOOKMARK":
            self._known[key] = metadata["resourceVersion"]
            self._on_object(self._resource, body)
        return str(metadata["resourceVersion"])
