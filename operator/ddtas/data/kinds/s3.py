"""Objects at a server that speaks Amazon's S3: one object, or all under a prefix.

The endpoint is https://host/bucket/prefix-or-key (path style); a physical name is appended to it. What ends with .csv,
.geojson, .json or .parquet is one object, and read as such; everything else is a prefix, whose objects are listed
(ListObjectsV2), and of which the newest is read for the fields.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote
from xml.etree.ElementTree import Element

from ddtas.data.facts import axis
from ddtas.data.kinds import http_csv, http_geojson, http_parquet
from ddtas.data.measured import SourceFacts
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import answers, credentials, http, sigv4
from ddtas.errors import SourceError, printable

_SUFFIXES = (".csv", ".geojson", ".json", ".parquet")
_PAGE = 1000  # the most that S3 gives
_PAGES = 2
_NEARBY = 5
_KEY_BYTES = 1024  # S3 allows no more


async def probe(session: Session) -> SourceFacts:
    """Probe one object, or at the objects under a prefix.

    Raises:
        SourceError: with a Reason; EntityNotFound when there is no such bucket or object, or none under the prefix.
    """
    async with http.client(session) as client:
        path = client.resolve(None).path.strip("/") if session.target.physical_name else client.resolve(None).path
        whole = "/".join(part for part in (path, session.target.physical_name) if part).lstrip("/")
        bucket, _, key = whole.partition("/")
        if not bucket:
            raise session.error(
                SourceReason.ENTITY_NOT_FOUND, "names no bucket: give an endpoint such as https://host/bucket/prefix/"
            )
        store = _Bucket(session, client, bucket, _keys(session))
        if key.lower().endswith(_SUFFIXES):
            return session.facts(await _of_object(store, key))
        return session.facts(await _of_prefix(store, key))


def _keys(session: Session) -> sigv4.Keys | None:
    auth = session.target.auth
    region = auth.effective_region if auth is not None else None
    if region is None:
        return None
    return sigv4.Keys(
        credentials.value(session, "access-key-id", forbidden="/,", ascii_only=True),
        credentials.value(session, "secret-access-key", ascii_only=True),
        region,
    )


async def _of_object(store: "_Bucket", key: str) -> SourceFacts:
    try:
        return await store.read(key)
    except answers.NotFoundError:
        there = await store.nearby(key)
    raise store.session.error(
        SourceReason.ENTITY_NOT_FOUND, f"has no such object: correct the endpoint or physicalName{there}"
    )


async def _of_prefix(store: "_Bucket", prefix: str) -> SourceFacts:
    session = store.session
    listing = await store.list(prefix)
    if not listing.objects and prefix:
        there = await store.nearby(prefix)
        raise session.error(
            SourceReason.ENTITY_NOT_FOUND,
            f"has no object whose key begins like that: correct the endpoint or physicalName{there}",
        )
    size: int | None = sum(o.size for o in listing.objects)
    last = max((o.changed for o in listing.objects), default=None)
    if not listing.complete:
        # In the order of their keys, so the newest may be among the others.
        size = last = None
        for fact in ("sizeBytes", "last"):
            session.not_found(fact, f"there are more than {len(listing.objects)} objects: give a longer prefix")
    if last is None:
        session.not_found("last", "the bucket is empty")
    session.not_found("records", "a list of objects does not tell how many records they hold")
    session.not_found("first", "a list of objects does not tell when their data begins")
    session.not_found("extent", "it is known of the newest object alone")
    readable = [o for o in listing.objects if o.key.lower().endswith(_SUFFIXES) and o.size and store.has_url(o.key)]
    if not readable:
        for fact in ("fields", "geometryType", "crs", "timeResolution"):
            session.not_found(fact, f"no object has data and one of the suffixes {', '.join(_SUFFIXES)}")
        return SourceFacts(size_bytes=size, last=axis.iso(last))
    newest = max(readable, key=lambda o: (o.changed, o.key))
    try:
        found = await store.read(newest.key)
    except answers.NotFoundError:
        raise session.error(
            SourceReason.HTTP_ERROR, f"lists {printable(newest.key, 80)} but does not have it: it is tried again later"
        ) from None
    except SourceError as error:
        raise SourceError(error.reason, f"{error.message} (the object is {printable(newest.key, 80)})") from None
    return SourceFacts(
        fields=found.fields,
        geometry_type=found.geometry_type,
        crs=found.crs,
        sampled=found.sampled,
        time_resolution=found.time_resolution,
        size_bytes=size,
        last=axis.iso(last),
    )


@dataclass(frozen=True)
class _Object:
    key: str
    size: int
    changed: datetime


@dataclass
class _Listing:
    objects: list[_Object] = field(default_factory=list)
    complete: bool = True


class _Bucket:
    """A bucket, and how to ask for what is in it: each request is signed on its own, where there are keys."""

    def __init__(self, session: Session, client: http.Client, name: str, keys: sigv4.Keys | None) -> None:
        self.session = session
        self._visit = client
        self._name = name
        self._keys = keys

    async def list(self, prefix: str) -> _Listing:
        """The objects whose keys begin with this prefix: the first 2,000.

        Raises:
            SourceError: EntityNotFound where there is no such bucket.
        """
        listing = _Listing()
        more: dict[str, str] = {}
        for _ in range(_PAGES):
            root = await self._page({"max-keys": str(_PAGE), "prefix": prefix, **more})
            listing.objects += [self._object(entry) for entry in _children(root, "Contents")]
            token = _text(root, "NextContinuationToken")
            if _text(root, "IsTruncated").strip() != "true":
                return listing
            if not token:
                raise self._malformed("it has no token for the rest")
            more = {"continuation-token": token}
        listing.complete = False
        return listing

    async def nearby(self, missing: str) -> str:
        """For a message: the first names in the folder in which something is not there; empty when it has none."""
        folder = missing.rstrip("/").rpartition("/")[0]
        parameters = {"max-keys": str(_NEARBY), "delimiter": "/", "prefix": f"{folder}/" if folder else ""}
        with contextlib.suppress(SourceError):
            root = await self._page(parameters)
            names = [_text(entry, "Key") for entry in _children(root, "Contents")]
            names += [_text(entry, "Prefix") for entry in _children(root, "CommonPrefixes")]
            shown = [printable(name, 60) for name in names if name][:_NEARBY]
            return f" (there is {', '.join(shown)})" if shown else ""
        return ""

    async def read(self, key: str) -> SourceFacts:
        """What the format of an object tells.

        Raises:
            SourceError: answers.NotFoundError where it is not there.
        """
        url = self._url(key)
        if key.lower().endswith(".parquet"):
            return await http_parquet.read(lambda headers: self._get(url, http_parquet.ACCEPT, headers), self.session)
        csv = key.lower().endswith(".csv")
        async with self._get(url, http_csv.ACCEPT if csv else http_geojson.ACCEPT, {}) as answer:
            return await (http_csv.read if csv else http_geojson.read)(answer, self.session)

    def has_url(self, key: str) -> bool:
        """Whether there is a URL for a key that a server came with: none is for those with `..`, say."""
        return len(key.encode()) <= _KEY_BYTES and self._visit.resolve(self._url(key)).path == f"/{self._name}/{key}"

    async def _page(self, parameters: Mapping[str, str]) -> Element:
        url = self._url("", {"list-type": "2", **parameters})
        try:
            with self._explained():
                root: Element = (await self._visit.xml(url, headers=self._signed(url, {}))).value
        except answers.NotFoundError:
            raise self.session.error(
                SourceReason.ENTITY_NOT_FOUND, "has no such bucket: correct the first part of the path of the endpoint"
            ) from None
        kind = _local(root)
        if kind == "Error":
            raise self.session.error(
                SourceReason.ERROR_REPORTED,
                f"answers with the error {printable(_text(root, 'Code') or 'without a code', 60)}: ask who runs it",
            )
        if kind != "ListBucketResult":
            raise self.session.error(
                SourceReason.UNEXPECTED_CONTENT,
                "answers with what is no list of objects: give an endpoint such as https://host/bucket/prefix/",
            )
        return root

    @asynccontextmanager
    async def _get(self, url: str, accept: str, headers: Mapping[str, str]) -> AsyncIterator[answers.Answer]:
        with self._explained():
            async with self._visit.get(url, accept=accept, headers=self._signed(url, headers)) as answer:
                yield answer

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """What a status means in S3. Not the error document: it can hold what was sent, and is not read."""
        try:
            yield
        except answers.BadRequestError:
            if self._keys is None:
                raise
            raise self.session.error(  # a signature for another region, mostly; Amazon says so with this status too
                SourceReason.UNAUTHORIZED,
                f"refuses the request: correct the region in credentials, which is {self._keys.region} now, or the "
                "name of the bucket",
            ) from None
        except SourceError as error:
            if error.reason != SourceReason.UNAUTHORIZED:
                raise
            advice = (
                "correct its Secret and region in credentials, let its user list the bucket and read the objects, or "
                "set the clocks right"
                if self._keys
                else "name a Secret for SigV4 in credentials"
            )
            raise self.session.error(
                SourceReason.UNAUTHORIZED, f"refuses to show the bucket or object: {advice}"
            ) from None

    def _url(self, key: str, parameters: Mapping[str, str] | None = None) -> str:
        origin = self._visit.resolve(None).origin()
        path = f"/{_encode(self._name)}" + (f"/{_encode(key, '/')}" if key else "")
        query = "&".join(f"{_encode(name)}={_encode(value)}" for name, value in (parameters or {}).items())
        return f"{origin}{path}" + (f"?{query}" if query else "")

    def _signed(self, url: str, headers: Mapping[str, str]) -> dict[str, str]:
        if self._keys is None:
            return dict(headers)
        # As it will be sent, which is not always as it was written.
        sent = self._visit.resolve(url)
        host = sent.host_port_subcomponent or ""
        return sigv4.sign(self._keys, host, sent.path, sent.query.items(), headers, datetime.now(UTC))

    def _object(self, entry: Element) -> _Object:
        key, size = _text(entry, "Key"), _text(entry, "Size").strip()
        changed = axis.timestamp(_text(entry, "LastModified").strip())
        if not key or not (size.isascii() and size.isdecimal() and len(size) <= 15) or changed is None:
            raise self._malformed("an object has no key, size or time of its last change that can be read")
        return _Object(key, int(size), changed)

    def _malformed(self, what: str) -> SourceError:
        return self.session.error(SourceReason.MALFORMED_DATA, f"answers with a list of objects that is broken: {what}")


def _local(element: Element) -> str:
    """The name without its namespace: servers other than Amazon's differ in it."""
    return element.tag.rpartition("}")[2]


def _children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if _local(child) == name)


def _text(element: Element, name: str) -> str:
    return next((child.text or "" for child in _children(element, name)), "")


def _encode(text: str, safe: str = "") -> str:
    return quote(text, safe=f"{safe}-_.~")
