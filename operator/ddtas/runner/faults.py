"""Why a table cannot be delivered although its source was read."""

from enum import StrEnum

from ddtas.errors import Reasoned


class DeliveryReason(StrEnum):
    """Why there is no table, beside the reasons of sources: a closed list, shown in the status of an Installation."""

    UNREADABLE_VALUE = "UnreadableValue"
    """A value is not of the type that the contract says, and is not among the field's missing values."""

    VALUE_MISSING = "ValueMissing"
    """A field that the contract says is always there, or the key of a hold-out, has no value in some row."""

    TIME_ZONE_UNKNOWN = "TimeZoneUnknown"
    """A time has no offset, and the contract has no time zone."""

    TIME_DOES_NOT_EXIST = "TimeDoesNotExist"
    """A local time lies in the hour that clocks skip in spring."""

    DUPLICATE_TIMES = "DuplicateTimes"
    """Two rows of one series have the same time; or, of data without a time, the same keys."""

    INCOMPLETE = "Incomplete"
    """Fewer rows of the period are there than the requirement needs."""

    CANNOT_WITHHOLD = "CannotWithhold"
    """What the app is judged by cannot be kept from it: the table does not have it, or it tells rows apart."""

    LEFTOVERS = "Leftovers"
    """Files of an earlier attempt in the same pod cannot be removed."""

    COORDINATES_ELSEWHERE = "CoordinatesElsewhere"
    """The coordinates do not lie where the coordinate reference system of the contract has any."""

    ORDER_ALTERED = "OrderAltered"
    """What is to be fetched is not what the run was made for."""

    CANNOT_SEAL = "CannotSeal"
    """The node cannot keep the network from the app that gets the table."""

    OUT_OF_MEMORY = "OutOfMemory"
    """The table takes more memory than the runner may use."""

    STORAGE_FULL = "StorageFull"
    """The table takes more storage than the pod may use."""


class DeliveryError(Reasoned):
    """A table cannot be delivered: a DeliveryReason, and what is wrong, where, and what to do next."""
