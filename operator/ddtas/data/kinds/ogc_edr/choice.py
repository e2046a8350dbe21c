"""Which data of a service is meant: what physicalName of a source says. Pure."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

LOCATIONS = "locations"
_QUERIES = ("position", "radius", "area", "cube", "trajectory", "corridor")
_OURS = ("datetime", "parameter-name", "f")  # of the query; others are those of physicalName


@dataclass(frozen=True)
class Choice:
    """A query of a collection.

    Attributes:
        collection: its path below the endpoint; of an instance, where one is named.
        kind: of the query: locations, position, area, cube, …
        location: the id of the one location; None for all of them, or another query.
        parameters: of the query, such as coords and bbox.
    """

    collection: str
    kind: str
    location: str | None
    parameters: dict[str, str]

    @property
    def path(self) -> str:
        """Of the query, below the endpoint; of all locations the list."""
        return self.path_of(self.location) if self.location is not None else f"{self.collection}/{self.kind}"

    def path_of(self, location: str) -> str:
        """Of one location."""
        return f"{self.collection}/{LOCATIONS}/{quote(location, safe='')}"

    @classmethod
    def read(cls, physical_name: str) -> "Choice":
        """COLLECTION, COLLECTION/locations/ID, COLLECTION/position?coords=…, COLLECTION/cube?bbox=…, and so on.

        COLLECTION may be COLLECTION/instances/ID; alone it means all locations.

        Raises:
            ValueError: it is none of these.
        """
        path, _, query = physical_name.partition("?")
        parts = path.split("/")
        length = 3 if parts[1:2] == ["instances"] else 1
        base, rest = parts[:length], parts[length:]
        if len(base) < length or any(part in ("", ".", "..") for part in parts):
            raise ValueError("no collection")
        collection = "collections/" + "/".join(quote(part, safe="") for part in base)
        parameters = {name: value for name, value in parse_qsl(query, keep_blank_values=True) if name not in _OURS}
        match rest:
            case [] | ["locations"]:
                return cls(collection, LOCATIONS, None, parameters)
            case ["locations", location]:
                return cls(collection, LOCATIONS, location, parameters)
            case [kind] if kind in _QUERIES and parameters:
                return cls(collection, kind, None, parameters)
        raise ValueError("no query")
