"""The launcher of sealed runs, as the image of the runner has it: compiled from `seal/`, and cached."""

import hashlib
import os
import tempfile
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
    return stage(architecture) / "opt" / "seal"


def stage(architecture: str) -> Path:
    """What the stage `build-seal` of the Dockerfile makes, as a folder."""
    key = hashlib.sha256(b"\0".join((SOURCE / file).read_bytes() for file in FILES)).hexdigest()[:12]
    folder = paths.cache() / "seal" / f"{architecture}-{key}"
    if not folder.exists():
        with locked(folder.parent / ".lock", "it is compiling seal"):
            if not folder.exists():
                _compile(architecture, folder)
    return folder


def _compile(architecture: str, folder: Path) -> None:
    python = environments.ensure("ziglang", SOURCE / "requirements.lock", "440 MB")
    with Progress(f"compiling seal for {architecture}"), tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        new = Path(scratch, "new")
        (new / "opt").mkdir(parents=True)
        run([SOURCE / "build", architecture, new / "opt" / "seal"], env={"PYTHON": str(python)})
        os.replace(new, folder)
