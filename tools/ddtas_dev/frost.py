"""FROST-Server, a SensorThings server, from pinned artifacts of Maven Central in ``tools/maven/frost``, cached.

The artifacts are checked against the digests in ``artifacts.sha256``; our own main class is compiled against them.
One folder of the cache belongs to one state of these files.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from ddtas_dev import packages, paths
from ddtas_dev.console import DevError, Progress
from ddtas_dev.shell import Words, locked, run

FOLDER = paths.MAVEN_MODULES / "frost"
DIGESTS = FOLDER / "artifacts.sha256"
MAIN = "SensorThings"
# What the main class and the artifacts are compiled for.
JAVA = 17


def ensure() -> tuple[str | Path, ...]:
    """The words of a command that starts the server, installed first where the cache lacks it.

    What is to be added is the one argument of ``SensorThings.java``, its file of settings. A Java runtime is
    installed too; the server's database is not.
    """
    _ensure_java()
    target = paths.cache() / "java" / f"frost-{_key()}"
    if not target.exists():
        with locked(target.parent / ".lock", "it is building the SensorThings server"):
            if not target.exists():
                _build(target)
    # A small server that is up soon, not one for heavy use.
    options = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
    return ("java", *options, "-cp", os.pathsep.join((str(target / "classes"), f"{target}/lib/*")), MAIN)


def _key() -> str:
    digest = hashlib.sha256()
    for file in sorted(FOLDER.iterdir()):
        digest.update(b"\0" + file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def _ensure_java() -> None:
    if _java_version() < JAVA:
        packages.ensure(f"openjdk-{JAVA}-jdk-headless")
    if (found := _java_version()) < JAVA:
        raise DevError(f"Java {JAVA} or newer is needed, `javac` is {found or 'absent'}: put a newer one on the PATH")


def _java_version() -> int:
    """The compiler's major version; 0 where there is none."""
    try:
        said = subprocess.run(["javac", "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    found = re.search(r"javac (\d+)", said.stdout + said.stderr)
    return int(found[1]) if found else 0


def _build(target: Path) -> None:
    if shutil.which("mvn") is None:
        packages.ensure("maven")
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        Progress("building the SensorThings server"),
        tempfile.TemporaryDirectory(prefix=".building-", dir=target.parent) as scratch,
    ):
        lib, classes = Path(scratch) / "built" / "lib", Path(scratch) / "built" / "classes"
        fetch: Words = [
            "mvn",
            "--batch-mode",
            "--quiet",
            f"-Dmaven.repo.local={scratch}/repository",
            "--file",
            FOLDER / "pom.xml",
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
            f"-DoutputDirectory={lib}",
        ]
        run(fetch, hint="Is Maven Central within reach? Maven's settings.xml names proxies and mirrors.")
        check_digests(lib, DIGESTS.read_text())
        compile_main: Words = [
            "javac",
            "--release",
            str(JAVA),
            "-cp",
            f"{lib}/*",
            "-d",
            classes,
            FOLDER / f"{MAIN}.java",
        ]
        run(compile_main, hint="Do the versions in pom.xml fit the main class?")
        lib.parent.rename(target)


def check_digests(folder: Path, expected: str) -> None:
    """Raise unless a folder has just the files, with just the contents, that lines of sha256sum name."""
    found = "".join(
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(folder.iterdir())
    )
    if set(found.splitlines()) != set(expected.splitlines()):
        raise DevError(
            f"what was fetched is not what {DIGESTS} lists; if you changed the pom.xml, and you trust the source, "
            f"write this there:\n{found}"
        )
