"""Real data servers that the protocol tests start, from the Python package index: pygeoapi (OGC API Features).

It has a virtual environment of its own in the cache, from the hashed lock in ``tools/python``: it needs much that this
project does not. One folder of the cache belongs to one lock and one Python.
"""

import hashlib
import shutil
import sys
from pathlib import Path

from ddtas_dev import paths
from ddtas_dev.console import Progress
from ddtas_dev.shell import Words, locked, run

LOCK = paths.REPO / "tools" / "python" / "pygeoapi.lock"


def ensure() -> None:
    """Install pygeoapi where it is missing; raises DevError with what to do when that fails."""
    pygeoapi()


def pygeoapi() -> Path:
    """The Python that has pygeoapi and waitress, installed first where the cache lacks them."""
    target = paths.cache() / "python" / f"pygeoapi-{_key()}"
    # A folder of that name may be half of an installation that was interrupted.
    complete = target / "complete"
    if not complete.exists():
        with locked(target.parent / ".lock", "it is installing pygeoapi"):
            if not complete.exists():
                _install(target)
                complete.touch()
    return target / "bin" / "python"


def _key() -> str:
    return hashlib.sha256(f"{sys.version_info[:3]} {LOCK.read_text()}".encode()).hexdigest()[:12]


def _install(target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    with Progress("installing pygeoapi"):
        run([sys.executable, "-m", "venv", target], hint="Does this Python come with ensurepip (python3-venv)?")
        pip: Words = [target / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        hint = "Is the package index within reach, and is the disk not full? It takes 360 MB."
        run([*pip, "--require-hashes", "-r", LOCK], hint=hint)
