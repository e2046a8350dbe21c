"""Metrics of numbers. Of several series, each is compared with its own mean: what tells them apart is no skill."""

from typing import Any

import numpy

from ddtas.scoring.metrics.means import Columns, Means, Metrics, Sample, anomalies, skill, skill_columns, variance


def columns(sample: Sample) -> Columns:
    """The columns of a prediction with one value, and perhaps a band."""
    predicted = sample.predicted[:, 0]
    yield from point_columns(sample, predicted)
    squares = (predicted - sample.observed) ** 2
    for name, baseline in (("persistence", sample.persistence), ("climatology", sample.climatology)):
        yield from skill_columns(name, baseline, squares, (baseline - sample.observed) ** 2)
    if sample.predicted.shape[1] > 1:
        yield "covered", covered(sample.observed, sample.predicted[:, 1], sample.predicted[:, 2])


def point_columns(sample: Sample, predicted: Any) -> Columns:
    """The columns of one value a row."""
    observed, error = sample.observed, predicted - sample.observed
    a, b = anomalies(observed, sample.series), anomalies(predicted, sample.series)
    yield "observed", observed
    yield "predicted", predicted
    yield "a", a
    yield "b", b
    yield "aa", a * a
    yield "bb", b * b
    yield "ab", a * b
    yield "error", error
    yield "squared", error * error
    yield "absolute", numpy.abs(error)


def covered(observed: Any, lower: Any, upper: Any) -> Any:
    """1 where an observation is in the band, both ends included; else 0."""
    return ((lower <= observed) & (observed <= upper)).astype(float)


def nse(m: Means) -> Any:
    """Nash and Sutcliffe's efficiency."""
    return 1 - m["squared"] / variance(m["aa"], m["a"])


def rsr(m: Means) -> Any:
    """RMSE / standard deviation of the observations."""
    return numpy.sqrt(m["squared"] / variance(m["aa"], m["a"]))


def r2(m: Means) -> Any:
    """The square of Pearson's correlation."""
    return (m["ab"] - m["a"] * m["b"]) ** 2 / (variance(m["aa"], m["a"]) * variance(m["bb"], m["b"]))


def kge(m: Means) -> Any:
    """Kling and Gupta's efficiency (2009)."""
    return _kge(m, numpy.sqrt(variance(m["bb"], m["b"]) / variance(m["aa"], m["a"])))


def kge2012(m: Means) -> Any:
    """The same with the ratio of the coefficients of variation (2012)."""
    spread = numpy.sqrt(variance(m["bb"], m["b"]) / variance(m["aa"], m["a"]))
    return _kge(m, spread / (m["predicted"] / m["observed"]))


def _kge(m: Means, spread: Any) -> Any:
    covariance = m["ab"] - m["a"] * m["b"]
    r = covariance / numpy.sqrt(variance(m["aa"], m["a"]) * variance(m["bb"], m["b"]))
    bias = m["predicted"] / m["observed"]
    return 1 - numpy.sqrt((r - 1) ** 2 + (spread - 1) ** 2 + (bias - 1) ** 2)


def pbias(m: Means) -> Any:
    """Percent bias: positive where the predictions are too low."""
    return -100 * m["error"] / m["observed"]


METRICS: Metrics = {
    "NSE": nse,
    "KGE": kge,
    "KGE2012": kge2012,
    "RSR": rsr,
    "R2": r2,
    "PBIAS": pbias,
    "absPBIAS": lambda m: numpy.abs(pbias(m)),
    "RMSE": lambda m: numpy.sqrt(m["squared"]),
    "MAE": lambda m: m["absolute"],
    "bias": lambda m: m["error"],
    "skillPersistence": skill("persistence"),
    "skillClimatology": skill("climatology"),
    "coverage90": lambda m: m["covered"],
}
