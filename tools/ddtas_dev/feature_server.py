"""Koop's FeatureServer, Esri's own implementation of the GeoServices REST specification, from npm, cached.

Its packages are checked against the hashes of ``package-lock.json`` in ``tools/node/feature_server``, and their install
scripts do not run. One folder of the cache belongs to one state of those files.
"""

import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from ddtas_dev import packages, paths
from ddtas_dev.console import DevError, Progress
from ddtas_dev.shell import locked, run

FOLDER = paths.NODE_MODULES / "feature_server"
NODE = 18
_PACKAGES = ("--omit=optional", "--omit=peer", "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund")


def ensure() -> tuple[str | Path, ...]:
    """The words of a command that starts the server, installed first where the cache lacks it.

    What is to be added: a port, and a folder with a GeoJSON file for each service.
    """
    _ensure_node()
    target = paths.cache() / "node" / f"feature-server-{_key()}"
    if not target.exists():
        with locked(target.parent / ".lock", "it is installing the feature server"):
            if not target.exists():
                _install(target)
    return ("node", target / "server.js")


def _key() -> str:
    digest = hashlib.sha256()
    for file in sorted(FOLDER.iterdir()):
        digest.update(b"\0" + file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def _ensure_node() -> None:
    if _node_version() < NODE or shutil.which("npm") is None:
        packages.ensure("nodejs", "npm")
    if (found := _node_version()) < NODE:
        raise DevError(f"Node.js {NODE} or newer is needed, `node` is {found or 'absent'}: put a newer one on the PATH")


def _node_version() -> int:
    """Its major version; 0 where there is none."""
    try:
        said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    found = re.match(r"v(\d+)", said.stdout)
    return int(found[1]) if found else 0


def _install(target: Path) -> None:
    with (
        Progress("installing the feature server"),
        tempfile.TemporaryDirectory(prefix=".installing-", dir=target.parent) as scratch,
    ):
        made = Path(scratch) / "made"
        shutil.copytree(FOLDER, made)
        run(["npm", "ci", *_PACKAGES], cwd=made, hint="Is the npm registry within reach? npm's own settings name it.")
        made.rename(target)
