"""buildah with a storage of its own, in the cache: works without a daemon, and leaves the machine's storage alone."""

from pathlib import Path

from ddtas_dev import packages, paths
from ddtas_dev.shell import run, succeeds

# chroot and vfs need no kernel feature that a machine without Docker may lack.
ENVIRONMENT = {"BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}


def buildah(*arguments: str, cwd: Path | None = None, hint: str = "") -> str:
    """Run a buildah command and return what it prints."""
    packages.ensure("buildah", "ca-certificates")
    return run(_command(arguments), cwd=cwd, env=ENVIRONMENT, hint=hint)


def has_image(reference: str) -> bool:
    """Whether its storage has an image."""
    return succeeds(_command(("inspect", "--type", "image", reference)), env=ENVIRONMENT)


def _command(arguments: tuple[str, ...]) -> list[str]:
    home = paths.cache() / "buildah"
    return ["buildah", "--root", str(home / "storage"), "--runroot", str(home / "run"), *arguments]
