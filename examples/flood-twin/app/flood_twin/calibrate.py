"""Find the model parameters that fit this city's own observations best.

The search is spotpy's SCE-UA (shuffled complex evolution; Duan et al., 1994, J. Hydrol. 158, 265-284), started afresh
``STARTS`` times from different points with a share of the repetitions each; the best one wins. One start alone
sometimes ends in a second, lower optimum (on spotpy's example data one in five does), and a search that is cut short
ends beside the top: both would make the verdict of the validation a matter of the seed. With 7,500 repetitions, the
default, eight of eight seeds agreed there to two digits in every metric; with 1,500 they did not. The seed is the
platform's, so that nobody can go on until a seed passes.
"""

from __future__ import annotations

import contextlib
import io
import math
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import spotpy  # type: ignore[import-untyped,unused-ignore]

from .contract import RunInfo, Settings, Window
from .data import DataError, Record
from .metrics import OBJECTIVES, NotScorable
from .model import BOUNDS, Parameters, Series, discharge, simulate

_spotpy: Any = spotpy
"""spotpy has no type hints; as Any, one name says so instead of an exception at each call."""

STARTS = 3
COMPLEXES = 4
"""SCE-UA's sub-populations. More of them search wider but converge later; four converge within 2,500 model runs."""
MIN_WARM_UP_DAYS = 180
MIN_OBSERVED_DAYS = 30
"""Fewer days say nothing about a model of seasons."""
PROGRESS_SECONDS = 3.0


class _Search:
    """What spotpy calls: it hands out parameters and minimises what ``objectivefunction`` returns."""

    def __init__(
        self, record: Record, window: Window, settings: Settings, say: Callable[[str], None], clock: Callable[[], float]
    ) -> None:
        part = record.slice(window)
        # The model need not run past the last day that counts: the validation years are left out here altogether.
        self._forcing = record.precipitation[: part.stop], record.evapotranspiration[: part.stop]
        self._part, self._observed, self._area = part, record.observed[part], settings.area_km2
        self._name, self._repetitions = settings.objective, settings.repetitions
        self._objective = OBJECTIVES[settings.objective]
        # Made once: a range draws a sample when it is made, and spotpy asks for parameters at each step of the search.
        self._ranges = [_spotpy.parameter.Uniform(name, *bounds) for name, bounds in BOUNDS.items()]
        self._say, self._clock, self._spoke = say, clock, clock()
        self.runs, self.best, self.best_value = 0, Parameters(*(low for low, _ in BOUNDS.values())), -math.inf

    def parameters(self) -> Any:
        return _spotpy.parameter.generate(self._ranges)

    def simulation(self, vector: Iterable[float]) -> Series:
        return discharge(simulate(*self._forcing, _parameters(vector)).runoff, self._area)[self._part]

    def evaluation(self) -> Series:
        return self._observed

    def objectivefunction(
        self, simulation: Series, evaluation: Series, params: tuple[Iterable[float], object]
    ) -> float:
        fit = self._objective(evaluation, simulation)
        self.runs += 1
        if fit > self.best_value:
            self.best, self.best_value = _parameters(params[0]), fit
        if self._clock() - self._spoke >= PROGRESS_SECONDS:
            self._spoke = self._clock()
            self._say(f"{self.runs} model runs of about {self._repetitions}, best {self._name} {self.best_value:.4f}")
        return -fit


def calibrate(
    record: Record,
    run: RunInfo,
    settings: Settings,
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Parameters:
    """The best parameters found on the calibration window of a run.

    Deterministic for a seed. Days before the window warm the model up.

    :param say: gets a line of progress every few seconds.
    :raises DataError: if the data leave no warm-up or nothing to fit to.
    """
    window = run.window("calibration")
    warm_up = _checked(record, window, settings)
    search = _Search(record, window, settings, say, clock)
    say(f"calibrating on {window} ({settings.objective}, seed {run.seed}), warm-up of {warm_up} days")
    seeds = np.random.SeedSequence(run.seed).generate_state(STARTS)
    for start, seed in enumerate(seeds, 1):
        # spotpy prints its own progress, many lines a second.
        with contextlib.redirect_stdout(io.StringIO()):
            sampler = _spotpy.algorithms.sceua(search, dbformat="ram", save_sim=False, random_state=int(seed))
            sampler.sample(settings.repetitions // STARTS, ngs=COMPLEXES)
        say(f"start {start} of {STARTS} done, {search.runs} runs, best {settings.objective} {search.best_value:.4f}")
    return Parameters(*(float(f"{getattr(search.best, name):.8g}") for name in BOUNDS))


def _checked(record: Record, window: Window, settings: Settings) -> int:
    """The days of warm-up. A window that nothing can be fitted to must fail with its reason now, not in the search."""
    warm_up = (window.start - record.start).days
    if warm_up < MIN_WARM_UP_DAYS:
        raise DataError(
            f"the data start on {record.start}, {warm_up} days before the calibration window ({window}); the model's "
            f"stores need {MIN_WARM_UP_DAYS} days of rain and evapotranspiration to fill, so start the window later"
        )
    observed = record.observed[record.slice(window)]
    days = int(np.count_nonzero(~np.isnan(observed)))
    if days < MIN_OBSERVED_DAYS:
        raise DataError(f"{days} days with a discharge in the window {window}; at least {MIN_OBSERVED_DAYS} are needed")
    try:
        OBJECTIVES[settings.objective](observed, np.zeros_like(observed))
    except NotScorable as error:
        raise DataError(f"window {window}: {error}") from None
    return warm_up


def _parameters(vector: Iterable[float]) -> Parameters:
    return Parameters(*(float(value) for value in vector))
