"""Metrics of members that are all equally likely; those of one value are of their mean."""

from typing import Any

import numpy

from ddtas.scoring.metrics import continuous
from ddtas.scoring.metrics.means import Columns, Metrics, Sample, skill_columns

_BAND = (0.05, 0.95)


def columns(sample: Sample) -> Columns:
    """The columns of an ensemble."""
    members = sample.predicted
    yield from continuous.point_columns(sample, members.mean(axis=1))
    score = crps(sample.observed, members)
    yield "crps", score
    # The CRPS of one certain value is its absolute error.
    for name, baseline in (("persistence", sample.persistence), ("climatology", sample.climatology)):
        yield from skill_columns(name, baseline, score, numpy.abs(baseline - sample.observed))
    lower, upper = numpy.quantile(members, _BAND, axis=1)
    yield "covered", continuous.covered(sample.observed, lower, upper)


def crps(observed: Any, members: Any) -> Any:
    """The continuous ranked probability score of each row, in the unit of the observations.

    The mean distance of the members from the observation, less half their mean distance from each other.
    """
    count = members.shape[1]
    ranks = 2 * numpy.arange(1, count + 1) - count - 1
    spread = (numpy.sort(members, axis=1) * ranks).sum(axis=1) / count**2
    return numpy.abs(members - observed[:, None]).mean(axis=1) - spread


METRICS: Metrics = {**continuous.METRICS, "CRPS": lambda m: m["crps"]}
