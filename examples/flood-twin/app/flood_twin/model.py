"""HYMOD, a conceptual rainfall-runoff model with five parameters.

Rain fills a soil whose storage capacity differs from spot to spot (Moore, 1985, Hydrol. Sci. J. 30, 273-297: the
probability-distributed model); what does not fit runs off. A part ``alpha`` of the runoff goes through three equal
quick linear reservoirs in series, the rest through one slow one (Boyle, 2001, PhD thesis, University of Arizona;
Wagener et al., 2001, Hydrol. Earth Syst. Sci. 5, 13-26). Daily time step; all fluxes in mm/d and all stores in mm over
the catchment.

There is no snow and no routing delay in it: fit for small catchments with rain all year round, as in the Netherlands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]

MM_DAY_PER_KM2_IN_M3S = 1000.0 / 86_400.0
"""1 mm/d over 1 km2 is 1,000 m3 a day; here in m3/s."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What calibration looks for.

    The ranges in ``BOUNDS`` are those of spotpy's HYMOD example, but for a lower ``bexp``: on that example's own data
    the best value lies below its 0.1, and a parameter that ends on its bound says that the range was wrong.
    """

    cmax: float
    """Largest storage capacity of the soil anywhere in the catchment [mm]."""
    bexp: float
    """Shape of the distribution of storage capacities [-]; 0 is the same capacity everywhere."""
    alpha: float
    """Part of the runoff that takes the quick way [-]."""
    Ks: float
    """Part of the slow reservoir that leaves in a day [1/d]."""
    Kq: float
    """Part of each quick reservoir that leaves in a day [1/d]."""


BOUNDS: dict[str, tuple[float, float]] = {
    "cmax": (1.0, 500.0),
    "bexp": (0.01, 2.0),
    "alpha": (0.1, 0.99),
    "Ks": (0.001, 0.1),
    "Kq": (0.1, 0.99),
}
"""Lowest and highest value of each parameter, in the order of ``Parameters``."""


@dataclass(frozen=True, slots=True)
class State:
    """Water in the five stores [mm]: soil, slow reservoir, and the three quick ones from upstream to downstream."""

    soil: float = 0.0
    slow: float = 0.0
    quick1: float = 0.0
    quick2: float = 0.0
    quick3: float = 0.0

    @property
    def total(self) -> float:
        """All water in the catchment [mm]."""
        return float(sum(astuple(self)))


@dataclass(frozen=True, slots=True)
class Run:
    """What came out of ``simulate``."""

    runoff: Series
    """Runoff, shape (days,) [mm/d]."""
    evaporation: Series
    """Actual evapotranspiration, shape (days,) [mm/d]."""
    state: State
    """The stores at the end of the last day: a forecast starts here."""


def simulate(
    precipitation: Sequence[float],
    evapotranspiration: Sequence[float],
    parameters: Parameters,
    state: State | None = None,
) -> Run:
    """Run the model over consecutive days.

    :param precipitation: shape (days,) [mm/d], not negative, no NaN (``data`` sees to that).
    :param evapotranspiration: potential evapotranspiration, shape (days,) [mm/d], likewise.
    :param parameters: within ``BOUNDS``.
    :param state: stores at the start of the first day; empty ones by default, which then need a warm-up.
    :raises ValueError: if the two series differ in length.

    Water is conserved to rounding: rain = runoff + evaporation + change of ``State.total``.
    """
    if len(precipitation) != len(evapotranspiration):
        raise ValueError(
            f"{len(precipitation)} days of precipitation but {len(evapotranspiration)} of evapotranspiration"
        )
    # A plain loop over Python floats: each day needs the one before, and indexing numpy scalars would be several times
    # slower than this. 1,827 days take some milliseconds.
    start = state or State()
    soil, slow, quick1, quick2, quick3 = start.soil, start.slow, start.quick1, start.quick2, start.quick3
    cmax, alpha, ks, kq = parameters.cmax, parameters.alpha, parameters.Ks, parameters.Kq
    shape = parameters.bexp + 1.0
    soil_max = cmax / shape
    keep_slow, keep_quick = 1.0 - ks, 1.0 - kq
    runoff: list[float] = []
    evaporation: list[float] = []
    for rain, demand in zip(precipitation, evapotranspiration, strict=True):
        # Depth to which the storage elements are full, from the water in the soil. Rounding may put the soil a hair
        # over its maximum, and a negative base with a broken exponent would be a complex number.
        depth = cmax * (1.0 - max(1.0 - soil / soil_max, 0.0) ** (1.0 / shape))
        over_the_top = max(rain + depth - cmax, 0.0)
        infiltration = rain - over_the_top
        full = 1.0 - min((depth + infiltration) / cmax, 1.0)
        filled = soil_max * (1.0 - full**shape)
        from_full_spots = max(infiltration - (filled - soil), 0.0)
        filled = soil + infiltration - from_full_spots
        evaporated = min(demand * filled / soil_max, filled)
        soil = filled - evaporated

        effective = over_the_top + from_full_spots
        slow += (1.0 - alpha) * effective
        slow_out = ks * slow
        slow *= keep_slow
        quick1 += alpha * effective
        quick2 += kq * quick1
        quick1 *= keep_quick
        quick3 += kq * quick2
        quick2 *= keep_quick
        quick_out = kq * quick3
        quick3 *= keep_quick
        runoff.append(slow_out + quick_out)
        evaporation.append(evaporated)
    return Run(np.array(runoff), np.array(evaporation), State(soil, slow, quick1, quick2, quick3))


def discharge(runoff: Series, area_km2: float) -> Series:
    """Runoff [mm/d] over a catchment of ``area_km2`` as discharge [m3/s], same shape."""
    return runoff * (area_km2 * MM_DAY_PER_KM2_IN_M3S)
