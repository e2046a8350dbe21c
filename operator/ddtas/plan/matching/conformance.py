"""Whether a data source is what its contract promises: the checks of a requirement, with the contract as what is asked.

Only what was measured counts. What the probe cannot tell is neither a fault nor a proof.
"""

from datetime import datetime
from typing import NamedTuple

from ddtas.api.base import Verdict
from ddtas.api.platform import DataSource
from ddtas.data.measured import SourceFacts
from ddtas.plan.matching import places, quality, times
from ddtas.plan.matching.comparison import Comparison
from ddtas.plan.matching.fields import Fields, field

# The extent that was found may be smaller than the promised one: points seldom lie in its corners.
_EXTENT_PERCENT = 50
_MAX_FAULTS = 16


class Conformance(NamedTuple):
    """Met when something was measured and nothing of it is otherwise than promised.

    Attributes:
        verdict: as a whole.
        faults: what is otherwise, in words.
    """

    verdict: Verdict
    faults: tuple[str, ...]


def conformance(source: DataSource, facts: SourceFacts, probed_at: datetime) -> Conformance:
    """Compare a contract with the data.

    Args:
        source: with its contract.
        facts: what was found.
        probed_at: when.
    """
    comparisons = _comparisons(source, facts, probed_at)
    measured = {o.measured for o in comparisons}
    faults = tuple(o.describe().removeprefix("needs ") for o in comparisons if o.measured is Verdict.NOT_MET)[
        :_MAX_FAULTS
    ]
    verdict = Verdict.NOT_MET if faults else Verdict.MET if Verdict.MET in measured else Verdict.UNKNOWN
    return Conformance(verdict, faults)


def _comparisons(source: DataSource, facts: SourceFacts, probed_at: datetime) -> list[Comparison]:
    contract = source.contract
    fields = Fields.of(contract, facts)
    comparisons = [field(f, fields) for f in contract.fields]
    if contract.geometry_type is not None:
        comparisons.append(places.geometry((contract.geometry_type,), contract.geometry_type, facts))
    if contract.crs is not None:
        comparisons.append(places.crs((contract.crs,), contract.crs, facts))
    if contract.extent is not None:
        where = "the promised extent"
        comparisons.append(places.coverage(contract.extent, _EXTENT_PERCENT, contract.extent, facts, where))
    if contract.temporal_extent is not None:
        comparisons.append(times.period(contract.temporal_extent, contract.temporal_extent, facts))
    if contract.time_resolution is not None:
        promised = contract.time_resolution
        comparisons.append(times.time_resolution(promised, promised, facts, exact=True))
    if contract.freshness is not None:
        comparisons.append(times.freshness(contract.freshness, contract.freshness, facts, probed_at))
    if contract.records is not None:
        comparisons.append(quality.records(contract.records, contract.records, facts))
    comparisons += [quality.rule(rule, source, facts) for rule in contract.quality]
    comparisons += [_possible(f.name, facts) for f in contract.fields if f.minimum is not None or f.maximum is not None]
    comparisons += [_complete(f.name, facts) for f in contract.fields if f.required]
    return comparisons


def _complete(name: str, facts: SourceFacts) -> Comparison:
    """A field that the contract calls required has no empty value."""
    measured = next((f for f in facts.fields if f.name == name), None)
    verdict = Verdict.UNKNOWN if measured is None else Verdict.NOT_MET if measured.empty else Verdict.MET
    return Comparison(f"required {name}", Verdict.MET, verdict, lambda: f"needs {name} in each record; some have none")


def _possible(name: str, facts: SourceFacts) -> Comparison:
    """A field that the contract gives bounds has no value out of them."""
    measured = next((f for f in facts.fields if f.name == name), None)
    count = measured.invalid if measured is not None else None
    verdict = Verdict.UNKNOWN if count is None else Verdict.NOT_MET if count else Verdict.MET
    text = f"needs {name} from minimum to maximum; some are not"
    return Comparison(f"range {name}", Verdict.MET, verdict, lambda: text)
