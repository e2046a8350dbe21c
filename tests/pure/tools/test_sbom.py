"""The parts list of the operator's image names everything that is installed into it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from ddtas import __version__
from ddtas_dev.images import context_files
from ddtas_dev.sbom import locked, sbom

REPO = Path(__file__).parents[3]
LOCK = (REPO / "requirements.lock").read_text()


def test_it_names_all_packages_of_the_lock_with_version_and_digests() -> None:
    # Some are there twice: another version for another Python.
    wanted = set(re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==(\S+)", LOCK, re.MULTILINE))
    assert len(wanted) > 20
    made = sbom(LOCK, __version__)
    assert {(c["name"], c["version"]) for c in made["components"]} == wanted
    assert sum(len(c["externalReferences"]) for c in made["components"]) == LOCK.count("--hash=sha256:")
    assert all(c["externalReferences"] for c in made["components"])
    refs = {c["bom-ref"] for c in made["components"]}
    assert len(refs) == len(wanted)
    assert set(made["dependencies"][0]["dependsOn"]) == refs
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")


def test_names_are_those_of_the_index() -> None:
    found: dict[str, Any] = sbom("Some_Thing.else==1.0 \\\n    --hash=sha256:" + "a" * 64, "1.0")["components"][0]
    assert found["purl"] == "pkg:pypi/some-thing-else@1.0"
    assert locked("# nothing\n") == []


def test_the_image_is_built_with_it() -> None:
    text = (REPO / "Dockerfile").read_text()
    assert "python sbom.py requirements.lock > /opt/sbom.cdx.json" in text
    assert "COPY --from=build /opt/sbom.cdx.json" in text
    for label in ("title", "licenses", "revision", "base.name"):
        assert f"org.opencontainers.image.{label}=" in text
    sees = {file.relative_to(REPO).as_posix() for file in context_files(REPO)}
    assert {"requirements.lock", "tools/ddtas_dev/sbom.py", "operator/ddtas/__init__.py"} <= sees
    # As the build does it, without the other tools.
    command = [sys.executable, "tools/ddtas_dev/sbom.py", "requirements.lock"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True, env={"PYTHONPATH": "operator"})
    assert json.loads(done.stdout) == sbom(LOCK, __version__)
