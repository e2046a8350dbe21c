"""The fields that are asked for: by name, type and unit."""

from collections.abc import Mapping
from typing import NamedTuple

from ddtas.api.requirements import RequiredField
from ddtas.data.contract import ContractField, DataContract, FieldType
from ddtas.data.meaning import units
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.plan.matching.comparison import A_DETAIL, MET, NOT_MET, THE_DATA, UNKNOWN, Comparison, needs, verdict_of

# An integer is a number, and anything may be read as a string.
_FITS = {
    FieldType.STRING: frozenset(FieldType),
    FieldType.NUMBER: frozenset({FieldType.NUMBER, FieldType.INTEGER}),
} | {t: frozenset({t}) for t in FieldType if t not in (FieldType.STRING, FieldType.NUMBER)}
_MOST_NAMES = 120  # characters of the names of fields in a message


class Fields(NamedTuple):
    """The fields that are there, by name: those that the contract has, and those of the data, None while not known."""

    declared: Mapping[str, ContractField]
    measured: Mapping[str, MeasuredField] | None

    @classmethod
    def of(cls, contract: DataContract, facts: SourceFacts | None) -> "Fields":
        """Those of a contract, and of what was found."""
        measured = {f.name: f for f in facts.fields} if facts is not None and facts.fields else None
        return cls({f.name: f for f in contract.fields}, measured)


def field(wanted: RequiredField | ContractField, there: Fields) -> Comparison:
    """A field by name, type and unit.

    Args:
        wanted: what is asked for.
        there: the fields that are there.
    """
    declared = there.declared.get(wanted.name)
    actual = there.measured.get(wanted.name) if there.measured is not None else None
    absent = there.measured is not None and actual is None
    promised, distance = NOT_MET, THE_DATA
    if declared is not None:
        promised = verdict_of(declared.type in _FITS[wanted.type])
        if promised is MET and wanted.unit is not None:
            # A unit that is left out is no unit that is asked for.
            promised = NOT_MET if declared.unit is None else verdict_of(units.same(declared.unit, wanted.unit))
            distance = A_DETAIL
    measured = UNKNOWN
    if absent:
        measured = NOT_MET
    elif actual is not None:
        measured = verdict_of(actual.type in _FITS[wanted.type])
        if measured is MET and wanted.unit is not None and actual.unit is not None:
            measured = verdict_of(units.same(actual.unit, wanted.unit))

    def say() -> str:
        by_contract = f"the contract has no such field{_named(there.declared)}"
        if declared is not None:
            by_contract = f"the contract says {_typed(declared.type, declared.unit, wanted.unit)}"
        in_data = None
        if absent:
            in_data = f"the data has no such field{_named(there.measured or {})}"
        elif actual is not None and measured is not MET:
            in_data = f"the data holds {_typed(actual.type, actual.unit, wanted.unit if actual.unit else None)} values"
        return needs(f"{wanted.name} as {_typed(wanted.type, wanted.unit, None)}", by_contract, in_data)

    return Comparison(f"field {wanted.name}", promised, measured, say, distance)


def _named(fields: Mapping[str, object]) -> str:
    """The names of the fields that there are, as many as a message can hold."""
    named: list[str] = []
    for name in fields:
        if sum(map(len, named)) + len(name) > _MOST_NAMES:
            return f" (it has {', '.join(named)} and {len(fields) - len(named)} more)"
        named.append(name)
    return f" (it has {', '.join(named)})" if named else " (it has none)"


def _typed(kind: FieldType, unit: str | None, wanted: str | None) -> str:
    """A type with its unit, and how that is another one than is wanted."""
    if unit is None:
        return str(kind) if wanted is None else f"{kind} without a unit"
    if wanted is None or units.same(unit, wanted):
        return f"{kind} in {unit}"
    factor = units.in_terms_of(unit, wanted)
    if factor is not None:
        how = "another scale" if factor[1] else f"1 {unit} = {factor[0]:g} {wanted}"
    else:
        how = "which measures something else" if units.known(unit) and units.known(wanted) else "which is not known"
    return f"{kind} in {unit} ({how})"
