"""What happened in a namespace, without gaps: the watches of the API server, whose order nobody can argue with.

A look now and then would miss what was wrong in between, and two looks at two kinds are not of one moment. All kinds of
one API server share one counter, the resourceVersion; so what it brings can be put in the order in which it was.
"""

import contextlib
import json
import threading
from dataclasses import dataclass
from typing import Any

from cluster_kit import KINDS, ApiServer, JsonObject, listed
from urllib3.exceptions import HTTPError

from ddtas import names
from ddtas.cluster.rest.resources import CHILDREN, ResourceType

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"


@dataclass(frozen=True)
class Event:
    """One change of one object."""

    at: int
    type: str
    kind: str
    body: JsonObject

    @property
    def name(self) -> str:
        """Of the object."""
        return str(self.body["metadata"]["name"])

    @property
    def labels(self) -> dict[str, str]:
        """Of the object."""
        found: dict[str, str] = self.body["metadata"].get("labels", {})
        return found

    @property
    def leaves(self) -> bool:
        """Whether the object is gone, or on its way."""
        return self.type == DELETED or "deletionTimestamp" in self.body["metadata"]


class Witness:
    """Sees all children in a namespace and, at home, its Installations; from now until it is dismissed."""

    def __init__(self, cluster: ApiServer, namespace: str, *, at_home: bool = True) -> None:
        """Begin to watch.

        Args:
            cluster: the API server.
            namespace: where nothing of ours is yet.
            at_home: whether Installations are there. It is said and not tried: an answer that is refused for a moment
                would be no sign that there are none, and whoever sees none finds nothing wrong with them.
        """
        self._cluster, self._namespace = cluster, namespace
        self._seen: list[Event] = []
        self._done = False
        self._broken: Exception | None = None
        self._answers: dict[str, Any] = {}
        for resource in (*CHILDREN, *((KINDS["Installation"],) if at_home else ())):
            there = listed(cluster, resource, namespace)
            assert [o for o in there["items"] if names.LABEL_INSTALLATION in o["metadata"].get("labels", {})] == []
            arguments = (resource, there["metadata"]["resourceVersion"])
            threading.Thread(target=self._watch, args=arguments, daemon=True).start()

    def seen(self) -> list[Event]:
        """All events until now, in their order. Those of the last moment may still be on their way."""
        assert self._broken is None, f"a watch broke: {self._broken!r}"
        return sorted(self._seen, key=lambda event: event.at)

    def dismiss(self) -> None:
        """End the watches."""
        self._done = True
        for answer in list(self._answers.values()):
            answer.shutdown()

    def _watch(self, resource: ResourceType, since: str) -> None:
        while not self._done:
            query = f"watch=true&resourceVersion={since}&timeoutSeconds=3600"
            try:
                answer = self._cluster.stream(f"{resource.path(self._namespace)}?{query}")
                self._answers[resource.kind] = answer
                since = self._read(resource.kind, answer, since)
            except Exception as error:
                self._broken = error
                return

    def _read(self, kind: str, answer: Any, since: str) -> str:
        buffer = b""
        with contextlib.suppress(HTTPError):  # that is how it ends; it goes on from there
            for chunk in answer.stream(65536):
                *lines, buffer = (buffer + chunk).split(b"\n")
                for event in map(json.loads, filter(None, lines)):
                    assert event["type"] in (ADDED, MODIFIED, DELETED), event
                    since = event["object"]["metadata"]["resourceVersion"]
                    self._seen.append(Event(int(since), event["type"], kind, event["object"]))
        return since
