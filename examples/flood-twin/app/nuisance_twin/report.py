"""What a run reports that is not judged by the platform: the app's own word, in the container's termination message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from flood_twin import contract
from flood_twin.contract import AppError, Window


def write(metrics: Mapping[str, float], window: Window, parameters: Mapping[str, float] | None = None) -> None:
    """Report a run, to ``$DDTAS_RESULT`` or else to Kubernetes's default termination message path.

    :param window: the days that were really scored.
    :param parameters: calibrated ones; only calibration has them.
    :raises AppError: if it cannot be written.
    """
    path = Path(contract.environment().get("DDTAS_RESULT") or "/dev/termination-log")
    found = {} if parameters is None else {"parameters": dict(parameters)}
    text = json.dumps({"metrics": dict(metrics), "windows": [window.as_json()], **found}, allow_nan=False)
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise AppError(
            f"the result cannot be written to {path}: {error.strerror}; set DDTAS_RESULT to a writable path"
        ) from None
    print(text, flush=True)
