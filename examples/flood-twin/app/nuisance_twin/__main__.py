"""``python -m nuisance_twin district|city calibrate|validate|serve``: one phase of one level's life."""

from __future__ import annotations

import argparse
import sys

from flood_twin import contract
from flood_twin.contract import AppError, Config
from flood_twin.data import load

from .levels import LEVELS, Level, observed
from .web import serve


def main() -> int:
    """Run a phase; see ``flood_twin.contract`` for what comes in and goes out. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="nuisance_twin", description="What a forecast means for a district, a city.")
    parser.add_argument("level", choices=sorted(LEVELS))
    parser.add_argument("phase", choices=("calibrate", "validate", "serve"))
    arguments = parser.parse_args()
    environ = contract.environment()
    config, level = Config(environ), LEVELS[arguments.level]
    result = contract.result_path(environ)
    try:
        if arguments.phase == "serve":
            serve(config, level)
            return 0
        encoded = run(config, level, arguments.phase)
        contract.write_result(encoded, result)
    except AppError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        if arguments.phase != "serve":
            contract.write_result(contract.failure(str(error)), result)
        return 1
    print(encoded.decode(), flush=True)
    return 0


def run(config: Config, level: Level, phase: str) -> bytes:
    """Calibrate or validate on the city's own series; the result for the termination message.

    :raises AppError: if the run cannot be made.
    """
    info = config.run()
    record = load(config.table())
    seen, window = observed(record, info.window("calibration"))
    if phase == "calibrate":
        found, metrics = level.calibrate(seen)
        return contract.result(metrics, [window], f"{len(seen)} days", found)
    unseen, window = observed(record, info.window("validation"))
    metrics = level.validate(unseen, seen, config.values(level.parameters))
    return contract.result(metrics, [window], f"{len(unseen)} days", None)


if __name__ == "__main__":
    sys.exit(main())
