"""What a data product may be used for: no more than the data that it is made of, unless its listing says why it may.

Whose model saw confidential data has an answer in which that data may be read. So each right of a product is the
narrower one of its listing's word and of all sources of the revision: a component that reads only one of them still
has a model that was calibrated on the others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ddtas.api.installation_status import ProductStatus
from ddtas.api.platform import DataSource
from ddtas.data.contract import AccessRights, LegalBasis, SecurityClass

# The widest first.
_RIGHTS = (AccessRights.PUBLIC, AccessRights.RESTRICTED, AccessRights.NON_PUBLIC)
_CLASSES = (None, *SecurityClass)
_NOT_PERSONAL = (None, LegalBasis.NO_PERSONAL_DATA)


@dataclass(frozen=True, slots=True)
class Withheld:
    """A product that is not published, because nothing that it could be used for is allowed by all of its sources."""

    product: str
    message: str


def limited(product: ProductStatus, sources: Sequence[DataSource]) -> ProductStatus | Withheld:
    """A product with no more rights than the data sources that it is made of.

    Access rights, security class and legal basis become those of the most protected source. Of the purposes those stay
    that each source has which is not public, or holds personal data: public data may be used for any purpose.

    Args:
        product: with the rights that its listing gives it.
        sources: all that its revision is bound to.
    """
    if product.declassified is not None:
        return product
    own = product.source
    basis = _legal_basis(own, sources)
    purposes = _purposes(own, sources)
    for found in (basis, purposes):
        if isinstance(found, _Conflict):
            return Withheld(product.name, found.message)
    update = {
        "access_rights": max((own.access_rights, *(s.access_rights for s in sources)), key=_RIGHTS.index),
        "security_class": max((own.security_class, *_classes(sources)), key=_CLASSES.index),
        "legal_basis": basis,
        "purposes": purposes,
    }
    source = own.model_copy(update=update)
    if source == own:
        return product
    limiting = {s.name for s in sources if _limits(s, own)}
    by = tuple(dict.fromkeys((*product.limited_by, *sorted(limiting))))
    return product.model_copy(update={"source": source, "limited_by": by})


@dataclass(frozen=True, slots=True)
class _Conflict:
    message: str


def _limits(source: DataSource, product: DataSource) -> bool:
    """Whether a source is more protected than a product says of itself."""
    return (
        _RIGHTS.index(source.access_rights) > _RIGHTS.index(product.access_rights)
        or max((product.security_class, *_classes([source])), key=_CLASSES.index) is not product.security_class
        or (_is_personal(source) and source.legal_basis is not product.legal_basis)
        or (_names_purposes(source) and not set(product.purposes) <= set(source.purposes))
    )


def _classes(sources: Iterable[DataSource]) -> list[SecurityClass | None]:
    """The classes of sources that are above public; a product of which nothing is said is not public for that."""
    return [s.security_class for s in sources if s.security_class is not SecurityClass.PUBLIC]


def _is_personal(source: DataSource) -> bool:
    return source.legal_basis not in _NOT_PERSONAL


def _names_purposes(source: DataSource) -> bool:
    return source.access_rights is not AccessRights.PUBLIC or _is_personal(source)


def _legal_basis(product: DataSource, sources: Iterable[DataSource]) -> LegalBasis | _Conflict | None:
    """The one lawful basis of the personal data in a product."""
    bases = {s.legal_basis: s.name for s in sources if _is_personal(s)}
    if _is_personal(product):
        bases.setdefault(product.legal_basis, "the listing")
    if len(bases) > 1:
        named = ", ".join(f"{basis} ({of})" for basis, of in bases.items())
        return _Conflict(f"it would hold personal data on more than one legal basis: {named}")
    return next(iter(bases), product.legal_basis)


def _purposes(product: DataSource, sources: Iterable[DataSource]) -> tuple[str, ...] | _Conflict:
    """The purposes that a product and each of its sources have."""
    left = product.purposes
    for source in sources:
        if not _names_purposes(source):
            continue
        allowed = tuple(p for p in left if p in source.purposes)
        if not allowed:
            here, there = ", ".join(left), ", ".join(source.purposes)
            return _Conflict(f"none of its purposes ({here}) is one of data source {source.name} ({there})")
        left = allowed
    return left
