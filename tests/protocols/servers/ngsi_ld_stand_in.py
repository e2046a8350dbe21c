"""A stand-in for an NGSI-LD broker, since none could be had from a package registry. It is not a broker.

It gives the answers that ETSI GS CIM 009 (NGSI-LD API, V1.6.1) prescribes for the requests of somebody who looks at
what a broker has: entities by type or id, their count, pages, one entity, the types, and the temporal evolution of
entities, of which it gives some instances of an attribute at once (206); in the formats of that document,
with its @context rules and its problem details. They are written after the specification, not taken from the wire of
one broker. What it does not know it refuses with 501, so that no test passes on an answer that it made up.

Asked for, and not served by the registry of their language: Scorpio and Stellio (Maven), diwise's context-broker and
FogFlow (Go), Antares (Rust), Cassiopeia and djane (npm); Orion-LD is in no registry. ``oxirs-fuseki`` (Rust) is served
and has a part of the API, but does not read ``count=true``, counts one page only, and takes 727 crates to build.

    python ngsi_ld_stand_in.py --port PORT ENTITIES.json [EVOLUTION.json]

The files hold lists of normalized entities, their types and attributes as the core @context alone expands them; those
of the second have all instances of their attributes. Without it there is no temporal API.
"""

import argparse
import json
import re
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote, unquote, urlsplit

API = "/ngsi-ld/v1"
CORE_CONTEXT = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.6.jsonld"
DEFAULT_VOCABULARY = "https://uri.etsi.org/ngsi-ld/default-context/"
ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"
LINK_RELATION = 'rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
DEFAULT_LIMIT, MAX_LIMIT = 20, 1000
FILTERS = {"id", "type", "attrs"}
KNOWN = FILTERS | {"limit", "offset", "count", "options"}
INSTANCES = 20  # of one attribute, of one answer

Entity = dict[str, Any]


class Problem(Exception):
    """An error of the specification (clause 5.5.2): its name, status, title and detail."""

    def __init__(self, status: HTTPStatus, kind: str, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"type": ERRORS + kind, "title": title, "status": int(status), "detail": detail}


def bad_request(detail: str) -> Problem:
    """The request does not make sense."""
    return Problem(HTTPStatus.BAD_REQUEST, "BadRequestData", "Bad request data", detail)


def unknown_here(detail: str) -> Problem:
    """A broker might know it; this does not."""
    return Problem(
        HTTPStatus.NOT_IMPLEMENTED,
        "OperationNotSupported",
        "Not known to this stand-in",
        f"{detail}: extend the stand-in",
    )


def query(entities: list[Entity], parameters: dict[str, str], context: str) -> tuple[list[Entity], int | None, int]:
    """One page of the entities that match, their number when it was asked for, and the offset after the page."""
    if unknown := set(parameters) - KNOWN:
        raise unknown_here(f"parameters {', '.join(sorted(unknown))}")
    if not FILTERS & set(parameters):
        raise bad_request("at least one of id, type, attrs is needed (clause 5.7.2)")
    count = _boolean(parameters.get("count", "false"), "count")
    limit = _number(parameters.get("limit", str(DEFAULT_LIMIT)), "limit")
    offset = _number(parameters.get("offset", "0"), "offset")
    if limit == 0 and not count:
        raise bad_request("limit=0 needs count=true (clause 6.3.10)")
    if limit > MAX_LIMIT:
        raise bad_request(f"limit may be {MAX_LIMIT} at most")
    found = [entity for entity in entities if _matches(entity, parameters, context)]
    page = [_shown(entity, parameters) for entity in found[offset : offset + limit]]
    return page, len(found) if count else None, offset + limit if limit and offset + limit < len(found) else 0


