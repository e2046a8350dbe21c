"""What the runner is told to do: a file that it finds in its configuration, without any secret."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from ddtas.data.contract import Credentials, DataContract
from ddtas.data.delivery.table import Table
from ddtas.data.json_service import JsonService
from ddtas.schema.model import Model
from ddtas.schema.types import Duration, FieldName, Line, PartName, Timestamp

FILE = "fetch.json"


class Withheld(Model):
    """What is kept from the app, because it is judged on it: some fields, in a period or of a share of the keys.

    The whole table goes to who scores, and a row that is withheld is listed in predict/<target>.csv where the field of
    that target has a value.
    """

    targets: Annotated[Mapping[PartName, FieldName], Field(max_length=8)] = {}
    """The column that is withheld, by target. Absent: nothing of this table is to be predicted."""
    fields: Annotated[tuple[FieldName, ...], Field(max_length=64)] = ()
    """Columns that are withheld as well: a target of another table is made of the same field of the same source."""
    start: Timestamp | None = None
    """The first moment of the period that is withheld. Absent: it has no first one."""
    end: Timestamp | None = None
    """The moment at which that period ends (not part of it). Absent: it has no end."""
    key: FieldName | None = None
    """The column whose values are drawn. Absent: all rows of the period are withheld."""
    share_percent: Annotated[int, Field(ge=1, le=90)] | None = None
    """How many of the values of `key` are withheld, in percent. Absent: only where `key` is."""
    seed: Annotated[str, StringConstraints(max_length=64)] = ""
    """What the draw depends on. A key is withheld where the first eight bytes of SHA-256 of seed, a zero byte and the
    key as a text (big-endian), as a fraction of 2**64, are below the share."""


class Period(Model):
    """A time from a moment to another one, which is not part of it."""

    start: Timestamp
    """The first moment."""
    end: Timestamp
    """The moment after the last."""


class Delivery(Model):
    """One table to deliver. Where the source is, and with which credentials, its binding says (servicebinding.io)."""

    table: Table
    """What it becomes."""
    contract: DataContract
    """What the source promises."""
    start: Timestamp | None = None
    """The first moment of the period that is delivered. Absent: from the source's first row."""
    end: Timestamp | None = None
    """The moment at which the period ends (not part of it). Absent: to the source's last row."""
    refresh: Duration | None = None
    """How often `follow` fetches again. Absent: once an hour."""
    source: Line | None = None
    """The name of the data source on the platform. Absent: not said."""
    credentials: Credentials | None = None
    """How the values of the binding are used. Absent: the source is open."""
    withhold: Withheld | None = None
    """What the app does not get of it. Absent: it gets all."""
    windows: tuple[Period, ...] = ()
    """The parts of the period that must each be as complete as the table says. Absent: the whole of it."""
    json_service: JsonService | None = None
    """How the source is asked, of kind http-json. Absent: it is of another kind."""
    licence: Line | None = None
    """The licence of the data. Absent: not said."""
    attribution: Line | None = None
    """Who supplies the data. Absent: not said."""


class Network(Model):
    """Which addresses may be connected to, as AddressPolicy has it: CIDR ranges, namespaces, the cluster's domain."""

    allowed: tuple[str, ...] = ()
    """Ranges that are allowed although they are forbidden by default."""
    forbidden: tuple[str, ...] = ()
    """Ranges that are forbidden besides."""
    inside: tuple[str, ...] = ()
    """Ranges of the cluster's own Services and pods."""
    namespaces: tuple[str, ...] = ()
    """Namespaces whose Services may be reached."""
    domain: str = ""
    """What the full names of Services end in. Absent: cluster.local."""


class Order(Model):
    """All tables of one pod."""

    deliveries: Annotated[Mapping[PartName, Delivery], Field(max_length=16)]
    """By data requirement."""
    network: Network = Network()
    """Which addresses may be connected to."""
    namespace: str = ""
    """Of the pod, whose Services a source may be."""
