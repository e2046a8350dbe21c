"""The parts list of the operator's image (CycloneDX), from the lock that it is installed from.

The Dockerfile runs it, without the rest of these tools: `python sbom.py requirements.lock`. What the base image brings
is for the base image's own list to say.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from ddtas import __version__

_PACKAGE = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[^]]*\])?==(?P<version>[^ ;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def locked(lock: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """Name, version and the SHA-256 digests of each package of a lock, in order.

    >>> locked("aiohttp==3.1 \\\\\\n    --hash=sha256:" + 64 * "0")
    [('aiohttp', '3.1', ('0000000000000000000000000000000000000000000000000000000000000000',))]
    """
    blocks = re.split(r"^(?=\S)", lock, flags=re.MULTILINE)
    found = ((_PACKAGE.match(block), block) for block in blocks)
    return [(match["name"], match["version"], tuple(_HASH.findall(block))) for match, block in found if match]


def sbom(lock: str, version: str) -> dict[str, Any]:
    """The list as CycloneDX 1.6. The same lock gives the same list: it has no time and no serial number."""
    components = []
    for name, number, digests in locked(lock):
        purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{number}"
        component: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": name, "version": number, "purl": purl}
        # One for each file that may be installed (a wheel for each platform); which one it was, the lock does not say.
        files = [{"type": "distribution", "url": purl, "hashes": [{"alg": "SHA-256", "content": d}]} for d in digests]
        components.append(component | {"externalReferences": files})
    operator = {"type": "application", "bom-ref": "ddtas-operator", "name": "ddtas-operator", "version": version}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": operator},
        "components": components,
        "dependencies": [{"ref": "ddtas-operator", "dependsOn": [c["bom-ref"] for c in components]}],
    }


if __name__ == "__main__":
    print(json.dumps(sbom(Path(sys.argv[1]).read_text(), __version__), indent=1))
