"""Reads a collection: its description, and its items, page by page.

The endpoint is the landing page. A link to the next page is followed where it leads to the same server.
"""

import urllib.parse
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from ddtas.data.facts import geo
from ddtas.data.session import Session, SourceReason, beside
from ddtas.data.wire import answers, http
from ddtas.data.wire.documents import as_array, as_object
from ddtas.errors import SourceError, printable

_SMALL_PAGE = 5  # where the geometries are so big that a page of them is no short document
_MAX_COUNT = 2**53 - 1  # that every reader of JSON reads the same
_SHOWN = 5  # names of collections in a message
_SHOWN_CHARACTERS = 60
_GEOJSON = "application/geo+json, application/json;q=0.9"


@dataclass(frozen=True)
class Page:
    """A page of items.

    Attributes:
        features: GeoJSON features (RFC 7946); `properties` of each is an object or None, all else is hostile.
        crs: name of the CRS of their geometries, as the server has it.
        matched: items in the collection, as the server says; None when it does not, or says what cannot be.
        limit: items that were asked for.
        url: where it came from.
        following: the link to the next page, not checked yet; None after the last one.
    """

    features: list[Mapping[str, Any]]
    crs: str
    matched: int | None
    limit: int
    url: str
    following: str | None

    @property
    def complete(self) -> bool:
        """Whether these are all items, if it is the first page."""
        if self.matched is not None:
            return len(self.features) == self.matched
        return len(self.features) < self.limit and self.following is None


class Collection:
    """The collection that the target of a session names."""

    def __init__(self, client: http.Client) -> None:
        """Ask nothing yet."""
        self._client = client
        self._session = client.session
        self._path = f"collections/{urllib.parse.quote(self._session.target.physical_name or '', safe='')}"

    async def describe(self) -> answers.Document:
        """Its description, a JSON object.

        Raises:
            SourceError: EntityNotFound where the server does not have it.
        """
        try:
            document = await self._client.json(self._path)
        except answers.NotFoundError:
            raise await self._missing() from None
        description = as_object(document.value)
        if description.get("id") != (self._session.target.physical_name or ""):
            raise _no_features(self._session, description, "the description of a collection")
        return answers.Document(description, document.url, document.headers)

    async def pages(self, limit: int, parameters: Mapping[str, str] | None = None) -> AsyncIterator[Page]:
        """Its items, as they are asked for: whoever stops after a page sends no request for the next.

        Args:
            limit: items a page; fewer where so many are too long a document.
            parameters: of the query, besides the limit.

        Raises:
            SourceError: UnexpectedContent or MalformedData; TooManyRequests at the bound of the session.
        """
        address: str | None = f"{self._path}/items"
        query: Mapping[str, str] = {"limit": str(limit), **(parameters or {})}
        seen: set[str] = set()
        while address is not None:
            page = await self._page(address, query, limit)
            yield page
            seen.add(address)
            address, query = self._address(page), {}
            if address in seen:
                raise self._session.error(
                    SourceReason.MALFORMED_DATA, "has a page of items that leads back to itself: ask the data supplier"
                )

    async def _page(self, address: str, query: Mapping[str, str], limit: int) -> Page:
        try:
            try:
                document = await self._client.json(address, accept=_GEOJSON, query=query)
            except answers.TooLongError:
                if not query:  # the server chose how long this page is
                    raise
                limit = _SMALL_PAGE
                document = await self._client.json(address, accept=_GEOJSON, query={**query, "limit": str(limit)})
        except answers.NotFoundError:
            raise self._session.error(
                SourceReason.UNEXPECTED_CONTENT,
                "has a collection of that name, but of something else than features: give one that has items",
            ) from None
        body = as_object(document.value)
        features = body.get("features")
        if body.get("type") != "FeatureCollection" or not isinstance(features, list):
            raise _no_features(self._session, body, "a GeoJSON FeatureCollection")
        for feature in features:
            if not isinstance(feature, dict) or not isinstance(feature.get("properties", {}), dict | None):
                raise self._session.error(
                    SourceReason.MALFORMED_DATA,
                    "answers with items that are no GeoJSON features: ask the data supplier",
                )
        # Part 1: without the header, coordinates are in CRS84.
        crs = document.headers.get("Content-Crs", geo.CRS84).strip().strip("<>")
        following = next((str(link.get("href")) for link in links(body) if link.get("rel") == "next"), None)
        return Page(features, crs, _matched(body, len(features)), limit, document.url, following)

    def _address(self, page: Page) -> str | None:
        """Where the next page is.

        Raises:
            SourceError: UnexpectedContent where it is on another server: nobody has named that.
        """
        address = beside(page.url, page.following) if page.following is not None else None
        if page.following is not None and address is None:
            raise self._session.error(
                SourceReason.UNEXPECTED_CONTENT,
                "has its next page of items on another server: ask the data supplier for links to this one",
            )
        return address

    async def _missing(self) -> SourceError:
        """The error for a collection that is not there, with those that are."""
        session = self._session
        try:
            listed = as_object((await self._client.json("collections")).value)
        except answers.NotFoundError:
            return session.error(
                SourceReason.HTTP_ERROR,
                "has neither this collection nor a list of collections: give the landing page of OGC API - Features as "
                "the endpoint",
            )
        except SourceError:  # a list of thousands, say; it is only for the message
            listed = {}
        ids = [as_object(one).get("id") for one in as_array(listed.get("collections"))]
        names = [printable(name, _SHOWN_CHARACTERS) for name in ids if isinstance(name, str)]
        there = (
            f"; there are {', '.join(names[:_SHOWN])}{' and others' if len(names) > _SHOWN else ''}" if names else ""
        )
        wanted = printable(session.target.physical_name or "", _SHOWN_CHARACTERS)
        return session.error(SourceReason.ENTITY_NOT_FOUND, f"has no collection {wanted}{there}: correct physicalName")


def _matched(body: Mapping[str, Any], seen: int) -> int | None:
    """The number of items in the collection; None where the server does not tell it, and where it cannot be right."""
    number = body.get("numberMatched")
    usable = isinstance(number, int) and not isinstance(number, bool) and seen <= number <= _MAX_COUNT
    return number if usable else None


def _no_features(session: Session, body: Mapping[str, Any], what: str) -> SourceError:
    """The error for JSON that is something else: an error document (Part 1, or RFC 7807), or a surprise."""
    status = body.get("status")
    if "code" in body or (isinstance(status, int) and status >= 400) or "exception" in body:
        return session.error(
            SourceReason.ERROR_REPORTED, "answers with an error document instead of data: ask the data supplier"
        )
    return session.error(
        SourceReason.UNEXPECTED_CONTENT,
        f"answers with JSON that is not {what}: give the landing page of OGC API - Features as the endpoint",
    )


def links(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The links of a JSON document."""
    return [one for one in as_array(body.get("links")) if isinstance(one, dict)]
