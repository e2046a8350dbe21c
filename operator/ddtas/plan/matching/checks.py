"""The checks of a data requirement against a data source: what is declared, what was measured, and what would fix it.

Each check is a function of what is wanted, of the source's declarations and of the facts that a probe found. It gives
two verdicts, `Met`, `NotMet` or `Unknown`. Messages of what is met hold no measured values: those move on with each
probe, and a status must not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as field_of
from datetime import datetime

from ddtas.api.installation import FieldMapping, Windows
from ddtas.api.platform import DataSource
from ddtas.api.requirements import DataRequirement
from ddtas.data.contract import Area, DataContract, Extent
from ddtas.data.measured import SourceFacts
from ddtas.plan.matching import declarations, places, quality, service_levels, tables, times
from ddtas.plan.matching.comparison import MET, NOT_MET, OTHER_DATA, UNKNOWN, Comparison
from ddtas.plan.matching.fields import Fields, field
from ddtas.plan.matching.windows import CountedBack, newest_day
from ddtas.plan.reasons import Reason
from ddtas.plan.snapshot import SourceObservation


@dataclass(frozen=True)
class Circumstances:
    """What else a match depends on.

    Attributes:
        windows: the periods that calibration and validation will use.
        now: for the age of the newest record.
        area: of the municipality; None where the platform does not give it.
        mappings: the fields that the city chose, by requirement.
    """

    windows: Windows | CountedBack
    now: datetime
    area: Area | None = None
    mappings: Mapping[str, tuple[FieldMapping, ...]] = field_of(default_factory=dict)

    def windows_of(self, contract: DataContract, facts: SourceFacts | None) -> Windows | None:
        """The windows, counted back from the newest day of a source where they are; None where that is not known."""
        if isinstance(self.windows, Windows):
            return self.windows
        newest = newest_day(facts, contract.temporal_extent)
        return self.windows.ending(newest) if newest is not None else None


def reachable(observation: SourceObservation | None) -> Comparison:
    """A contract does not make a source readable: without a probe of it, it is not bound."""
    if observation is None:
        return Comparison("reachable", UNKNOWN, UNKNOWN, lambda: "not probed yet", OTHER_DATA)
    if observation.reason == Reason.INSIDE_CLUSTER:
        # The one exception: nobody can probe it from here, and the twin that makes it says that it serves it.
        return Comparison("reachable", MET, UNKNOWN, lambda: observation.message)
    if observation.state != "Reachable":
        # The source may be just what is needed: it could not be told. The decision names the probe's fault itself.
        text = f"{observation.reason}: {observation.message}"[:500]
        return Comparison("reachable", UNKNOWN, UNKNOWN, lambda: text, OTHER_DATA)
    return Comparison("reachable", MET, MET, lambda: "read")


def all_of(
    r: DataRequirement,
    source: DataSource,
    observation: SourceObservation | None,
    circumstances: Circumstances,
    *,
    chosen: bool = True,
) -> list[Comparison]:
    """Every check that a requirement asks for, in a fixed order.

    Of a source that is about something else, what it is about is all, unless somebody chose it.
    """
    about = declarations.identity(r, source)
    if not chosen and any(c.declared is NOT_MET for c in about):
        return about
    facts = observation.facts if observation is not None and observation.state == "Reachable" else None
    probed_at = (observation.probed_at if observation else None) or circumstances.now
    return [
        declarations.kind(r, source, facts),
        reachable(observation),
        *about,
        *declarations.terms(r, source),
        *_of_the_data(r, source.contract, facts, circumstances, probed_at),
        *(quality.rule(rule, source, facts) for rule in r.quality),
        *(service_levels.level(wanted, source, facts, probed_at) for wanted in r.service_levels),
        *(service_levels.upstream(bound, observation) for bound in r.upstream_metrics),
    ]


def _of_the_data(
    r: DataRequirement,
    contract: DataContract,
    facts: SourceFacts | None,
    circumstances: Circumstances,
    probed_at: datetime,
) -> Iterator[Comparison]:
    if r.fields:
        fields = Fields.of(contract, facts, circumstances.mappings.get(r.name, ()), converts=r.files)
        yield from (field(wanted, fields) for wanted in r.fields)
    if r.geometry_types is not None:
        yield places.geometry(r.geometry_types, contract.geometry_type, facts)
        if r.files:
            yield places.stated(contract.crs)
    if r.crs is not None:
        yield places.crs(r.crs, contract.crs, facts, converts=r.files)
    if r.coverage is not None:
        own = r.coverage.extent is None
        area: Area | Extent | None = circumstances.area if own else r.coverage.extent
        where = "the municipality" if own else "the extent that the app is made for"
        yield places.coverage(area, r.coverage.minimum_percent, contract.extent, facts, where)
    if r.history is not False:
        windows = circumstances.windows_of(contract, facts)
        if windows is None:
            yield times.no_newest_day()
        else:
            least = times.least_records(r, windows)
            yield times.period(times.needed_days(r, windows), contract.temporal_extent, facts, least)
    if r.time_resolution is not None:
        yield times.time_resolution(r.time_resolution, contract.time_resolution, facts, tables.unaggregated(r))
    if r.freshness is not None:
        yield times.freshness(r.freshness, contract.freshness, facts, probed_at)
    if r.minimum_records is not None:
        yield quality.records(r.minimum_records, contract.records, facts)
    if r.maximum_size_bytes is not None:
        yield quality.size(r.maximum_size_bytes, contract.size_bytes, facts)
