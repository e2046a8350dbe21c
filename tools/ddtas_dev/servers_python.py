"""Real data servers that the protocol tests start, from the Python package index: pygeoapi (OGC API Features)."""

from pathlib import Path

from ddtas_dev import environments, paths

LOCK = paths.REPO / "tools" / "python" / "pygeoapi.lock"


def ensure() -> None:
    """Install pygeoapi where it is missing; raises DevError with what to do when that fails."""
    pygeoapi()


def pygeoapi() -> Path:
    """The Python that has pygeoapi and waitress, installed first where the cache lacks them."""
    return environments.ensure("pygeoapi", LOCK, "360 MB")
