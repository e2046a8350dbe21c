"""How this machine's pip reaches its package index, handed to the builds of images.

A container sees neither the environment nor the certificates of the machine. They are mounted for the time of the
build only: nothing about this machine's network ends up in an image.
"""

import ast
import os
import re
import sys
from pathlib import Path

from ddtas_dev.shell import run

CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
FOR_A_BUILD = ("index-url", "extra-index-url", "proxy", "trusted-host", "timeout", "default-timeout", "retries")


def mounts(folder: Path) -> list[str]:
    """The options of a build that mount pip's settings and the certificates; the files are made in a folder."""
    settings = folder / "pip.conf"
    settings.write_text(render(run([sys.executable, "-m", "pip", "config", "list"])))
    found = [f"--volume={settings}:/etc/pip.conf:ro"]
    if bundle := ca_bundle():
        found.append(f"--volume={bundle}:{CA_BUNDLE}:ro")
    return found


def ca_bundle() -> Path | None:
    """The certificates that this machine trusts."""
    candidates = [os.environ.get(name) for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")]
    found = [Path(name) for name in [*candidates, str(CA_BUNDLE)] if name and Path(name).is_file()]
    return found[0].resolve() if found else None


def render(listed: str) -> str:
    r"""A pip.conf from what ``pip config list`` prints; of settings made twice the environment's count.

    >>> print(render("global.timeout='5'\n:env:.timeout='9'\nglobal.find-links='/wheels'"))
    [global]
    timeout = 9
    cert = /etc/ssl/certs/ca-certificates.crt
    disable-pip-version-check = true
    root-user-action = ignore
    <BLANKLINE>
    """
    values: dict[str, str] = {}
    lines = [found for line in listed.splitlines() if (found := re.match(r"(:env:|\w+)\.([\w-]+)=(.*)", line))]
    for line in sorted(lines, key=lambda found: found[1] == ":env:"):
        if line[2] in FOR_A_BUILD:
            values[line[2].removeprefix("default-")] = str(ast.literal_eval(line[3])).strip().replace("\n", "\n  ")
    values |= {"cert": str(CA_BUNDLE), "disable-pip-version-check": "true", "root-user-action": "ignore"}
    return "\n".join(["[global]", *(f"{name} = {value}" for name, value in values.items()), ""])
