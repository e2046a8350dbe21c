"""NGSI-LD: ETSI GS CIM 009. The endpoint is the base of the API (…/ngsi-ld/v1), the physical name an entity type.

A type may be a full URI, or a short name as the broker's own @context expands it. A broker keeps the newest value of
each attribute, so a record is an entity as it is now.
"""

import re
from collections.abc import Mapping
from typing import Any

from ddtas.data.facts import geo, unece
from ddtas.data.facts.axis import iso, timestamp
from ddtas.data.facts.records import NAME, Records
from ddtas.data.measured import SourceFacts
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import answers, http
from ddtas.errors import SourceError, printable

_SAMPLES = (100, 10)  # entities that are asked for; fewer when that many are too long a document
_SHOWN = 5
_COUNT = re.compile(r"[0-9]{1,15}")
_DEFAULT_VOCABULARY = "https://uri.etsi.org/ngsi-ld/default-context/"
_ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
_OBSERVED_AT = "observedAt"
_LOCATION = "location"
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


async def probe(session: Session) -> SourceFacts:
    """Probe the entities of one type: their number, and the attributes, units, times and places of a sample.

    Raises:
        SourceError: with a Reason.
    """
    async with http.client(session) as client:
        answer = await _entities(session, client)
        found, count = answer.value, _count(answer)
        if not isinstance(found, list):
            raise _no_entities(session, found)
        if not found and not count:
            await _check_type(session, client)
    return session.facts(_facts(session, found, count))


async def _entities(session: Session, client: http.Client) -> answers.Document:
    """The answer to a query (clause 6.4.3.2) for the first entities and, in a header, the number of all."""
    for limit in _SAMPLES:
        query = {"type": session.target.physical_name or "", "count": "true", "limit": str(limit)}
        try:
            return await client.json("entities", query=query)
        except answers.TooLongError:
            if limit == _SAMPLES[-1]:
                raise
        except answers.NotFoundError:
            raise session.error(
                SourceReason.HTTP_ERROR,
                "has no entities below it (HTTP 404): give the base of the NGSI-LD API as the endpoint, which ends in "
                "/ngsi-ld/v1",
            ) from None
    raise AssertionError  # the last sample returns or raises


def _count(answer: answers.Document) -> int | None:
    text = answer.headers.get("NGSILD-Results-Count", "").strip()
    return int(text) if _COUNT.fullmatch(text) else None


def _no_entities(session: Session, found: Any) -> SourceError:
    kind = found.get("type") if isinstance(found, dict) else None
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


async def _check_type(session: Session, client: http.Client) -> None:
    """There is no entity: a broker knows a type by its entities alone, unless it says otherwise (clause 6.25)."""
    wanted = session.target.physical_name or ""
    try:
        listed = (await client.json("types")).value
    except SourceError as error:
        if error.reason in (SourceReason.TOO_SLOW, SourceReason.TOO_MANY_REQUESTS):
            raise
        listed = None
    names = listed.get("typeList") if isinstance(listed, dict) else None
    # JSON-LD writes a list of one as the one.
    types = [name for name in (names if isinstance(names, list) else [names]) if isinstance(name, str)]
    if _expanded(wanted) in map(_expanded, types):
        return
    has = ", ".join(printable(name, 80) for name in types[:_SHOWN])
    more = ", …" if len(types) > _SHOWN else ""
    raise session.error(
        SourceReason.ENTITY_NOT_FOUND,
        f"has no entities of the type {printable(wanted, 80)}"
        + (f" (it has {has}{more})" if has else "")
        + ": correct physicalName, with the full URI of the type where the broker's own @context does not have it",
    )


def _expanded(name: str) -> str:
    """The URI of a type under the core @context (clause 5.5.7)."""
    return name if ":" in name else _DEFAULT_VOCABULARY + name


