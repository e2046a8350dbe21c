"""Credentials that can be told from anything else, and a search for them wherever the operator writes."""

import base64
import json
import secrets
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

from cluster_city import City
from cluster_kit import KINDS, JsonObject
from cluster_operator import Operator

from ddtas.cluster.rest.resources import CHILDREN, EVENT


@dataclass(frozen=True)
class Canary:
    """A secret value of one credential."""

    what: str
    value: str

    @classmethod
    def of(cls, what: str) -> "Canary":
        """A new one; letters and digits only, so that it passes for a name wherever names are taken."""
        return cls(what, f"Canary{secrets.token_hex(8)}")

    @property
    def forms(self) -> frozenset[str]:
        """What it may look like: itself, in JSON, in a URL, in base64 at each of the three places it may begin."""
        raw = self.value.encode()
        found = {self.value, json.dumps(self.value)[1:-1], quote(self.value, safe=""), quote_plus(self.value)}
        found |= {raw.hex(), self.value[::-1]}
        for before in range(3):
            encoded = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
            inner = encoded[-(-before * 8 // 6) : -1]  # without the digits that its neighbours have a part in
            found |= {inner, inner.translate(str.maketrans("+/", "-_"))}
        return frozenset(found)

    def found_in(self, text: str) -> bool:
        """Whether one of them is in a text."""
        return any(form in text for form in self.forms)


def leaks(canaries: Iterable[Canary], places: Iterable[tuple[str, str]]) -> list[str]:
    """Where which of them is: "the password of basic in the log"."""
    known = list(canaries)
    return [f"{canary.what} in {place}" for place, text in places for canary in known if canary.found_in(text)]


def written(city: City, operator: Operator) -> Iterator[tuple[str, str]]:
    """All that the operator writes: place and text. Of a Secret all but its data, which are there for credentials."""
    yield "the log", operator.output
    yield "the metrics", operator.get("/metrics")[1]
    for path in ("/healthz", "/readyz"):
        yield path, operator.get(path)[1]
    kinds = (*CHILDREN, EVENT, KINDS["MunicipalityPlatform"], KINDS["Installation"])
    for resource in kinds:
        for body in city.cluster.all(resource, city.namespace):
            yield f"{resource.kind} {body['metadata']['name']}", json.dumps(_but_data(resource.kind, body))
    yield "AppListing", json.dumps(city.cluster.get(KINDS["AppListing"], None, city.app))
    for body in city.cluster.all(EVENT, "default"):
        if body["involvedObject"].get("name") == city.app:
            yield "Event of the AppListing", json.dumps(body)


def _but_data(kind: str, body: JsonObject) -> JsonObject:
    return {key: value for key, value in body.items() if kind != "Secret" or key not in ("data", "stringData")}


class Processes:
    """What `ps` would show of the operator and of all that it starts, at any moment while the context is open."""

    def __init__(self, operator: Operator) -> None:
        self._root = operator.pid
        self._ended = threading.Event()
        self._seen: set[tuple[str, str]] = set()

    def __enter__(self) -> "Processes":
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watcher.join()

    def seen(self) -> Iterator[tuple[str, str]]:
        """Arguments, environments and open files' names: place and text."""
        assert self._seen, "no process was seen"
        yield from self._seen

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            for folder in self._family():
                for part in ("cmdline", "environ", "comm"):
                    try:
                        self._seen.add((f"{part} of a process", (folder / part).read_bytes().decode(errors="replace")))
                    except OSError:  # it has ended
                        continue

    def _family(self) -> Iterator[Path]:
        todo = [self._root]
        while todo:
            folder = Path(f"/proc/{todo.pop()}")
            yield folder
            try:
                for task in (folder / "task").iterdir():
                    todo += [int(child) for child in (task / "children").read_text().split()]
            except OSError:
                continue
