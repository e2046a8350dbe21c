"""Asks a layer: its description, how many rows it has, and the rows, page by page.

The endpoint is the layer: .../FeatureServer/0. Rows come in the order of their object ids, and each page is asked for
by the id that the page before ended with: so a row that is added or removed meanwhile moves no other from one page to
the next, and it needs no paging of the server's own.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from ddtas.data.kinds.arcgis_feature_server.layer import Layer, crs_of, wkid
from ddtas.data.session import SourceReason
from ddtas.data.wire import answers, http
from ddtas.data.wire.documents import as_array, as_object
from ddtas.errors import SourceError, printable

# Of a server that does not do all that the specification has.
REFUSALS = (SourceReason.HTTP_ERROR, SourceReason.ERROR_REPORTED)

_UNAUTHORIZED = (401, 403, 498, 499)  # 498: an invalid token, 499: none
_ALL = "1=1"
_QUERY_CHARACTERS = 1500  # of names of fields; some servers refuse long addresses
_MOST_ROWS = 2**53 - 1
_SHOWN = 5  # layers in a message


@dataclass(frozen=True)
class Choice:
    """What is asked for of each row.

    Attributes:
        names: of fields.
        geometry: whether the geometry comes.
        crs: that it is asked for in; None for the layer's own.
        where: a condition in SQL; None for all rows.
    """

    names: tuple[str, ...]
    geometry: bool = False
    crs: str | None = None
    where: str | None = None

    def parameters(self, key: str) -> dict[str, str]:
        """Those of the query, besides the condition and the paging."""
        names = ",".join(dict.fromkeys((key, *self.names)))
        code = wkid(self.crs) if self.geometry else None
        return {
            "outFields": names if len(names) <= _QUERY_CHARACTERS else "*",
            "returnGeometry": "true" if self.geometry else "false",
            **({"outSR": code} if code else {}),
        }


@dataclass(frozen=True)
class Row:
    """A row: values by field, and the geometry as ArcGIS has it; hostile."""

    attributes: Mapping[str, Any]
    geometry: Any


@dataclass(frozen=True)
class Page:
    """Some rows; the CRS of their geometries, None where it is not told; and whether the server holds back more."""

    rows: list[Row]
    crs: str | None
    more: bool


class Service:
    """The requests to one layer."""

    def __init__(self, client: http.Client) -> None:
        """Ask nothing yet."""
        self._client = client
        self._session = client.session

    async def layer(self) -> Layer:
        """The layer, as it describes itself.

        Raises:
            SourceError: UnexpectedContent where the endpoint is something else.
        """
        body = self._checked((await self._client.json(query={"f": "json"})).value)
        layer = Layer.read(body)
        if not layer.fields:
            raise self._no_layer(body)
        return layer

    async def count(self, where: str | None = None) -> int:
        """How many rows fulfil a condition.

        Raises:
            SourceError: MalformedData where the answer has no number.
        """
        number = (await self._query({"where": where or _ALL, "returnCountOnly": "true"})).get("count")
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= _MOST_ROWS:
            raise self.malformed("when asked how many rows there are, with no number")
        return number

    async def moment(self, layer: Layer, field: str, *, newest: bool) -> Any:
        """The newest or oldest moment in a field, as `Layer.moment` has it; None where no row comes."""
        body = await self._query(
            {
                "where": f"{field} IS NOT NULL",
                "outFields": field,
                "returnGeometry": "false",
                "orderByFields": f"{field} {'DESC' if newest else 'ASC'}",
                "resultRecordCount": "1",
            }
        )
        rows = [self._row(one) for one in as_array(body.get("features"))[:1]]
        return layer.moment(rows[0].attributes.get(field)) if rows else None

    async def pages(self, layer: Layer, choice: Choice, size: int) -> AsyncIterator[Page]:
        """The rows, as they are asked for: whoever stops after a page sends no request for the next.

        The last page has no rows: only that says for certain, with all servers, that there are no more.

        Args:
            layer: whose.
            choice: what of them.
            size: rows a page; a server may give fewer, and fewer are asked for where so many are too long a document.

        Raises:
            SourceError: MalformedData where the order is not that of the object ids; TooManyRequests at the bound of
                the session.
        """
        key = layer.key
        if key is None:
            raise self._session.error(
                SourceReason.UNEXPECTED_CONTENT,
                "has no field with an object id, by which rows are read in order: ask the data supplier for a layer "
                "with one",
            )
        parameters = {**choice.parameters(key), "orderByFields": key}
        last: int | None = None
        while True:
            conditions = [f"({choice.where})" if choice.where else "", f"{key} > {last}" if last is not None else ""]
            where = " AND ".join(filter(None, conditions)) or _ALL
            page, size = await self._page({**parameters, "where": where}, size)
            last = self._last(page, key, last)
            yield page
            if not page.rows:
                return

    async def _page(self, parameters: Mapping[str, str], size: int) -> tuple[Page, int]:
        """A page, and how many rows it could have."""
        while True:
            try:
                body = await self._query({**parameters, "resultRecordCount": str(size)})
                break
            except answers.TooLongError:
                if size == 1 or self._session.received >= self._session.limits.max_bytes:
                    raise
                size = max(size // 4, 1)
        rows = [self._row(one) for one in as_array(body.get("features"))]
        if not isinstance(body.get("features"), list) or (not rows and body.get("exceededTransferLimit") is True):
            raise self.malformed("with what is no page of rows")
        return Page(rows, crs_of(body.get("spatialReference")), body.get("exceededTransferLimit") is True), size

    def _row(self, value: Any) -> Row:
        row = as_object(value)
        attributes = row.get("attributes")
        if not isinstance(attributes, dict):
            raise self.malformed("with a row that has no attributes")
        return Row(attributes, row.get("geometry"))

    def _last(self, page: Page, key: str, last: int | None) -> int | None:
        for row in page.rows:
            id = row.attributes.get(key)
            if not isinstance(id, int) or isinstance(id, bool):
                raise self.malformed(f"with a row without a whole number as {printable(key, 60)}")
            if last is not None and id <= last:
                raise self.malformed(f"with rows that are not in the order of {printable(key, 60)}, or come twice")
            last = id
        return last

    async def _query(self, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        return self._checked((await self._client.json("query", query={**parameters, "f": "json"})).value)

    def _checked(self, value: Any) -> Mapping[str, Any]:
        """An answer that reports no error: servers say that all is well (HTTP 200) with one in the document."""
        if not isinstance(value, dict):
            raise self._no_layer({})
        if "error" not in value:
            return value
        code = as_object(value["error"]).get("code")
        if code in _UNAUTHORIZED:
            secret = "correct the Secret named" if self._session.target.auth else "name a Secret"
            raise self._session.error(SourceReason.UNAUTHORIZED, f"answers with error {code}: {secret} in credentials")
        number = f" {code}" if isinstance(code, int) and 0 <= code < 10**6 else ""
        # Its message may hold anything.
        raise self._session.error(
            SourceReason.ERROR_REPORTED,
            f"answers with error{number}: correct the endpoint, or ask the data supplier",
        )

    def _no_layer(self, body: Mapping[str, Any]) -> SourceError:
        ids = [as_object(one).get("id") for name in ("layers", "tables") for one in as_array(body.get(name))]
        numbers = ", ".join(str(id) for id in ids[:_SHOWN] if isinstance(id, int) and 0 <= id < 10**6)
        there = f" (it has {numbers}{' and others' if len(ids) > _SHOWN else ''})" if numbers else ""
        return self._session.error(
            SourceReason.UNEXPECTED_CONTENT,
            f"answers with what is no layer or table: give the URL of one{there}, which ends in /FeatureServer/ and a "
            "number",
        )

    def malformed(self, what: str) -> SourceError:
        """The error for an answer that breaks the specification."""
        return self._session.error(SourceReason.MALFORMED_DATA, f"answers {what}: ask the data supplier")
