"""Files that an app wrote, opened as hostile.

A link to the truth would be read as a prediction, and score 1; a FIFO would hold the reader for ever. Each file lies
right in the folder, which is a mount of its own: so O_NOFOLLOW on the last component leaves no link to follow.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ddtas.scoring.faults import ScoreError, ScoreReason

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_DONT = "write a regular file, readable by all, and no link"


class OutputFile:
    """An open file of an app, for those who read a stream: what was read is counted and hashed.

    Attributes:
        name: of the file.
        closed: whether it is.
    """

    def __init__(self, descriptor: int, name: str, most_bytes: int) -> None:
        self.name = name
        self.closed = False
        self._file = os.fdopen(descriptor, "rb", buffering=0)
        self._left = most_bytes
        self._most = most_bytes
        self._hash = hashlib.sha256()

    def read(self, count: int = -1) -> bytes:
        """At most `count` bytes; fewer only at the end.

        Raises:
            ScoreError: OutputTooLarge.
        """
        parts, wanted = [], self._left + 1 if count < 0 else min(count, self._left + 1)
        while wanted > 0 and (part := self._file.read(min(wanted, 1 << 20))):
            parts.append(part)
            wanted -= len(part)
        data = b"".join(parts)
        self._left -= len(data)
        if self._left < 0:  # it grew after it was opened
            raise too_large(self.name, self._most)
        self._hash.update(data)
        return data

    def beginning(self, count: int) -> bytes:
        """The first bytes, which are still to be read."""
        return os.pread(self._file.fileno(), count, 0)

    def close(self) -> None:
        """Close the file."""
        self.closed = True
        self._file.close()

    def digest(self) -> str:
        """SHA-256 of the whole file."""
        while self.read(1 << 20):
            pass
        return f"sha256:{self._hash.hexdigest()}"


def too_large(name: str, most_bytes: int) -> ScoreError:
    """The fault of a file that has too many bytes."""
    return ScoreError(
        ScoreReason.OUTPUT_TOO_LARGE, f"{name} has more than {most_bytes} bytes: write only what was asked for"
    )


@contextmanager
def opened(folder: Path, name: str, most_bytes: int) -> Iterator[OutputFile | None]:
    """A file right in a folder; None where there is none of that name.

    Raises:
        ScoreError: OutputUnreadable, OutputTooLarge.
    """
    descriptor = _descriptor(folder, name)
    if descriptor is None:
        yield None
        return
    try:
        _check(os.fstat(descriptor), name, most_bytes)
    except ScoreError:
        os.close(descriptor)
        raise
    file = OutputFile(descriptor, name, most_bytes)
    try:
        yield file
    finally:
        file.close()


def _descriptor(folder: Path, name: str) -> int | None:
    if "/" in name or name in ("", ".", ".."):
        raise ValueError("the name of a file has no folder")
    try:
        root = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY)
        try:
            return os.open(name, _FLAGS, dir_fd=root)
        finally:
            os.close(root)
    except FileNotFoundError:
        return None
    except OSError as error:
        why = "is a link" if error.errno == errno.ELOOP else f"cannot be opened ({os.strerror(error.errno or 0)})"
        raise ScoreError(ScoreReason.OUTPUT_UNREADABLE, f"{name} {why}: {_DONT}") from None


def _check(status: os.stat_result, name: str, most_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ScoreError(ScoreReason.OUTPUT_UNREADABLE, f"{name} is no regular file: {_DONT}")
    if status.st_nlink != 1:
        raise ScoreError(ScoreReason.OUTPUT_UNREADABLE, f"{name} has a second name (a hard link): {_DONT}")
    if status.st_size > most_bytes:
        raise too_large(name, most_bytes)
