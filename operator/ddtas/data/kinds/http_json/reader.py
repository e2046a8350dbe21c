"""Asks a plain JSON service, page by page, as the `jsonService` of the data source says."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ddtas.data.facts import geo
from ddtas.data.json_service import JsonPaging, JsonService
from ddtas.data.kinds.http_json.periods import Period, Values
from ddtas.data.kinds.http_json.pointers import ABSENT, Layout, Pointer, Row
from ddtas.data.session import Session, SourceReason, beside
from ddtas.data.wire import http
from ddtas.data.wire.answers import Document, NoContentError, TooLongError
from ddtas.errors import SourceError, printable

_ACCEPT = "application/json, application/hal+json, application/geo+json;q=0.9, */*;q=0.1"
_SHOWN = 6  # members of an answer in a message
_MAX_COUNT = 2**53 - 1
_EPSG = "EPSG:"


@dataclass(frozen=True)
class Page:
    """A page of rows.

    Attributes:
        rows: in their order.
        items: of the first list, which may each hold several rows.
        total: items of all pages, as the service says; None where paging.total is absent.
        last: whether no page follows.
        crs: of the geometries, where the service tells it and it is one that is known.
    """

    rows: list[Row]
    items: int
    total: int | None
    last: bool
    crs: str | None


class Service:
    """The service that the target of a session is."""

    def __init__(self, client: http.Client) -> None:
        """Ask nothing yet.

        Raises:
            SourceError: EntityNotFound where nothing says how it is asked.
        """
        self._client = client
        self._session = client.session
        self.description = described(client.session)
        self._paging = self.description.paging or JsonPaging()
        self._layout = Layout(self.description)

    async def pages(self, period: Period | None) -> AsyncIterator[Page]:
        """Pages, as they are asked for: whoever stops after a page sends no request for the next.

        Args:
            period: to ask for; None where the service is not asked for one.

        Raises:
            SourceError: UnexpectedContent where an answer has no rows where they should be; MalformedData where pages
                repeat, or end before the number of items that the service tells; TooManyRequests at the bound of the
                session.
        """
        values = Values(self.description, self._session.target.contract, period)
        number = 1 if self._paging.first_page is None else self._paging.first_page
        seen, link, links = 0, None, set[str]()
        previous: list[Any] = []
        while True:
            values.page(number, seen)
            document = await self._ask(values, link)
            items = self._items(document)
            if items and items == previous:
                raise self._malformed("gives the same page again and again: correct paging in jsonService")
            previous, seen, link = items, seen + len(items), self._next(document)
            if link in links:
                raise self._malformed("has a page that leads back to an earlier one: ask the data supplier")
            links |= {link} if link else set()
            last = link is None and self._ends(document, number, seen, bool(items))
            total = self._number(document, self._paging.total)
            if last and total is not None and seen < total:
                raise self._malformed(f"ends after {seen} of {total} items: ask the data supplier")
            yield Page(self._rows(document), len(items), total, last, _crs(document))
            if last:
                return
            number += 1

    async def _ask(self, values: Values, link: str | None) -> Document | None:
        """An answer; None where there is none, as the service says."""
        service = self.description
        body = None if service.body is None else values.body(service.body)
        query = {} if link else {p.name: values.text(p.value) for p in service.query}
        try:
            return await self._client.json(link, accept=_ACCEPT, query=query, headers=self._headers(), body=body)
        except NoContentError:
            return None
        except TooLongError:
            raise self._session.error(
                SourceReason.RESOURCE_EXHAUSTED,
                f"answers with more than {self._session.limits.max_document_bytes} bytes at once: ask for shorter "
                "pages, or shorter periods (window.longest), in jsonService",
            ) from None

    def _headers(self) -> dict[str, str]:
        """What asks for geometries in the promised CRS, by the Dutch API Design Rules."""
        crs = self._session.target.contract.crs
        wanted = self.description.geometry is not None and crs is not None and crs.startswith(_EPSG)
        return {"Accept-Crs": (crs or "").lower()} if wanted else {}

    def _items(self, document: Document | None) -> list[Any]:
        try:
            return self._layout.items(document.value) if document else []
        except ValueError as error:
            raise self._without(document, "list", str(error)) from None

    def _rows(self, document: Document | None) -> list[Row]:
        try:
            return list(self._layout.rows(document.value)) if document else []
        except ValueError as error:
            raise self._without(document, "list", str(error)) from None

    def _next(self, document: Document | None) -> str | None:
        """Where the next page is; None after the last one.

        Raises:
            SourceError: UnexpectedContent where it is on another server: nobody has named that.
        """
        if document is None or self._paging.next is None:
            return None
        link = Pointer.read(self._paging.next).of([document.value])
        if link in (ABSENT, None, ""):
            return None
        address = beside(document.url, link) if isinstance(link, str) else None
        if address is None:
            raise self._session.error(
                SourceReason.UNEXPECTED_CONTENT,
                f"has at {printable(self._paging.next, 80)} no link to a page on the same server: correct next in "
                "jsonService, or ask the data supplier",
            )
        return address

    def _ends(self, document: Document | None, number: int, seen: int, any_items: bool) -> bool:
        """Whether no page follows, where none is linked to."""
        if document is None or not self.description.numbered or self._paging.next is not None:
            return True
        last, total = (self._number(document, where) for where in (self._paging.last_page, self._paging.total))
        if not any_items and last is not None and number < last:
            raise self._malformed(f"has no items on page {number} of {last}: ask the data supplier")
        return not any_items or (last is not None and number >= last) or (total is not None and seen >= total)

    def _number(self, document: Document | None, where: str | None) -> int | None:
        """A number in an answer; None where nothing says where it is."""
        if document is None or where is None:
            return None
        number = Pointer.read(where).of([document.value])
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= _MAX_COUNT:
            raise self._without(document, "number", where)
        return number

    def _without(self, document: Document | None, what: str, where: str) -> SourceError:
        value = document.value if document else None
        has = ", ".join(printable(name, 40) for name in list(value)[:_SHOWN]) if isinstance(value, dict) else ""
        return self._session.error(
            SourceReason.UNEXPECTED_CONTENT,
            f"answers without a {what} at {printable(where, 80) or 'the root'}"
            f"{f'; its members are {has}' if has else ''}: correct jsonService, or ask the data supplier",
        )

    def _malformed(self, what: str) -> SourceError:
        return self._session.error(SourceReason.MALFORMED_DATA, what)


def _crs(document: Document | None) -> str | None:
    return geo.crs_name(document.headers.get("Content-Crs", "").strip().strip("<>")) if document else None


def described(session: Session) -> JsonService:
    """How the target of a session is asked.

    Raises:
        SourceError: EntityNotFound where nothing says it.
    """
    if session.target.json_service is None:
        raise session.error(SourceReason.ENTITY_NOT_FOUND, "has no jsonService: add it to the data source")
    return session.target.json_service
