"""What only a person can declare of a source: what it is about, its version, and on which terms it may be used."""

from collections.abc import Callable, Iterator

from ddtas.api.platform import DataSource
from ddtas.api.requirements import DataRequirement
from ddtas.data.contract import SecurityClass
from ddtas.data.measured import SourceFacts
from ddtas.plan.matching.comparison import (
    A_DECISION,
    A_DETAIL,
    OTHER_DATA,
    THE_DATA,
    UNKNOWN,
    Comparison,
    needs,
    verdict_of,
)
from ddtas.plan.version_range import within

_CLASSES = list(SecurityClass)


def kind(requirement: DataRequirement, source: DataSource, facts: SourceFacts | None) -> Comparison:
    """How the data is read."""
    kinds = requirement.kinds
    fits = source.kind.tabular if kinds is None else source.kind in kinds
    return Comparison(
        "kind",
        verdict_of(fits),
        verdict_of(fits if facts is not None else None),
        lambda: needs(
            ", ".join(sorted(kinds)) if kinds else "a kind that is a table", f"the source is {source.kind}", None
        ),
        A_DECISION,
    )


def identity(r: DataRequirement, source: DataSource) -> list[Comparison]:
    """What the data is about."""
    comparisons = []
    if r.theme is not None:
        holds = None if source.theme is None else source.theme == r.theme
        comparisons.append(_declared("theme", holds, OTHER_DATA, lambda: (str(r.theme), source.theme)))
    if r.entity is not None:
        entity = source.contract.entity
        holds = None if entity is None else entity == r.entity
        comparisons.append(_declared("entity", holds, OTHER_DATA, lambda: (str(r.entity), entity)))
    return comparisons


def terms(r: DataRequirement, source: DataSource) -> Iterator[Comparison]:
    """The version of the contract, and the terms of use."""
    if r.contract_version is not None:
        version = source.contract.version
        wanted = f"contract {r.contract_version}"
        yield _declared("contract version", within(version, r.contract_version), THE_DATA, lambda: (wanted, version))
    if r.access_rights is not None:
        rights = r.access_rights
        holds: bool | None = source.access_rights in rights
        yield _declared("access rights", holds, A_DECISION, lambda: (" or ".join(sorted(rights)), source.access_rights))
    if r.purpose is not None:
        purpose = r.purpose
        holds = purpose in source.purposes
        yield _declared(
            "purpose", holds, A_DECISION, lambda: (f"purpose {purpose}", ", ".join(sorted(source.purposes)))
        )
    if r.legal_bases is not None:
        bases, given = r.legal_bases, source.legal_basis
        holds = None if given is None else given in bases
        yield _declared("legal basis", holds, A_DECISION, lambda: (f"legal basis {' or '.join(sorted(bases))}", given))
    if r.maximum_security_class is not None:
        most, own = r.maximum_security_class, source.security_class
        holds = None if own is None else _CLASSES.index(own) <= _CLASSES.index(most)
        yield _declared("security class", holds, A_DECISION, lambda: (f"security class {most} at the most", own))
    if r.licences is not None:
        licences = r.licences
        holds = _plain(source.licence) in {_plain(licence) for licence in licences}
        yield _declared("licence", holds, A_DECISION, lambda: (f"licence {' or '.join(licences)}", source.licence))
    if r.provenance:
        holds = source.provenance is not None
        yield _declared("provenance", holds, A_DETAIL, lambda: ("provenance on record", source.provenance))


def _declared(name: str, holds: bool | None, distance: int, say: Callable[[], tuple[str, object]]) -> Comparison:
    """A check of what only a person can declare; `say` gives what is wanted, and what the source says."""

    def message() -> str:
        wanted, declared = say()
        return needs(wanted, f"the source says {declared or 'nothing'}", None)

    return Comparison(name, verdict_of(holds), UNKNOWN, message, distance)


def _plain(licence: str) -> str:
    return licence.casefold().rstrip("/")
