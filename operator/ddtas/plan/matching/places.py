"""Where the data is: its geometries, coordinate reference systems, and the area that it covers."""

from ddtas.data.contract import Area, Extent
from ddtas.data.meaning import space
from ddtas.data.measured import SourceFacts
from ddtas.plan.matching.comparison import A_DETAIL, UNKNOWN, Comparison, data_gives, needs, verdict_of


def geometry(wanted: tuple[str, ...], declared: str | None, facts: SourceFacts | None) -> Comparison:
    """The type of the geometries."""
    measured = facts.geometry_type if facts else None
    return Comparison(
        "geometry type",
        verdict_of(None if declared is None else declared in wanted),
        verdict_of(None if measured is None else measured in wanted),
        lambda: needs(
            f"geometries {' or '.join(sorted(wanted))}",
            f"the contract says {declared or 'nothing'}",
            data_gives(measured, facts, "geometryType"),
        ),
    )


def stated(declared: str | None) -> Comparison:
    """That the contract says in which coordinate reference system it is: a table with geometries is made by that."""
    return Comparison(
        "crs of the contract",
        verdict_of(declared is not None),
        UNKNOWN,
        lambda: needs(
            "geometries whose coordinate reference system is known",
            f"the contract says {declared or 'nothing: give its crs'}",
            None,
        ),
        A_DETAIL,
    )


def crs(
    wanted: tuple[str, ...], declared: str | None, facts: SourceFacts | None, *, converts: bool = False
) -> Comparison:
    """The coordinate reference system: one of those that the data can be had in must be one of those wanted.

    Args:
        wanted: one of these is enough.
        declared: by the contract.
        facts: of the data.
        converts: whether coordinates are converted, as those of a table are: to the first of those wanted.
    """
    measured = facts.crs if facts else ()

    def any_of(names: tuple[str, ...]) -> bool | None:
        if converts:
            pairs = [space.transformable(b, wanted[0]) for b in names]
        else:
            pairs = [space.meets_crs(b, a) for a in wanted for b in names]
        return True if True in pairs else None if not pairs or None in pairs else False

    return Comparison(
        "crs",
        verdict_of(any_of((declared,) if declared else ())),
        verdict_of(any_of(measured)),
        lambda: needs(
            f"coordinates in {' or '.join(wanted)}",
            f"the contract says {declared or 'nothing'}",
            data_gives(", ".join(measured) or None, facts, "crs"),
        ),
    )


def coverage(
    area: Area | Extent | None, percent: int, declared: Extent | None, facts: SourceFacts | None, where: str
) -> Comparison:
    """The part of an area that is covered."""
    found = facts.extent if facts else None

    def share(extent: Extent | None) -> float | None:
        return None if extent is None or area is None else space.covered_percent(area, extent)

    promised, measured = share(declared), share(found)

    def say() -> str:
        if area is None:
            return needs(f"{percent}% of {where}", "the platform has no spec.municipality.area", None)
        if isinstance(area, Area) and (fault := space.fault(area)):
            return needs(f"{percent}% of {where}", f"the platform's spec.municipality.area{fault}", None)
        by_contract = (
            f"the contract's extent has {promised:.0f}%"
            if promised is not None
            else "the contract's extent is not known"
        )
        in_data = f"the data has {measured:.0f}%" if measured is not None else data_gives(None, facts, "extent")
        return needs(f"{percent}% of {where}", by_contract, in_data)

    return Comparison(
        "coverage",
        verdict_of(None if promised is None else promised >= percent),
        verdict_of(None if measured is None else measured >= percent),
        say,
    )
