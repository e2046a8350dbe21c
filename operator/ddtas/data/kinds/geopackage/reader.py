"""What a GeoPackage is, and which of its layers is meant: https://www.geopackage.org/spec140/"""

from collections.abc import Iterable

from ddtas.data.session import Session, SourceReason
from ddtas.errors import SourceError, printable

ACCEPT = "application/geopackage+sqlite3, */*;q=0.1"
HEADER_BYTES = 100

_MAGIC = b"SQLite format 3\0"
_APPLICATIONS = (b"GPKG", b"GP10", b"GP11")


def check_header(header: bytes, session: Session) -> None:
    """Refuse what does not begin as a GeoPackage.

    Raises:
        SourceError: UnexpectedContent.
    """
    if not header.startswith(_MAGIC) or header[68:72] not in _APPLICATIONS:
        raise session.error(
            SourceReason.UNEXPECTED_CONTENT,
            "answers with other data instead of a GeoPackage: give the URL of the data itself",
        )


def layer_of(session: Session, names: Iterable[str]) -> str:
    """The layer that the source names, or the only one.

    Raises:
        SourceError: EntityNotFound where there is none, or several and none is named.
    """
    has = list(names)
    wanted = session.target.physical_name
    if wanted in has:
        return str(wanted)
    if wanted is None and len(has) == 1:
        return has[0]
    shown = ", ".join(printable(name, 40) for name in has[:8]) or "none"
    what = "has several layers" if wanted is None else f"has no layer '{printable(wanted, 60)}'"
    raise session.error(SourceReason.ENTITY_NOT_FOUND, f"{what}: set physicalName to one of {shown}")


def malformed(session: Session, what: str) -> SourceError:
    """The error for a file that is broken."""
    return session.error(
        SourceReason.MALFORMED_DATA, f"is no GeoPackage that can be read: {what}: ask the data supplier to correct it"
    )