def evolution(entities: list[Entity], parameters: dict[str, str], context: str) -> tuple[list[Entity], str | None]:
    """The temporal evolution of the entities that match, and its Content-Range where it is not all (clause 6.3.10)."""
    if unknown := set(parameters) - {"type", "id", "timerel", "timeAt", "endTimeAt", "lastN"}:
        raise unknown_here(f"parameters {', '.join(sorted(unknown))}")
    start, end = _period(parameters)
    most = _number(parameters["lastN"], "lastN") if "lastN" in parameters else None
    found = [entity for entity in entities if _matches(entity, {**parameters, "attrs": ""}, context)]
    within = [
        {name: _within(value, start, end) if isinstance(value, list) else value for name, value in entity.items()}
        for entity in found
    ]
    series = [value for entity in within for value in entity.values() if isinstance(value, list)]
    cut = [values[INSTANCES - 1]["observedAt"] for values in series if len(values) > INSTANCES]
    if most is not None:
        shown = [{n: v[-most:] if isinstance(v, list) else v for n, v in entity.items()} for entity in within]
        return _compacted(shown), None
    if not cut:
        return _compacted(within), None
    last = min(cut)
    until = [{n: _within(v, start, last + "~") if isinstance(v, list) else v for n, v in e.items()} for e in within]
    return _compacted(until), f"date-time {start or series[0][0]['observedAt']}-{last}/*"


def _period(parameters: dict[str, str]) -> tuple[str, str]:
    """Texts that all times lie between, neither of them included (clause 4.11)."""
    at, until = parameters.get("timeAt", ""), parameters.get("endTimeAt", "")
    match parameters.get("timerel"):
        case "before" if at:
            return "", at
        case "after" if at:
            return at, "~"
        case "between" if at and until:
            return at, until
    raise bad_request("timerel, timeAt and endTimeAt do not go together (clause 4.11)")


def _within(instances: list[Any], start: str, end: str) -> list[Any]:
    return [one for one in instances if start < one["observedAt"] < end]


def _compacted(entities: list[Entity]) -> list[Entity]:
    """As JSON-LD writes lists of one, without attributes and entities of which nothing is left."""
    found = []
    for entity in entities:
        kept = {n: v[0] if isinstance(v, list) and len(v) == 1 else v for n, v in entity.items() if v != []}
        if _attributes(kept):
            found.append(kept)
    return found


def _matches(entity: Entity, parameters: dict[str, str], context: str) -> bool:
    types = {_expand(name, context) for name in parameters.get("type", "").split(",") if name}
    ids = {name for name in parameters.get("id", "").split(",") if name}
    attributes = {_expand(name, context) for name in parameters.get("attrs", "").split(",") if name}
    return (
        (not types or DEFAULT_VOCABULARY + str(entity["type"]) in types)
        and (not ids or entity["id"] in ids)
        and (not attributes or not attributes.isdisjoint(_expand(name, CORE_CONTEXT) for name in _attributes(entity)))
    )


def _shown(entity: Entity, parameters: dict[str, str]) -> Entity:
    options = {option for option in parameters.get("options", "").split(",") if option}
    if unknown := options - {"keyValues"}:
        raise unknown_here(f"options {', '.join(sorted(unknown))}")
    wanted = {_last(name) for name in parameters.get("attrs", "").split(",") if name}
    chosen = [name for name in _attributes(entity) if not wanted or name in wanted]
    attributes = {name: entity[name]["value"] if options else entity[name] for name in chosen}
    return {"id": entity["id"], "type": entity["type"], **attributes}


def _attributes(entity: Entity) -> list[str]:
    return [name for name in entity if name not in ("id", "type", "@context")]


def _last(name: str) -> str:
    return name.removeprefix(DEFAULT_VOCABULARY)


def _expand(name: str, context: str) -> str:
    """The IRI of a name: as it is when it is one, else by the default @context when no other was named."""
    if ":" in name:
        return name
    # Terms of a user @context that the entities were not made with expand to IRIs that nothing here has.
    return (DEFAULT_VOCABULARY if context == CORE_CONTEXT else f"{context}#") + name


def _boolean(text: str, name: str) -> bool:
    if text not in ("true", "false"):
        raise bad_request(f"{name} is true or false, not {text!r}")
    return text == "true"


