"""The launcher of sealed runs, as the image of the runner has it: compiled from `seal/`, and cached."""

import hashlib
import os
from pathlib import Path

from ddtas_dev import environments, paths
from ddtas_dev.console import Progress
from ddtas_dev.shell import locked, run

SOURCE = paths.REPO / "seal"
FILES = ("build", "requirements.lock", "seal.c")
ARCHITECTURES = ("x86_64", "aarch64")


def ensure() -> None:
    """Compile it for all architectures where the cache lacks them; raises DevError with what to do when that fails."""
    for architecture in ARCHITECTURES:
        seal(architecture)


def seal(architecture: str) -> Path:
    """The binary for an architecture, compiled first where the cache lacks it; raises DevError when that fails."""
    key = hashlib.sha256(b"\0".join((SOURCE / file).read_bytes() for file in FILES)).hexdigest()[:12]
    binary = paths.cache() / "seal" / f"{key}-{architecture}"
    if not binary.exists():
        with locked(binary.parent / ".lock", "it is compiling seal"):
            if not binary.exists():
                _compile(architecture, binary)
    return binary


def _compile(architecture: str, binary: Path) -> None:
    python = environments.ensure("ziglang", SOURCE / "requirements.lock", "440 MB")
    with Progress(f"compiling seal for {architecture}"):
        new = binary.with_suffix(".new")
        run([SOURCE / "build", architecture, new], env={"PYTHON": str(python)})
        os.replace(new, binary)
