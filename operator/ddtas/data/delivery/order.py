"""What the runner is told to do: a file that it finds in its configuration, without any secret."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from ddtas.data.contract import Credentials, DataContract
from ddtas.data.delivery.table import Table
from ddtas.schema.model import Model
from ddtas.schema.types import Duration, Line, PartName, Timestamp

FILE = "fetch.json"


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
