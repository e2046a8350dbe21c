"""Real data servers that the protocol tests start and that Debian does not carry, from other package registries.

=============  ===================================  ==================================
server         from                                 needs
=============  ===================================  ==================================
Versity S3     the Go module proxy                  Go
FROST-Server   Maven Central, by Debian's Maven     a JDK; PostGIS when it is started
FeatureServer  npm                                  Node.js
=============  ===================================  ==================================

Of NGSI-LD no broker could be had from a package registry: ``tests/protocols/servers/ngsi_ld_stand_in.py`` stands in.
"""

from pathlib import Path

from ddtas_dev import binaries, feature_server, frost


def ensure() -> None:
    """Install them all where they are missing; raises DevError with what to do when that fails."""
    s3_server()
    sensorthings_server()
    arcgis_server()


def s3_server() -> Path:
    """The S3 server: the path of ``versitygw``."""
    return binaries.ensure_one("versitygw")


def sensorthings_server() -> tuple[str | Path, ...]:
    """The SensorThings server: a command, to be given one file of settings (see ``tools/maven/frost``)."""
    return frost.ensure()


def arcgis_server() -> tuple[str | Path, ...]:
    """The feature server: a command, to be given a port and a folder of GeoJSON (see ``tools/node/feature_server``)."""
    return feature_server.ensure()
