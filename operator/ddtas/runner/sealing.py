"""Puts `seal` where the app's container finds it, and tries that it works there, before any data is fetched.

`seal` is a program of this project (seal/seal.c): it starts the command of an app with files alone, without a network
and without anything of other processes. It runs here once for a trial: whether a volume may be executed from, and
whether the node takes a filter, is known before the app starts, and from a container that the app is not in.
"""

import os
import shutil
import subprocess
from pathlib import Path

from ddtas.errors import printable
from ddtas.runner.faults import DeliveryError, DeliveryReason

_SECONDS = 60.0  # of a trial, which takes milliseconds
_MOST_MESSAGE = 300


def install(binary: Path, target: Path) -> None:
    """Copy `seal` to a volume, executable and read-only for everybody, and try it there.

    Raises:
        DeliveryError: (CannotSeal) where it is not there, cannot be executed from there, or cannot seal.
    """
    try:
        _copy(binary, target)
    except OSError as error:
        raise _fault(f"cannot be put into {target.parent} ({error.strerror})") from None
    try:
        done = subprocess.run([target, "--check"], capture_output=True, timeout=_SECONDS, check=False, env={})
    except OSError as error:
        raise _fault(f"cannot be executed in {target.parent} ({error.strerror}){_hint(error)}") from None
    except subprocess.TimeoutExpired:
        raise _fault(f"did not end within {_SECONDS:g} s") from None
    if done.returncode:
        words = printable(done.stderr.decode(errors="replace"), _MOST_MESSAGE)
        raise _fault(f"ended with exit code {done.returncode}: {words or 'no message'}")


def _copy(binary: Path, target: Path) -> None:
    """As a whole or not at all: an attempt that was cut off leaves no half of it."""
    new = target.with_name(f".{target.name}.new")
    new.unlink(missing_ok=True)
    shutil.copyfile(binary, new)
    new.chmod(0o555)
    os.replace(new, target)


def _hint(error: OSError) -> str:
    return ", as on a volume that is mounted noexec" if isinstance(error, PermissionError) else ""


def _fault(what: str) -> DeliveryError:
    message = f"seal, which starts the app without a network, {what}. Have runs go to nodes that can seal"
    return DeliveryError(DeliveryReason.CANNOT_SEAL, message)
