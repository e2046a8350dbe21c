"""What calibration may maximise: how well a modelled discharge fits the observed one.

Both functions take two series of the same shape (days,) and unit, observed first, and look only at the days on which
there is an observation (NaN: not observed). What the model is judged by is the platform's.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .model import Series


class NotScorable(ValueError):
    """The observations allow no score: too few of them, or all the same."""


def _pairs(observed: Series, modelled: Series) -> tuple[Series, Series]:
    if observed.shape != modelled.shape:
        raise ValueError(f"observed has shape {observed.shape}, modelled {modelled.shape}")
    seen = ~np.isnan(observed)
    if np.count_nonzero(seen) < 2:
        raise NotScorable(
            f"{np.count_nonzero(seen)} of {observed.size} days have an observed discharge; a score needs 2"
        )
    kept = observed[seen]
    if np.ptp(kept) == 0.0:
        raise NotScorable(f"the observed discharge is {kept[0]:g} on all {kept.size} days; a score needs it to vary")
    return kept, modelled[seen]


def nse(observed: Series, modelled: Series) -> float:
    """Nash-Sutcliffe efficiency [-], 1 is perfect, 0 is as good as the mean of the observations.

    1 - sum((obs - mod)^2) / sum((obs - mean(obs))^2); Nash and Sutcliffe, 1970, J. Hydrol. 10, 282-290.

    :raises NotScorable: with fewer than 2 observations, or constant ones.
    """
    obs, mod = _pairs(observed, modelled)
    return float(1.0 - np.sum((obs - mod) ** 2) / np.sum((obs - obs.mean()) ** 2))


def kge(observed: Series, modelled: Series) -> float:
    """Kling-Gupta efficiency [-], 1 is perfect.

    1 - sqrt((r - 1)^2 + (sd(mod)/sd(obs) - 1)^2 + (mean(mod)/mean(obs) - 1)^2) with r the correlation;
    Gupta et al., 2009, J. Hydrol. 377, 80-91. A model without any variation has r = 0 here.

    :raises NotScorable: with fewer than 2 observations, or constant ones.
    """
    obs, mod = _pairs(observed, modelled)
    sd_obs, sd_mod = float(obs.std()), float(mod.std())
    covariance = float(np.mean((obs - obs.mean()) * (mod - mod.mean())))
    r = covariance / (sd_obs * sd_mod) if sd_mod > 0.0 else 0.0
    return 1.0 - math.sqrt((r - 1) ** 2 + (sd_mod / sd_obs - 1) ** 2 + (float(mod.mean() / obs.mean()) - 1) ** 2)


OBJECTIVES: dict[str, Callable[[Series, Series], float]] = {"NSE": nse, "KGE": kge}
"""What calibration may maximise."""