def _facts(session: Session, found: list[Any], count: int | None) -> SourceFacts:
    records, places, units = Records(session.target.contract), geo.Geometries(), _Units()
    for entity in found:
        records.add(_record(session, entity, places, units))
    complete = count == len(found)
    if count is None:
        session.not_found("records", "the broker does not tell NGSILD-Results-Count")
    elif count < len(found):
        session.not_found("records", "the broker counts fewer entities than it gives")
        count = None
    part = f"{len(found)} of {count if count is not None else 'an unknown number of'} entities were read"
    facts = records.facts(complete=complete, units=units.found).model_copy(
        update={
            "records": count,
            # The step from one entity to the next says nothing about how often each is observed.
            "time_resolution": None,
            "geometry_type": places.type(),
            "crs": (geo.CRS84,) if places.types else (),
            "extent": places.extent(geo.CRS84) if complete else None,
        }
    )
    session.not_found("timeResolution", "a broker gives the newest value of an attribute alone")
    session.not_found("sizeBytes", "a broker does not tell how much data it has")
    no_place = "no location" if not places.types else None
    for fact, value, why in (
        ("geometryType", facts.geometry_type, no_place or "the geometries have no type in common"),
        ("crs", facts.crs, no_place),
        ("extent", facts.extent, no_place or (part if not complete else "a geometry is broken")),
        ("first", facts.first, part if not complete else "no attribute has a date or time"),
        ("last", facts.last, part if not complete else "no attribute has a date or time"),
    ):
        if not value and why:
            session.not_found(fact, why)
    return facts


def _record(session: Session, entity: Any, places: geo.Geometries, units: "_Units") -> dict[str, Any]:
    """The values of an entity's attributes by their short names, and when the newest of them was observed."""
    if not isinstance(entity, dict):
        raise _malformed(session, "a list that holds something else than entities")
    record: dict[str, Any] = {}
    moments = []
    for uri, instances in entity.items():
        if uri in _NOT_ATTRIBUTES:
            continue
        attribute = _default(instances)
        kind = attribute.get("type") if isinstance(attribute, dict) else None
        if not isinstance(attribute, dict) or not isinstance(kind, str):
            raise _malformed(session, "entities whose attributes are not in the normalized form")
        if kind == _GEO_PROPERTY:
            if uri == _LOCATION:
                places.add(attribute.get("value"))
            continue
        # Attributes that the broker's @context does not have come with their URIs.
        name = re.split("[/#]", uri)[-1]
        if kind not in _VALUES or name in record or not NAME.fullmatch(name):
            continue
        record[name] = _value(attribute.get(_VALUES[kind]))
        units.add(name, attribute.get("unitCode"))
        observed = attribute.get(_OBSERVED_AT)
        if isinstance(observed, str) and (moment := timestamp(observed)):
            moments.append(moment)
    if moments and (newest := iso(max(moments))):
        record.setdefault(_OBSERVED_AT, newest)
    return record


def _default(instances: Any) -> Any:
    """Of an attribute with several instances the one without a datasetId, else the first (clause 4.5.5)."""
    if not isinstance(instances, list):
        return instances
    plain = (one for one in instances if isinstance(one, dict) and "datasetId" not in one)
    return next(plain, instances[0] if instances else None)


def _value(value: Any) -> Any:
    """A value as JSON: of a JSON-LD value with a type, such as a DateTime, the value alone; no NGSI-LD null."""
    if isinstance(value, Mapping) and "@value" in value:
        value = value["@value"]
    return None if value == "urn:ngsi-ld:null" else value


def _malformed(session: Session, what: str) -> SourceError:
    return session.error(SourceReason.MALFORMED_DATA, f"answers with {what}: ask the data supplier")


class _Units:
    """The unit of each field; none where one entity has another unit than the next, or has none."""

    def __init__(self) -> None:
        self._seen: dict[str, str | None] = {}

    def add(self, name: str, code: Any) -> None:
        unit = unece.unit(code)
        if self._seen.setdefault(name, unit) != unit:
            self._seen[name] = None

    @property
    def found(self) -> dict[str, str]:
        """By the name of the field."""
        return {name: unit for name, unit in self._seen.items() if unit}
