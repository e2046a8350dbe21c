"""Reads what is in a bucket: lists of objects (ListObjectsV2), page by page, and objects.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote
from xml.etree.ElementTree import Element

from ddtas.data.facts import axis
from ddtas.data.session import Session, SourceReason
from ddtas.data.wire import answers, credentials, http, sigv4
from ddtas.errors import SourceError, printable

SUFFIXES = (".csv", ".geojson", ".json", ".parquet")
"""Of objects that are read; everything else is a prefix."""
_PAGE = 1000  # the most that S3 gives
_NEARBY = 5
_KEY_BYTES = 1024  # S3 allows no more


@dataclass(frozen=True)
class Object:
    """An object: its key, its size in bytes, and when it was changed last."""

    key: str
    size: int
    changed: datetime


@dataclass(frozen=True)
class Page:
    """Some objects; and whether there are no more."""

    objects: list[Object]
    last: bool


class Bucket:
    """A bucket, and how to ask for what is in it: each request is signed on its own, where there are keys."""

    def __init__(self, session: Session, client: http.Client, name: str, keys: sigv4.Keys | None) -> None:
        self.session = session
        self._visit = client
        self._name = name
        self._keys = keys

    async def pages(self, prefix: str) -> AsyncIterator[Page]:
        """The objects whose keys begin with this prefix, in the order of their keys: 1,000 a page.

        Whoever stops after a page sends no request for the next.

        Raises:
            SourceError: EntityNotFound where there is no such bucket; TooManyRequests at the bound of the session.
        """
        following: dict[str, str] = {}
        while True:
            root = await self._page({"max-keys": str(_PAGE), "prefix": prefix, **following})
            token = _text(root, "NextContinuationToken")
            last = _text(root, "IsTruncated").strip() != "true"
            yield Page([self._object(entry) for entry in _children(root, "Contents")], last)
            if last:
                return
            if not token or following.get("continuation-token") == token:
                raise self._malformed("it has no token for the rest")
            following = {"continuation-token": token}

    async def nearby(self, missing: str) -> str:
        """For a message: the first names in the folder in which something is not there; empty when it has none."""
        folder = missing.rstrip("/").rpartition("/")[0]
        parameters = {"max-keys": str(_NEARBY), "delimiter": "/", "prefix": f"{folder}/" if folder else ""}
        with contextlib.suppress(SourceError):
            root = await self._page(parameters)
            names = [_text(entry, "Key") for entry in _children(root, "Contents")]
            names += [_text(entry, "Prefix") for entry in _children(root, "CommonPrefixes")]
            first = [printable(name, 60) for name in names if name][:_NEARBY]
            return f" (there is {', '.join(first)})" if first else ""
        return ""

    async def no_object(self, key: str) -> SourceError:
        """The error for an object that is not there."""
        there = await self.nearby(key)
        return self.session.error(
            SourceReason.ENTITY_NOT_FOUND, f"has no such object: correct the endpoint or physicalName{there}"
        )

    async def no_objects(self, prefix: str) -> SourceError:
        """The error for a prefix of no object."""
        there = await self.nearby(prefix)
        return self.session.error(
            SourceReason.ENTITY_NOT_FOUND,
            f"has no object whose key begins like that: correct the endpoint or physicalName{there}",
        )

    def open(
        self, key: str, accept: str, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[answers.Answer]:
        """GET an object.

        Raises:
            SourceError: answers.NotFoundError where it is not there.
        """
        return self._get(self._url(key), accept, headers or {})

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

    def _object(self, entry: Element) -> Object:
        key, size = _text(entry, "Key"), _text(entry, "Size").strip()
        changed = axis.timestamp(_text(entry, "LastModified").strip())
        if not key or not (size.isascii() and size.isdecimal() and len(size) <= 15) or changed is None:
            raise self._malformed("an object has no key, size or time of its last change that can be read")
        return Object(key, int(size), changed)

    def _malformed(self, what: str) -> SourceError:
        return self.session.error(SourceReason.MALFORMED_DATA, f"answers with a list of objects that is broken: {what}")


def located(session: Session, client: http.Client) -> tuple[Bucket, str]:
    """The bucket of a source, and the key or prefix in it.

    Raises:
        SourceError: EntityNotFound where the endpoint names no bucket; Unauthorized where the keys cannot be used.
    """
    path = client.resolve(None).path
    name = session.target.physical_name
    bucket, _, key = (f"{path.strip('/')}/{name}" if name else path).lstrip("/").partition("/")
    if not bucket:
        raise session.error(
            SourceReason.ENTITY_NOT_FOUND, "names no bucket: give an endpoint such as https://host/bucket/prefix/"
        )
    return Bucket(session, client, bucket, keys_of(session)), key


def keys_of(session: Session) -> sigv4.Keys | None:
    """The keys to sign with; None where there are no credentials.

    Raises:
        SourceError: Unauthorized where they cannot be used.
    """
    auth = session.target.auth
    region = auth.effective_region if auth is not None else None
    if region is None:
        return None
    return sigv4.Keys(
        credentials.value(session, "access-key-id", forbidden="/,", ascii_only=True),
        credentials.value(session, "secret-access-key", ascii_only=True),
        region,
    )


def _local(element: Element) -> str:
    """The name without its namespace: servers other than Amazon's differ in it."""
    return element.tag.rpartition("}")[2]


def _children(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element if _local(child) == name)


def _text(element: Element, name: str) -> str:
    return next((child.text or "" for child in _children(element, name)), "")


def _encode(text: str, safe: str = "") -> str:
    return quote(text, safe=f"{safe}-_.~")
