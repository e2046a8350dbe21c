"""Reads the entities of one type, page by page, as records.

The endpoint is the base of the API (…/ngsi-ld/v1), the physical name an entity type: a full URI, or a short name as the
broker's own @context expands it. A broker keeps the newest value of each attribute, so a record is an entity as it is
now.
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ddtas.data.facts.axis import iso, timestamp
from ddtas.data.facts.records import NAME
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import answers, http
from ddtas.errors import SourceError, printable

_SIZES = (100, 10)  # entities a page; fewer when that many are too long a document
_SHOWN = 5
_COUNT = re.compile(r"[0-9]{1,15}")
_DEFAULT_VOCABULARY = "https://uri.etsi.org/ngsi-ld/default-context/"
_ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
OBSERVED_AT = "observedAt"
LOCATION = "location"
# Members of an entity that are no attributes, and of each type of attribute the one with its value (clauses 4.5, 5.2).
_NOT_ATTRIBUTES = frozenset({"id", "type", "@context", "scope", "createdAt", "modifiedAt", "deletedAt", "expiresAt"})
_VALUES = {
    "Property": "value",
    "Relationship": "object",
    "LanguageProperty": "languageMap",
    "JsonProperty": "json",
    "VocabProperty": "vocab",
    "ListProperty": "valueList",
    "ListRelationship": "objectList",
}
_GEO_PROPERTY = "GeoProperty"


@dataclass
class Entity:
    """An entity as a record.

    Attributes:
        record: values of its attributes by their short names, and `observedAt`: when the newest of them was observed.
        codes: the unit code of each attribute, None where it has none; hostile.
        observed: the attributes whose time is known; all others are as they are, at any time.
        location: GeoJSON geometry, not checked; None where it has none.
        id: its URI; None where it has none.
    """

    record: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, Any] = field(default_factory=dict)
    observed: set[str] = field(default_factory=set)
    location: Any = None
    id: str | None = None


@dataclass(frozen=True)
class Page:
    """Some entities; and how many there are, where the broker tells."""

    entities: list[Entity]
    count: int | None


class Broker:
    """The entities that the target of a session names."""

    def __init__(self, client: http.Client) -> None:
        """Ask nothing yet."""
        self._client = client
        self._session = client.session

    async def pages(self) -> AsyncIterator[Page]:
        """Pages, as they are asked for: whoever stops after a page sends no request for the next.

        Raises:
            SourceError: EntityNotFound where the broker has no entity of this type, and does not know it;
                TooManyRequests at the bound of the session.
        """
        seen = 0
        sizes: tuple[int, ...] = _SIZES
        while True:
            document, size = await self._query(seen, sizes)
            if not isinstance(document.value, list):
                raise _no_entities(self._session, document.value)
            count = _count(document)
            if not seen and not document.value and not count:
                await self._check_type()
            yield Page([_entity(self._session, one) for one in document.value], count)
            seen += len(document.value)
            sizes = (size,)
            if not document.value or seen == count or (count is None and len(document.value) < size):
                return

    async def _query(self, offset: int, sizes: tuple[int, ...]) -> tuple[answers.Document, int]:
        """The answer to a query (clause 6.4.3.2) for entities and, in a header, the number of all; how many at most."""
        for size in sizes:
            query = {"type": self._session.target.physical_name or "", "count": "true", "limit": str(size)}
            if offset:
                query["offset"] = str(offset)
            try:
                return await self._client.json("entities", query=query), size
            except answers.TooLongError:
                if size == sizes[-1]:
                    raise
            except answers.NotFoundError:
                raise self._session.error(
                    SourceReason.HTTP_ERROR,
                    "has no entities below it (HTTP 404): give the base of the NGSI-LD API as the endpoint, which ends "
                    "in /ngsi-ld/v1",
                ) from None
        raise AssertionError  # the last size returns or raises

    async def _check_type(self) -> None:
        """There is no entity: a broker knows a type by its entities alone, unless it says otherwise (clause 6.25)."""
        wanted = self._session.target.physical_name or ""
        try:
            answer = (await self._client.json("types")).value
        except SourceError as error:
            if error.reason in (SourceReason.TOO_SLOW, SourceReason.TOO_MANY_REQUESTS):
                raise
            answer = None
        names = answer.get("typeList") if isinstance(answer, dict) else None
        # JSON-LD writes a list of one as the one.
        types = [name for name in (names if isinstance(names, list) else [names]) if isinstance(name, str)]
        if _expanded(wanted) in map(_expanded, types):
            return
        has = ", ".join(printable(name, 80) for name in types[:_SHOWN])
        more = ", …" if len(types) > _SHOWN else ""
        raise self._session.error(
            SourceReason.ENTITY_NOT_FOUND,
            f"has no entities of the type {printable(wanted, 80)}"
            + (f" (it has {has}{more})" if has else "")
            + ": correct physicalName, with the full URI of the type where the broker's own @context does not have it",
        )


def _count(answer: answers.Document) -> int | None:
    text = answer.headers.get("NGSILD-Results-Count", "").strip()
    return int(text) if _COUNT.fullmatch(text) else None


def _no_entities(session: Session, value: Any) -> SourceError:
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind.startswith(_ERRORS):
        return session.error(
            SourceReason.ERROR_REPORTED,
            f"reports the error {printable(kind.removeprefix(_ERRORS), 60)}: correct physicalName and the endpoint, or "
            "ask the data supplier",
        )
    return session.error(
        SourceReason.UNEXPECTED_CONTENT,
        "answers with JSON that is no list of entities: give the base of the NGSI-LD API as the endpoint, which ends "
        "in /ngsi-ld/v1",
    )


def _expanded(name: str) -> str:
    """The URI of a type under the core @context (clause 5.5.7)."""
    return name if ":" in name else _DEFAULT_VOCABULARY + name


def _entity(session: Session, value: Any) -> Entity:
    """An entity in the normalized form, as a record.

    Raises:
        SourceError: MalformedData where it is none.
    """
    if not isinstance(value, dict):
        raise _malformed(session, "a list that holds something else than entities")
    entity = Entity(id=value["id"] if isinstance(value.get("id"), str) else None)
    moments = []
    for name, instances in attributes(session, value):
        attribute = _default(instances)
        if name == LOCATION and attribute["type"] == _GEO_PROPERTY:
            entity.location = attribute.get("value")
            entity.observed |= {LOCATION} if OBSERVED_AT in attribute else set()
            continue
        entity.record[name] = value_of(attribute)
        entity.codes[name] = attribute.get("unitCode")
        observed = attribute.get(OBSERVED_AT)
        if isinstance(observed, str) and (moment := timestamp(observed)):
            moments.append(moment)
            entity.observed.add(name)
    if moments and (newest := iso(max(moments))):
        entity.record.setdefault(OBSERVED_AT, newest)
    return entity


def attributes(session: Session, entity: Mapping[str, Any]) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """The attributes of an entity in the normalized form that have a value a table can have, by their short names, and
    the location; each with its instances, of which there is at least one.

    Raises:
        SourceError: MalformedData where they are in another form.
    """
    names: set[str] = set()
    for uri, found in entity.items():
        if uri in _NOT_ATTRIBUTES:
            continue
        instances = found if isinstance(found, list) else [found]
        kinds = [one.get("type") if isinstance(one, dict) else None for one in instances]
        if not kinds or not all(isinstance(kind, str) for kind in kinds):
            raise _malformed(session, "entities whose attributes are not in the normalized form")
        # Attributes that the broker's @context does not have come with their URIs.
        name = re.split("[/#]", uri)[-1]
        if uri == LOCATION and kinds[0] == _GEO_PROPERTY:
            yield LOCATION, instances
        elif kinds[0] in _VALUES and name not in names and NAME.fullmatch(name):
            names.add(name)
            yield name, instances


def value_of(instance: Mapping[str, Any]) -> Any:
    """The value of an instance of an attribute: of a JSON-LD value with a type, such as a DateTime, the value alone; no
    NGSI-LD null."""
    value = instance.get(_VALUES.get(str(instance.get("type")), "value"))
    if isinstance(value, Mapping) and "@value" in value:
        value = value["@value"]
    return None if value == "urn:ngsi-ld:null" else value


def default_instances(instances: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those without a datasetId, else those of the first (clause 4.5.5)."""
    first = None if any("datasetId" not in one for one in instances) else instances[0].get("datasetId")
    return [one for one in instances if one.get("datasetId") == first]


def _default(instances: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    return default_instances(instances)[0]


def _malformed(session: Session, what: str) -> SourceError:
    return session.error(SourceReason.MALFORMED_DATA, f"answers with {what}: ask the data supplier")
