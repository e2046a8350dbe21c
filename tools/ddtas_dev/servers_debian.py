"""Real data servers that the protocol tests start and that Debian carries; none is left running as a service.

====================  ==========================================
server                Debian package
====================  ==========================================
PostgreSQL, PostGIS   ``postgresql-15``, ``postgresql-15-postgis-3``
mosquitto (MQTT)      ``mosquitto``
MapServer (WFS)       ``cgi-mapserver``
====================  ==========================================
"""

from pathlib import Path
from typing import NoReturn

from ddtas_dev import packages
from ddtas_dev.console import DevError

# openssl makes the certificates of the servers.
PACKAGES = ("postgresql-15", "postgresql-15-postgis-3", "mosquitto", "cgi-mapserver", "openssl")
MAPSERVER = Path("/usr/lib/cgi-bin/mapserv")


def ensure() -> None:
    """Install them all where they are missing; raises DevError with what to do when that fails."""
    packages.ensure(*PACKAGES, services=False)


def postgresql() -> Path:
    """The folder with ``postgres``, ``initdb`` and ``psql``, of the newest version that is installed."""
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "postgres").exists()]
    if not found:
        _missing("PostgreSQL")
    return max(found, key=lambda path: int(path.parent.name))


def mosquitto() -> Path:
    """The MQTT broker; ``mosquitto_passwd`` is on the PATH."""
    path = Path("/usr/sbin/mosquitto")
    if not path.exists():
        _missing("mosquitto")
    return path


def mapserver() -> Path:
    """MapServer as a CGI program."""
    if not MAPSERVER.exists():
        _missing("MapServer")
    return MAPSERVER


def _missing(what: str) -> NoReturn:
    raise DevError(f"{what} is not installed: run `./dev test protocols`, or apt-get install {' '.join(PACKAGES)}")