def _number(text: str, name: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise bad_request(f"{name} is a whole number that is not negative, not {text!r}")
    return int(text)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version = "ngsi-ld-stand-in"
    sys_version = ""
    entities: ClassVar[list[Entity]] = []
    evolution: ClassVar[list[Entity] | None] = None

    def do_GET(self) -> None:
        """Answer, with the problem details of the specification when something is wrong."""
        try:
            self._get()
        except Problem as problem:
            self._send(problem.status, problem.body, {"Content-Type": "application/json"})

    def _get(self) -> None:
        if tenant := self.headers.get("NGSILD-Tenant"):
            raise Problem(HTTPStatus.NOT_FOUND, "NonexistentTenant", "No such tenant", f"there is no tenant {tenant!r}")
        parts = urlsplit(self.path)
        path = unquote(parts.path).rstrip("/")
        given = parse_qs(parts.query, keep_blank_values=True)
        if repeated := sorted(name for name, values in given.items() if len(values) > 1):
            raise bad_request(f"given twice: {', '.join(repeated)}")
        parameters = {name: values[0] for name, values in given.items()}
        context = self._context()
        if path == f"{API}/entities":
            page, count, after = query(self.entities, parameters, context)
            headers = {} if count is None else {"NGSILD-Results-Count": str(count)}
            more = [] if not after else [self._next(parts.path, {**parameters, "offset": str(after)})]
            self._entities(page, context, headers, more)
        elif path == f"{API}/temporal/entities" and self.evolution is not None:
            found, part = evolution(self.evolution, parameters, context)
            status = HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK
            self._entities(found, context, {"Content-Range": part} if part else {}, [], status)
        elif path.startswith(f"{API}/entities/"):
            if unknown := set(parameters) - {"attrs", "options"}:
                raise unknown_here(f"parameters {', '.join(sorted(unknown))}")
            wanted = path.removeprefix(f"{API}/entities/")
            those = [entity for entity in self.entities if entity["id"] == wanted]
            if not those:
                raise Problem(
                    HTTPStatus.NOT_FOUND, "ResourceNotFound", "Entity not found", f"there is no entity {wanted!r}"
                )
            self._entities(_shown(those[0], parameters), context, {}, [])
        elif path == f"{API}/types" and not parameters:
            names = sorted({str(entity["type"]) for entity in self.entities})
            self._entities(
                {"id": "urn:ngsi-ld:EntityTypeList:1", "type": "EntityTypeList", "typeList": names}, context, {}, []
            )
        elif path.startswith(f"{API}/"):
            raise unknown_here(f"{path} with {parameters}")
        else:
            raise Problem(HTTPStatus.NOT_FOUND, "ResourceNotFound", "Not found", f"there is nothing at {path or '/'}")

    def _context(self) -> str:
        """The @context that the Link header names (clause 6.3.5), else the core @context."""
        link = self.headers.get("Link")
        if not link:
            return CORE_CONTEXT
        found = re.match(r'\s*<([^>]+)>\s*;.*rel="?http://www\.w3\.org/ns/json-ld#context"?', link)
        if not found:
            raise bad_request("the Link header does not name an @context (clause 6.3.5)")
        return CORE_CONTEXT if "uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context" in found[1] else found[1]

    def _next(self, path: str, parameters: dict[str, str]) -> str:
        """The Link to the next page (clause 6.3.10)."""
        rest = "&".join(f"{name}={quote(value, safe=':,')}" for name, value in parameters.items())
        return f'<{path}?{rest}>; rel="next"'

    def _entities(
        self,
        found: Any,
        context: str,
        headers: dict[str, str],
        links: list[str],
        status: HTTPStatus = HTTPStatus.OK,
    ) -> None:
        """Send entities as JSON with the @context in a Link header, or as JSON-LD with the @context inside."""
        accepted = self.headers.get("Accept", "*/*")
        if not any(kind in accepted for kind in ("*/*", "application/*", "application/json", "application/ld+json")):
            raise Problem(
                HTTPStatus.NOT_ACCEPTABLE, "InvalidRequest", "Not acceptable", f"there is no {accepted}, only JSON(-LD)"
            )
        if "application/ld+json" in accepted and "application/json" not in accepted:
            many = isinstance(found, list)
            inside = [{**one, "@context": context} for one in (found if many else [found])]
            found, kind = inside if many else inside[0], "application/ld+json"
        else:
            links, kind = [f"<{context}>; {LINK_RELATION}", *links], "application/json"
        self._send(status, found, {"Content-Type": kind, **headers}, links)

    def _send(self, status: HTTPStatus, body: Any, headers: dict[str, str], links: list[str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        for link in links or []:
            self.send_header("Link", link)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main() -> None:
    """Serve on the loopback address until ended."""
    parser = argparse.ArgumentParser(description="A stand-in for an NGSI-LD broker")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("entities", type=Path)
    parser.add_argument("evolution", type=Path, nargs="?")
    arguments = parser.parse_args()
    Handler.entities = json.loads(arguments.entities.read_text())
    if arguments.evolution is not None:
        Handler.evolution = json.loads(arguments.evolution.read_text())
    ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
