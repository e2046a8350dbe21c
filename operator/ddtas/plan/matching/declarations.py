"""What only a person can declare of a source: what it is about, its version, and on which terms it may be used."""

from collections.abc import Callable, Iterator

from ddtas.api.platform import DataSource
from ddtas.api.requirements import DataRequirement
from ddtas.data.contract import AccessRights, SecurityClass
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
    yield from _rights(r, source)
    if r.licences is not None:
        licences = r.licences
        holds = _plain(source.licence) in {_plain(licence) for licence in licences}
        yield _declared("licence", holds, A_DECISION, lambda: (f"licence {' or '.join(licences)}", source.licence))
    if r.provenance:
        holds = source.provenance is not None
        yield _declared("provenance", holds, A_DETAIL, lambda: ("provenance on record", source.provenance))


def _rights(r: DataRequirement, source: DataSource) -> Iterator[Comparison]:
    """Who may use the data, and for what.

    A source that is not for everybody binds only to a requirement that says so: what the app does not say is a "no",
    and never an "any".
    """
    public, said_of = source.access_rights is AccessRights.PUBLIC, "the requirement says nothing of it"
    if r.access_rights is not None or not public:
        rights = r.access_rights or (AccessRights.PUBLIC,)
        holds: bool | None = source.access_rights in rights
        yield _declared("access rights", holds, A_DECISION, lambda: (" or ".join(sorted(rights)), source.access_rights))
    if r.purpose is not None or not public:
        purpose = f"a purpose: {said_of}" if r.purpose is None else f"purpose {r.purpose}"
        holds = r.purpose in source.purposes
        yield _declared("purpose", holds, A_DECISION, lambda: (purpose, ", ".join(sorted(source.purposes))))
    given = source.legal_basis
    if r.legal_bases is not None or given is not None:
        bases = r.legal_bases or ()
        holds = None if given is None else given in bases
        basis = f"legal basis {' or '.join(sorted(bases))}" if bases else f"a legal basis: {said_of}"
        yield _declared("legal basis", holds, A_DECISION, lambda: (basis, given))
    own = source.security_class
    if r.maximum_security_class is not None or own not in (None, SecurityClass.PUBLIC):
        most = r.maximum_security_class or SecurityClass.PUBLIC
        holds = None if own is None else _CLASSES.index(own) <= _CLASSES.index(most)
        yield _declared("security class", holds, A_DECISION, lambda: (f"security class {most} at the most", own))


def _declared(name: str, holds: bool | None, distance: int, say: Callable[[], tuple[str, object]]) -> Comparison:
    """A check of what only a person can declare; `say` gives what is wanted, and what the source says."""

    def message() -> str:
        wanted, declared = say()
        return needs(wanted, f"the source says {declared or 'nothing'}", None)

    return Comparison(name, verdict_of(holds), UNKNOWN, message, distance)


def _plain(licence: str) -> str:
    return licence.casefold().rstrip("/")
