"""What a calibration found: parameters.json in its output, read as hostile."""

import json
import math
import re
from pathlib import Path
from typing import Any

from ddtas.errors import printable
from ddtas.scoring.faults import ScoreError, ScoreReason
from ddtas.scoring.files import opened
from ddtas.scoring.order import PARAMETERS
from ddtas.scoring.report import FoundParameter

_MOST_BYTES = 64 * 1024
_MOST = 64
_LARGEST_EXACT = 2**53
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}\Z")


def read_parameters(output: Path, wanted: bool) -> tuple[FoundParameter, ...]:
    """The parameters that a run found, by name.

    Args:
        output: the folder of the app's output.
        wanted: whether it must have found some; else there must be no such file.

    Raises:
        ScoreError: OutputMissing, OutputUnreadable, OutputTooLarge, OutputMalformed.
    """
    with opened(output, PARAMETERS, _MOST_BYTES) as file:
        if file is None:
            if wanted:
                text = f"there is no {PARAMETERS}: a calibration writes what it found there, as numbers by name"
                raise ScoreError(ScoreReason.OUTPUT_MISSING, text)
            return ()
        if not wanted:
            raise _malformed("is there, and only a calibration may find parameters: do not write it in this run")
        data = file.read()
    return tuple(_parameter(name, value) for name, value in sorted(_object(data).items()))


def _object(data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data.decode(), object_pairs_hook=_once, parse_int=float)
    except ScoreError:
        raise
    except (ValueError, RecursionError):
        raise _malformed('is no JSON in UTF-8: write such as {"k": 0.5}') from None
    if not isinstance(content, dict) or not 0 < len(content) <= _MOST:
        raise _malformed(f'has not 1 to {_MOST} numbers by name: write such as {{"k": 0.5}}')
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise _malformed("has a name twice: write each parameter once")
    return content


def _parameter(name: str, value: Any) -> FoundParameter:
    if not _NAME.match(name):
        raise _malformed(
            f"has the name {printable(name, 70)!r}: use at most 63 letters, digits, dots, hyphens and underscores, and "
            "begin with a letter"
        )
    if not isinstance(value, float) or not math.isfinite(value):
        raise _malformed(f"has no finite number for {name}: write a number")
    return FoundParameter(name=name, value=exact(value))


def _malformed(what: str) -> ScoreError:
    return ScoreError(ScoreReason.OUTPUT_MALFORMED, f"{PARAMETERS} {what}")


def exact(value: float) -> str:
    """A finite number as a text that reads back as the same one."""
    whole = value.is_integer() and abs(value) <= _LARGEST_EXACT
    return str(int(value)) if whole else repr(value)
