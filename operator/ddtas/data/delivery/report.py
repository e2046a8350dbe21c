"""What the runner says at its end, in its termination message: at most 4 KiB of JSON, read as hostile."""

from typing import Annotated

from pydantic import Field, StringConstraints

from ddtas.schema.model import Model
from ddtas.schema.types import PartName

MOST_TABLES = 16
_Count = Annotated[int, Field(ge=0, le=2**53 - 1)]  # what each reader of JSON takes for the same number


class FetchedTable(Model):
    """What was fetched for one requirement. The same for the same data and the same conversion."""

    requirement: PartName
    """The data requirement, by its name in the listing."""
    rows: _Count
    """The rows of the table."""
    bytes: _Count
    """The bytes that were received from the source."""
    start: Annotated[str, StringConstraints(max_length=40)] | None = None
    """The time of the first row (ISO 8601). Absent: no row, or the data has no time."""
    end: Annotated[str, StringConstraints(max_length=40)] | None = None
    """The time of the last row. Absent: no row, or the data has no time."""
    digest: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$", max_length=71)]
    """SHA-256 of data.parquet."""


class FetchFault(Model):
    """Why there is no table."""

    requirement: PartName
    """The data requirement, by its name in the listing."""
    reason: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z]{0,59}$", max_length=60)]
    """Why, in one word: a SourceReason, or a DeliveryReason."""
    message: Annotated[str, StringConstraints(max_length=1000)]
    """Why, in words for a person: what is wrong, where, and what to do next."""


class FetchReport(Model):
    """The whole report: all tables, or the first fault."""

    tables: Annotated[tuple[FetchedTable, ...], Field(max_length=MOST_TABLES)] = ()
    """What was fetched."""
    fault: FetchFault | None = None
    """Why not all was fetched. Absent: all was."""
