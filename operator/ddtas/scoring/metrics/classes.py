"""Metrics of names."""

from typing import Any

import numpy

from ddtas.scoring.metrics.means import Columns, Means, Metrics, Sample

_MOST = 50  # classes that F1 is computed of


def columns(sample: Sample) -> Columns:
    """The columns of names."""
    observed, predicted = sample.observed, sample.predicted[:, 0]
    yield "correct", (observed == predicted).astype(float)
    count = int(observed.max()) + 1
    for name in range(count) if count <= _MOST else ():
        yield f"correct {name}", ((observed == name) & (predicted == name)).astype(float)
        yield f"observed {name}", (observed == name).astype(float)
        yield f"predicted {name}", (predicted == name).astype(float)


def macro_f1(m: Means) -> Any:
    """The mean of F1 over the classes that were observed."""
    observed, predicted, correct = (_by_class(m, what) for what in ("observed", "predicted", "correct"))
    there = observed > 0
    f1 = numpy.where(there, 2 * correct / numpy.where(there, observed + predicted, 1), 0.0)
    return f1.sum(axis=0) / there.sum(axis=0)


def _by_class(m: Means, what: str) -> Any:
    """(classes, draws) the means of one column of each class."""
    count = sum(name.startswith(f"{what} ") for name in m)
    return numpy.stack([m[f"{what} {name}"] for name in range(max(count, 1))])


METRICS: Metrics = {"accuracy": lambda m: m["correct"], "macroF1": macro_f1}
