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
    environ = contract.environment()
    config = Config(environ)
    if phase == "serve":
        from .web import serve

        try:
            serve(config)
        except AppError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            return 1
        return 0
    # As process 1 of a container Python does not die of SIGTERM: the kubelet would wait, then kill it without a word.
    signal.signal(signal.SIGTERM, _stop)
    result = contract.result_path(environ)
    try:
        encoded = _calibrate(config) if phase == "calibrate" else _validate(config)
        contract.write_result(encoded, result)
    except AppError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        contract.write_result(contract.failure(str(error)), result)
        return 1
    except Exception as error:
        # Anything else is a fault of this app; the platform must still learn why, and the trace goes to the log.
        contract.write_result(contract.failure(f"fault in the app: {type(error).__name__}: {error}"), result)
        raise
    _say(encoded.decode())
    return 0


def _calibrate(config: Config) -> bytes:
    # Imported here because each phase needs only a part, and spotpy and matplotlib take seconds to import.
    from .calibrate import calibrate
    from .data import load

    settings, run = config.settings(), config.run()
    window = run.window("calibration")
    record = load(config.table())
    _say(f"{run.municipality}: data from {record.start} to {record.end}")
    parameters, metrics, scored = calibrate(record, window, settings, _say)
    message = f"{settings.objective} {metrics[settings.objective]:.3f} on {metrics['scoredDays']} days"
    return contract.result(metrics, [scored], message, asdict(parameters))


def _validate(config: Config) -> bytes:
    from .data import load
    from .validate import validate

    settings, run, parameters = config.settings(), config.run(), config.calibrated()
    record = load(config.table())
    _say(f"{run.municipality}: data from {record.start} to {record.end}")
    metrics, scored = validate(record, run, settings, parameters)
    message = f"NSE {metrics['NSE']:.3f}, RSR {metrics['RSR']:.3f}, PBIAS {metrics['PBIAS']:.1f} %"
    return contract.result(metrics, [scored], f"{message} on {metrics['scoredDays']} days", None)


def _say(line: str) -> None:
    print(line, flush=True)


def _stop(number: int, frame: FrameType | None) -> None:
    raise AppError(
        f"stopped by signal {signal.Signals(number).name} before it was done; the platform may start it again"
    )


if __name__ == "__main__":
    sys.exit(main())
