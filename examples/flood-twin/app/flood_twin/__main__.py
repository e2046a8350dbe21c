"""``python -m flood_twin calibrate|validate|serve``: one phase of the app's life, one container each."""

from __future__ import annotations

import argparse
import signal
import sys
from dataclasses import asdict
from types import FrameType

from . import contract
from .contract import AppError, Config


def main() -> int:
    """Run a phase; see ``contract`` for what comes in and goes out. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="flood_twin", description="A rainfall-runoff twin of a city's stream.")
    parser.add_argument("phase", choices=("calibrate", "validate", "serve"))
    phase = parser.parse_args().phase
    config = Config(contract.environment())
    if phase != "serve":
        # As process 1 of a container Python does not die of SIGTERM: the kubelet would wait, then kill it without a
        # word. Where it serves, aiohttp sees to that.
        signal.signal(signal.SIGTERM, _stop)
    try:
        {"calibrate": _calibrate, "validate": _validate, "serve": _serve}[phase](config)
    except AppError as error:
        # The end of the log of a container that fails is what the platform shows.
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def _calibrate(config: Config) -> None:
    # Imported here because each phase needs only a part, and spotpy and matplotlib take seconds to import.
    from .calibrate import calibrate
    from .data import load

    settings, run = config.settings(), config.run()
    record = load(config.table())
    _say(f"{run.municipality}: data from {record.span}")
    parameters = asdict(calibrate(record, run, settings, _say))
    config.leave_parameters(parameters)
    _say(", ".join(f"{name} {value:g}" for name, value in parameters.items()))


def _validate(config: Config) -> None:
    from .data import load
    from .predict import predict

    settings, run, parameters = config.settings(), config.run(), config.calibrated()
    record, days = load(config.table()), config.days_to_predict()
    _say(f"{run.municipality}: data from {record.span}, {len(days)} days to predict")
    config.leave_predictions(days, {"value": predict(record, days, parameters, settings)})


def _serve(config: Config) -> None:
    from .web import serve

    serve(config)


def _say(line: str) -> None:
    print(line, flush=True)


def _stop(number: int, frame: FrameType | None) -> None:
    raise AppError(
        f"stopped by signal {signal.Signals(number).name} before it was done; the platform may start it again"
    )


if __name__ == "__main__":
    sys.exit(main())
