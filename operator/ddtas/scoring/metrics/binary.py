"""Metrics of the probability of an event. It is forecast where its probability is at least one half."""

from typing import Any

import numpy

from ddtas.scoring.metrics.means import Columns, Means, Metrics, Sample, skill, skill_columns

_FORECAST = 0.5


def columns(sample: Sample) -> Columns:
    """The columns of probabilities."""
    event, probability = sample.observed, sample.predicted[:, 0]
    score = (probability - event) ** 2
    yield "brier", score
    for name, baseline in (("persistence", sample.persistence), ("climatology", sample.climatology)):
        yield from skill_columns(name, baseline, score, (baseline - event) ** 2)
    forecast = (probability >= _FORECAST).astype(float)
    yield "hits", forecast * event
    yield "misses", (1 - forecast) * event
    yield "false alarms", forecast * (1 - event)
    yield "correct negatives", (1 - forecast) * (1 - event)
    yield from _placements(event, probability)


def _placements(event: Any, probability: Any) -> Columns:
    """For each row, how many of the other outcome it is on the right side of: the area under the curve is their mean.

    A draw of rows moves the area by what both outcomes move it by (DeLong, 1988), so that no draw ranks again.
    """
    yes = event > 0
    events, others = numpy.sort(probability[yes]), numpy.sort(probability[~yes])
    if not len(events) or not len(others):
        return
    above = (_rank(others, probability)) / len(others)
    below = 1 - _rank(events, probability) / len(events)
    yield "events", event
    yield "events above others", numpy.where(yes, above, 0.0)
    yield "others below events", numpy.where(yes, 0.0, below)
    yield "area", numpy.full(len(event), above[yes].mean())


def _rank(values: Any, at: Any) -> Any:
    """How many of the sorted values are below, where an equal one counts half."""
    return (numpy.searchsorted(values, at, "left") + numpy.searchsorted(values, at, "right")) / 2


def auc(m: Means) -> Any:
    """The area under the ROC curve."""
    area = m["events above others"] / m["events"] + m["others below events"] / (1 - m["events"]) - m["area"]
    return numpy.clip(area, 0, 1)


METRICS: Metrics = {
    "Brier": lambda m: m["brier"],
    "AUC": auc,
    "POD": lambda m: m["hits"] / (m["hits"] + m["misses"]),
    "FAR": lambda m: m["false alarms"] / (m["hits"] + m["false alarms"]),
    "CSI": lambda m: m["hits"] / (m["hits"] + m["misses"] + m["false alarms"]),
    "F1": lambda m: 2 * m["hits"] / (2 * m["hits"] + m["misses"] + m["false alarms"]),
    "accuracy": lambda m: m["hits"] + m["correct negatives"],
    "skillPersistence": skill("persistence"),
    "skillClimatology": skill("climatology"),
}
