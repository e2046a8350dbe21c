"""Asks a Web Feature Service: requests as key-value pairs, features in GML 3.2, page by page.

Every request goes to the endpoint itself, never to the addresses in the capabilities: behind a proxy those are often
those of another machine.
"""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from ddtas.data.kinds.wfs.elements import local_name
from ddtas.data.kinds.wfs.gml import Feature, FeatureParser
from ddtas.data.kinds.wfs.schema import Schema
from ddtas.data.session import SourceReason
from ddtas.data.wire import http
from ddtas.data.wire.answers import Answer
from ddtas.data.wire.documents import bad_xml
from ddtas.data.wire.download import download
from ddtas.errors import SourceError, printable

_LEAST = 50  # features that are taken where fewer were asked for
_ACCEPT = "application/gml+xml, application/xml, text/xml;q=0.9"
_VERSION = re.compile(r"2\.0\.[0-9]")
_COUNT = re.compile(r"[0-9]{1,15}")
# What we say ourselves; people give the URL of the capabilities as the endpoint.
_OURS = frozenset(
    (
        "service",
        "version",
        "acceptversions",
        "request",
        "typename",
        "typenames",
        "count",
        "startindex",
        "resulttype",
        "sortby",
    )
)
REFUSALS = (
    SourceReason.HTTP_ERROR,
    SourceReason.ERROR_REPORTED,
)  # a server that does not do what its capabilities say


@dataclass(frozen=True)
class Page:
    """A page of features.

    Attributes:
        features: those that are complete.
        rest: the beginning of a feature that was cut off.
        matched: features in all, as the server says; None when it does not.
        cut: the answer goes on: it is too long a document.
    """

    features: list[Feature]
    rest: Feature
    matched: int | None
    cut: bool


class Service:
    """The requests to one service."""

    def __init__(self, client: http.Client) -> None:
        endpoint = client.resolve(None)
        kept = [(key, value) for key, value in endpoint.query.items() if key.lower() not in _OURS]
        self._url = str(endpoint.with_query(kept))
        self._client = client
        self._session = client.session
        self._version = "2.0.0"

    async def capabilities(self) -> Element:
        """The capabilities, of version 2.0."""
        root = await self.document("GetCapabilities", acceptversions="2.0.2,2.0.0")
        if (name := local_name(root.tag)) != "WFS_Capabilities":
            raise self._session.error(
                SourceReason.UNEXPECTED_CONTENT,
                f"answers with '{printable(name, 60)}' instead of WFS capabilities: give the endpoint of a WFS",
            )
        version = root.get("version", "")
        if not _VERSION.fullmatch(version):
            raise self._session.error(
                SourceReason.UNEXPECTED_CONTENT,
                f"is a WFS of version '{printable(version, 20)}', where 2.0 is needed: ask the data supplier for the "
                "endpoint of version 2.0",
            )
        self._version = version
        return root

    async def document(self, request: str, **parameters: str) -> Element:
        """The root of an answer that is read whole.

        Raises:
            SourceError: as `Client.xml`; ErrorReported for an exception report.
        """
        root: Element = (await self._client.xml(self._url, query=self._query(request, parameters))).value
        if local_name(root.tag) in ("ExceptionReport", "ServiceExceptionReport"):
            codes = [
                e.get("exceptionCode") or e.get("code") or "" for e in root.iter() if "Exception" in local_name(e.tag)
            ]
            raise self.reported(request, next(filter(None, codes), ""))
        return root

    async def hits(self, name: str, parameters: Mapping[str, str] | None = None) -> int | None:
        """The number of features, perhaps of those that a filter leaves; None when the server does not tell."""
        try:
            root = await self.document("GetFeature", typenames=name, resulttype="hits", **(parameters or {}))
        except SourceError as error:
            if error.reason not in REFUSALS:
                raise
            return None
        return count(root.get("numberMatched"))

    async def pages(self, name: str, schema: Schema, size: int, order: str | None = None) -> AsyncIterator[Page]:
        """Features, as they are asked for: whoever stops after a page sends no request for the next.

        Args:
            name: of the feature type.
            schema: of it.
            size: features a page; fewer where so many are too long a document.
            order: `sortby`, such as "observed DESC".

        Raises:
            SourceError: with a Reason; TooManyRequests at the bound of the session.
        """
        seen = 0
        while True:
            paging = {"count": str(size), **({"startindex": str(seen)} if seen else {})}
            page = await self._page(name, schema, size, {**paging, **({"sortby": order} if order else {})})
            yield page
            seen += len(page.features)
            if page.cut and not page.features:
                raise self._session.error(
                    SourceReason.MALFORMED_DATA, "has a feature that is too long a document: ask the data supplier"
                )
            if not page.features or page.matched == seen or (not page.cut and len(page.features) < size):
                return

    async def save(self, name: str, parameters: Mapping[str, str], path: Path) -> None:
        """Write the answer with some features into a new file.

        Raises:
            SourceError: with a Reason.
        """
        query = self._query("GetFeature", {"typenames": name, **parameters})
        async with self._client.get(self._url, accept=_ACCEPT, query=query) as answer:
            if answer.media_type.endswith(("html", "json")):
                raise self._other(answer)
            await download(self._session, answer, path)

    async def _page(self, name: str, schema: Schema, size: int, parameters: Mapping[str, str]) -> Page:
        """The features of an answer, up to the first that would make it too long a document."""
        session = self._session
        features = FeatureParser(schema, session.limits.max_value_characters)
        parser = DefusedXMLParser(target=features, forbid_dtd=True)
        query = self._query("GetFeature", {"typenames": name, **parameters})
        most = 2 * max(size, _LEAST)  # of a server that takes no notice of `count`
        try:
            async with self._client.get(self._url, accept=_ACCEPT, query=query) as answer:
                if answer.media_type.endswith(("html", "json")):
                    raise self._other(answer)
                while (chunk := await answer.read()) and answer.received <= session.limits.max_document_bytes:
                    parser.feed(chunk)
                    if len(features.features) >= most:
                        break
                if answer.complete:
                    parser.close()
                cut = not answer.complete
        except (DefusedXmlException, ParseError, ValueError, LookupError) as error:
            raise session.error(SourceReason.MALFORMED_DATA, f"answers with {bad_xml(error)}") from None
        if features.exception is not None:
            raise self.reported("GetFeature", features.exception)
        if features.root not in ("FeatureCollection", ""):  # "": the cap left no room
            raise session.error(
                SourceReason.UNEXPECTED_CONTENT,
                f"answers with '{printable(features.root, 60)}' instead of features: ask the data supplier",
            )
        return Page(features.features, features.rest(), count(features.number_matched), cut)

    def _other(self, answer: Answer) -> SourceError:
        return self._session.error(
            SourceReason.UNEXPECTED_CONTENT,
            f"answers with {printable(answer.media_type, 60)} instead of GML: ask the data supplier",
        )

    def _query(self, request: str, parameters: Mapping[str, str]) -> dict[str, str]:
        return {"service": "WFS", "version": self._version, "request": request, **parameters}

    def reported(self, request: str, code: str) -> SourceError:
        """The error for an exception report with this code."""
        # Its text may hold anything; its code is from a list of the standard.
        return self._session.error(
            SourceReason.ERROR_REPORTED,
            f"answers {request} with an exception report ({printable(code, 60) or 'without a code'}): correct the "
            "endpoint, or ask the data supplier",
        )


def count(text: str | None) -> int | None:
    """A number of features as an attribute has it; None for "unknown"."""
    return int(text) if text is not None and _COUNT.fullmatch(text) else None
