"""``python -m nuisance_twin district|city calibrate|validate|serve``: one phase of one level's life."""

from __future__ import annotations

import argparse
import sys

from flood_twin import contract
from flood_twin.contract import AppError, Config
from flood_twin.data import load

from . import report
from .levels import LEVELS, City, District, observed
from .web import serve


def main() -> int:
    """Run a phase; see ``flood_twin.contract`` for what comes in and goes out. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="nuisance_twin", description="What a forecast means for a district, a city.")
    parser.add_argument("level", choices=sorted(LEVELS))
    parser.add_argument("phase", choices=("calibrate", "validate", "serve"))
    arguments = parser.parse_args()
    level = LEVELS[arguments.level]
    config = Config(contract.environment())
    try:
        if arguments.phase == "serve":
            serve(config, level)
        elif isinstance(level, District):
            _district(config, level, arguments.phase)
        else:
            _city(config, level, arguments.phase)
    except AppError as error:
        # The end of the log of a container that fails is what the platform shows.
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def _district(config: Config, level: District, phase: str) -> None:
    """A run that the platform judges: it leaves files."""
    if phase == "calibrate":
        seen, _ = observed(load(config.table()), config.run().window("calibration"))
        config.leave_parameters(level.calibrate(seen))
    else:
        days = config.days_to_predict()
        band = level.band(config.values(level.parameters))
        config.leave_predictions(days, {column: [value] * len(days) for column, value in band.items()})


def _city(config: Config, level: City, phase: str) -> None:
    """A run that the platform cannot judge: it reports metrics of its own."""
    record, run = load(config.table()), config.run()
    seen, window = observed(record, run.window("calibration"))
    if phase == "calibrate":
        found = level.calibrate(seen)
        report.write(level.skill(seen, seen, found), window, found)
    else:
        unseen, window = observed(record, run.window("validation"))
        report.write(level.skill(unseen, seen, config.values(level.parameters)), window)


if __name__ == "__main__":
    sys.exit(main())
