"""Virtual environments in the cache for what is installed from a hashed lock of its own, apart from this project's."""

import hashlib
import shutil
import sys
from pathlib import Path

from ddtas_dev import paths
from ddtas_dev.console import Progress
from ddtas_dev.shell import Words, locked, run


def ensure(name: str, lock: Path, size: str) -> Path:
    """The Python of an environment, made first where the cache lacks it.

    Args:
        name: of what is installed.
        lock: a requirements file with digests. One environment belongs to one lock and one Python.
        size: how much it takes on the disk, for a person.

    Raises:
        DevError: with what to do, when the installation fails.
    """
    key = hashlib.sha256(f"{sys.version_info[:3]} {lock.read_text()}".encode()).hexdigest()[:12]
    target = paths.cache() / "python" / f"{name}-{key}"
    # A folder of that name may be half of an installation that was interrupted.
    complete = target / "complete"
    if not complete.exists():
        with locked(target.parent / f".{name}.lock", f"it is installing {name}"):
            if not complete.exists():
                _install(name, lock, target, size)
                complete.touch()
    return target / "bin" / "python"


def _install(name: str, lock: Path, target: Path, size: str) -> None:
    shutil.rmtree(target, ignore_errors=True)
    with Progress(f"installing {name}"):
        run([sys.executable, "-m", "venv", target], hint="Does this Python come with ensurepip (python3-venv)?")
        pip: Words = [target / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        hint = f"Is the package index within reach, and is the disk not full? It takes {size}."
        run([*pip, "--require-hashes", "-r", lock], hint=hint)
