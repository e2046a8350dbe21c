"""The base image where no registry can be reached: a small Debian with Python, put together from Debian's packages.

It stands in for ``python:3.13-slim``, so it answers to `python` and lets pip install, as that image does.
"""

import hashlib
import shutil
from pathlib import Path

from ddtas_dev import packages, paths
from ddtas_dev.buildah import buildah, has_image
from ddtas_dev.console import Progress
from ddtas_dev.shell import Words, locked, run, succeeds

SUITE = "bookworm"
PACKAGES = ("ca-certificates", "python3", "python3-pip", "python3-venv")
# Bump when the steps below change.
RECIPE = 1


def ensure() -> str:
    """The reference of the base image in buildah's own storage, made first when it is not there."""
    key = hashlib.sha256(f"{RECIPE} {SUITE} {PACKAGES}".encode()).hexdigest()[:12]
    reference = f"localhost/ddtas-base:{key}"
    if has_image(reference):
        return reference
    packages.ensure("debootstrap")
    root = paths.cache() / "base-root"
    with locked(paths.cache() / "base.lock", "it is building the base image"):
        if not has_image(reference):
            with Progress(f"building the base image: Debian {SUITE} with Python"):
                _debootstrap(root)
                _like_python_image(root)
                _commit(root, reference)
                shutil.rmtree(root)
    return reference


def _debootstrap(root: Path) -> None:
    # What a killed run left behind.
    succeeds(["umount", "--recursive", root / "proc"])
    shutil.rmtree(root, ignore_errors=True)
    command: Words = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, root]
    run([*command, *_mirror()], hint=f"More is in {root}/debootstrap/debootstrap.log")


def _mirror() -> list[str]:
    """Where this machine gets its Debian packages from; nothing means debootstrap's own default."""
    listed = run(["apt-get", "indextargets", "--format", "$(SUITE) $(SITE)", "Created-By: Packages"])
    sites = [line.split()[1] for line in listed.splitlines() if "security" not in line and line.split()[1:]]
    return sites[:1]


def _like_python_image(root: Path) -> None:
    for file in root.glob("usr/lib/python3*/EXTERNALLY-MANAGED"):
        file.unlink()
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    for folder in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(root / folder, ignore_errors=True)
        (root / folder).mkdir()


def _commit(root: Path, reference: str) -> None:
    container = buildah("from", "scratch").strip()
    try:
        buildah("add", container, str(root), "/")
        buildah("config", "--cmd", "python3", "--env", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", container)
        buildah("commit", container, reference)
    finally:
        buildah("rm", container)
