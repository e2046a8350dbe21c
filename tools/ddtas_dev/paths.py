"""Where things are: the checkout, the cache (safe to delete, slow to rebuild) and the state of running clusters."""

import os
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
GO_MODULES = REPO / "tools" / "go"
MAVEN_MODULES = REPO / "tools" / "maven"
NODE_MODULES = REPO / "tools" / "node"


def cache() -> Path:
    """Everything that can be rebuilt: binaries, base image, built images."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def state() -> Path:
    """The data of embedded clusters, one folder each."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def _xdg(variable: str, default: str) -> Path:
    base = os.environ.get(variable)
    return (Path(base) if base else Path.home() / default) / "ddtas"
