"""The file that says what is to be done, where it is the one that this container was made for."""

import hashlib
import os
from pathlib import Path

from ddtas.names import ORDER_DIGEST


class AlteredError(Exception):
    """The file is another one than the operator made this container for."""


def read(path: Path) -> bytes:
    """The bytes of an order. Where the environment has a digest, theirs must be the same.

    Raises:
        OSError: it cannot be read.
        AlteredError: it is another one.
    """
    text, expected = path.read_bytes(), os.environ.get(ORDER_DIGEST)
    if expected and hashlib.sha256(text).hexdigest() != expected:
        raise AlteredError(
            f"{path.name} is not the order that this run was made for: it was changed since, by the operator or by"
            " hand; start another run"
        )
    return text
