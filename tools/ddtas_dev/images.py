"""The images of this project: built from ordinary Dockerfiles, with Docker or without, and only when they changed.

An image is tagged with a hash of all that went into it. So an unchanged one is neither built nor loaded again, and a
changed one never hides behind a tag that a node already has.
"""

import hashlib
import os
import platform
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from ddtas_dev import base_image, binaries, launcher, pip_settings
from ddtas_dev.buildah import buildah
from ddtas_dev.console import DevError, Progress
from ddtas_dev.engine import docker_answers
from ddtas_dev.layout import PAUSE_IMAGE
from ddtas_dev.paths import REPO, cache
from ddtas_dev.shell import Words, locked, run

# Never part of an image, whatever .dockerignore says, and too large to hash.
ALWAYS_IGNORED = (".git", ".venv", "__pycache__", "*.pyc", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis")
KEPT_BUILDS = 3


@dataclass(frozen=True)
class ImageSpec:
    """An image of this project: its name without a tag, its build context and its Dockerfile (from the top).

    `target` is the stage of the Dockerfile that it is; "" for the last one.
    """

    name: str
    context: str
    dockerfile: str
    target: str = ""


IMAGES: tuple[ImageSpec, ...] = (
    ImageSpec("localhost/ddtas-operator", ".", "Dockerfile"),
    ImageSpec("localhost/ddtas-runner", ".", "Dockerfile", "runner"),
    ImageSpec("localhost/flood-twin", "examples/flood-twin/app", "examples/flood-twin/app/Dockerfile"),
    ImageSpec("localhost/flood-data", "examples/flood-twin/data-server", "examples/flood-twin/data-server/Dockerfile"),
)


@dataclass(frozen=True)
class Image:
    """A built image: its full reference, and without Docker the archive that holds it."""

    reference: str
    archive: Path | None


def build_all() -> dict[str, Image]:
    """Build what the table lists, by name; an image whose Dockerfile is not there is skipped."""
    return {
        spec.name: build(REPO / spec.context, REPO / spec.dockerfile, spec.name, spec.target)
        for spec in IMAGES
        if (REPO / spec.dockerfile).exists()
    }


def build(context: Path, dockerfile: Path, name: str, target: str = "") -> Image:
    """Build an image unless it was built before from the same files."""
    if not dockerfile.exists():
        raise DevError(f"{name} cannot be built: there is no {dockerfile}")
    if docker_answers():
        return _build_with_docker(context, dockerfile, name, target)
    base = base_image.ensure()
    reference = f"{name}:{content_key(context, dockerfile, base)}"
    arguments = ("--build-arg", f"BASE={base}", *(_stage(target) if target else ()))
    return Image(reference, _archive(reference, context, dockerfile, arguments))


def _stage(target: str) -> tuple[str, ...]:
    """The options for one stage. That of the compiler takes longer than all else: what it makes is there already."""
    made = ("--build-context", f"build-seal={launcher.stage(platform.machine())}") if target == "runner" else ()
    return ("--target", target, *made)


def build_pause(binary: Path) -> Path:
    """The image that holds a pod's namespaces: one static binary."""
    with tempfile.TemporaryDirectory() as folder:
        dockerfile = Path(folder) / "Dockerfile"
        dockerfile.write_text('FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT ["/pause"]\n')
        return _archive(PAUSE_IMAGE, binary.parent, dockerfile, ())


def load_into_containerd(socket: Path, images: Sequence[Image]) -> None:
    """Make images known to a node; does nothing for those that it has."""
    for image in images:
        if image.archive is None:
            raise DevError(f"{image.reference} was built by Docker, and this cluster has no Docker")
        import_archive(socket, image.reference, image.archive)


def import_archive(socket: Path, reference: str, archive: Path) -> None:
    """Make one image known to a node; does nothing when it has it."""
    ctr: Words = [binaries.ensure_one("ctr"), "--address", socket, "--namespace", "k8s.io", "images"]
    if reference not in run([*ctr, "list", "--quiet"]).split():
        with Progress(f"loading {reference}"):
            run([*ctr, "import", "--local", "--index-name", reference, archive])


def content_key(context: Path, dockerfile: Path, base: str) -> str:
    """Changes whenever the built image could."""
    digest = hashlib.sha256(base.encode() + dockerfile.read_bytes())
    for file in context_files(context):
        mode = b"x" if os.access(file, os.X_OK) else b"-"
        content = str(file.readlink()).encode() if file.is_symlink() else file.read_bytes()
        digest.update(f"\0{file.relative_to(context)}\0".encode() + mode + hashlib.sha256(content).digest())
    return digest.hexdigest()[:12]


def context_files(context: Path) -> list[Path]:
    """The files that a build can see, in a fixed order."""
    file = context / ".dockerignore"
    ignored = dockerignore(file.read_text() if file.exists() else "")
    found: list[Path] = []
    for folder, subfolders, files in os.walk(context):
        subfolders[:] = [name for name in subfolders if not _never(name)]
        found += [Path(folder, name) for name in files if not _never(name)]
    return sorted(file for file in found if not ignored(file.relative_to(context).as_posix()))


def dockerignore(text: str) -> Callable[[str], bool]:
    """Whether a .dockerignore leaves out a path: the last line that matches it, or a folder above it, counts.

    >>> ignored = dockerignore("*\\n!operator\\n**/*.log")
    >>> ignored("tests/a.py"), ignored("operator/a.py"), ignored("operator/x/a.log")
    (True, False, True)
    """
    lines = [line.strip() for line in text.splitlines()]
    rules = [
        (not line.startswith("!"), re.compile(_pattern(line.removeprefix("!").strip("/"))))
        for line in lines
        if line and not line.startswith("#")
    ]
    return lambda path: next((leaves_out for leaves_out, rule in reversed(rules) if rule.fullmatch(path)), False)


def _pattern(line: str) -> str:
    special = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", line)
    return "".join(special.get(part, re.escape(part)) for part in parts) + "(?:/.*)?"


def _never(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in ALWAYS_IGNORED)


def _build_with_docker(context: Path, dockerfile: Path, name: str, target: str) -> Image:
    reference = f"{name}:{content_key(context, dockerfile, 'docker')}"
    # Docker's own cache tells an unchanged image; asking it costs a second.
    with Progress(f"building {reference}"):
        stage: Words = ["--target", target] if target else []
        run(["docker", "build", "--tag", reference, *stage, "--file", dockerfile, context])
    return Image(reference, None)


def _archive(reference: str, context: Path, dockerfile: Path, arguments: tuple[str, ...]) -> Path:
    archive = cache() / "images" / f"{reference.rpartition('/')[2].replace(':', '-')}.tar"
    if archive.exists():
        return archive
    with locked(cache() / "images.lock", "it is building an image"):
        if not archive.exists():
            archive.parent.mkdir(parents=True, exist_ok=True)
            with Progress(f"building {reference}"):
                _build(reference, context, dockerfile, arguments, archive)
            _drop_old(archive)
    return archive


def _drop_old(newest: Path) -> None:
    """Keep the last few builds of an image: going back to one, on another branch, costs nothing."""
    name = newest.name.rpartition("-")[0]
    others = [file for file in newest.parent.glob(f"{name}-*.tar") if file.name.rpartition("-")[0] == name]
    for file in sorted(others, key=lambda file: file.stat().st_mtime, reverse=True)[KEPT_BUILDS:]:
        file.unlink()


def _build(reference: str, context: Path, dockerfile: Path, arguments: tuple[str, ...], archive: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".building-", dir=archive.parent) as folder:
        mounts = pip_settings.mounts(Path(folder))
        buildah(
            "build", "--pull-never", *mounts, *arguments, "--tag", reference, "--file", str(dockerfile), str(context)
        )
        made = Path(folder) / "image.tar"
        buildah("push", reference, f"oci-archive:{made}:{reference}")
        os.replace(made, archive)
    # The archive is what is kept: vfs would keep a full copy of each layer beside it.
    buildah("rmi", reference)
