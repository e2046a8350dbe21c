"""Debian packages that the machine lacks, installed by apt-get."""

import os
import shutil
from collections.abc import Sequence

from ddtas_dev.console import DevError, Progress
from ddtas_dev.shell import run, succeeds


def ensure(*names: str, services: bool = True) -> None:
    """Install those that are not installed; ``services``: whether a package may start the service that it brings."""
    missing = [name for name in names if not _installed(name)]
    if not missing:
        return
    wanted = " ".join(missing)
    if shutil.which("apt-get") is None:
        raise DevError(f"these programs are needed and this is no Debian: install what Debian calls {wanted}")
    as_root = _as_root(wanted)
    install = [*as_root, *_without_services(services), "apt-get", "install", "--yes", "--no-install-recommends"]
    install += missing
    with Progress(f"installing {wanted}"):
        # The package lists are fetched only when the ones at hand do not do: they may be absent or too old.
        if not succeeds(install, env=_QUIET):
            run([*as_root, "apt-get", "update"], env=_QUIET, hint="Are Debian's packages within reach?")
            run(install, env=_QUIET, hint=f"To see more, run: apt-get install {wanted}")


_QUIET = {"DEBIAN_FRONTEND": "noninteractive"}

# Debian asks the program policy-rc.d before a package starts a service, and a file whether a new PostgreSQL gets a
# first database. Both files are there for the time of the installation only. A policy that the machine has is left.
_WITHOUT_SERVICES = """
policy=/usr/sbin/policy-rc.d cluster=/etc/postgresql-common/createcluster.d/no-cluster.conf ours='# for one install'
drop() { rm -f "$cluster"; if grep -qsxF "$ours" "$policy"; then rm -f "$policy"; fi; }
trap drop EXIT
trap 'exit 130' INT TERM HUP
if [ ! -e "$policy" ]; then printf '#!/bin/sh\\n%s\\nexit 101\\n' "$ours" >"$policy" && chmod 755 "$policy"; fi
mkdir -p "${cluster%/*}" && echo 'create_main_cluster = false' >"$cluster"
"$@"
"""


def _without_services(services: bool) -> Sequence[str]:
    return [] if services else ["sh", "-c", _WITHOUT_SERVICES, "sh"]


def _installed(name: str) -> bool:
    return succeeds(["sh", "-c", 'dpkg-query -W -f "\\${Status}" "$0" | grep -q "ok installed"', name])


def _as_root(wanted: str) -> list[str]:
    if os.geteuid() == 0:
        return []
    if succeeds(["sudo", "--non-interactive", "true"]):
        return ["sudo", "--preserve-env=DEBIAN_FRONTEND"]
    raise DevError(f"these packages are missing and installing them needs root: sudo apt-get install {wanted}")
