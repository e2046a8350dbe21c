"""The fields that are asked for: found by a mapping, by concept or by name; compared by type and unit."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ddtas.api.installation import FieldMapping
from ddtas.api.requirements import RequiredField
from ddtas.data.contract import ContractField, DataContract, FieldType
from ddtas.data.meaning import units
from ddtas.data.measured import MeasuredField, SourceFacts
from ddtas.plan.matching.comparison import (
    A_DECISION,
    A_DETAIL,
    MET,
    NOT_MET,
    THE_DATA,
    UNKNOWN,
    Comparison,
    needs,
    verdict_of,
)

# An integer is a number, and anything may be read as a string.
_FITS = {
    FieldType.STRING: frozenset(FieldType),
    FieldType.NUMBER: frozenset({FieldType.NUMBER, FieldType.INTEGER}),
} | {t: frozenset({t}) for t in FieldType if t not in (FieldType.STRING, FieldType.NUMBER)}
_MOST_NAMES = 120  # characters of the names of fields in a message


# What a table can be made of besides: a day of the moments in it, a moment where a day begins.
_CONVERTS = _FITS | {
    FieldType.DATE: frozenset({FieldType.DATE, FieldType.TIMESTAMP}),
    FieldType.TIMESTAMP: frozenset({FieldType.TIMESTAMP, FieldType.DATE}),
}


class Fields(NamedTuple):
    """The fields that are there.

    Attributes:
        declared: those that the contract has, by name.
        measured: those of the data, by name; None while not known.
        mappings: which of them a city chose, by the name of the field that is asked for.
        converts: whether their values are converted, as a table's are.
    """

    declared: Mapping[str, ContractField]
    measured: Mapping[str, MeasuredField] | None
    mappings: Mapping[str, FieldMapping] = {}
    converts: bool = False

    @classmethod
    def of(
        cls,
        contract: DataContract,
        facts: SourceFacts | None,
        mappings: Iterable[FieldMapping] = (),
        *,
        converts: bool = False,
    ) -> "Fields":
        """Those of a contract, and of what was found."""
        measured = {f.name: f for f in facts.fields} if facts is not None and facts.fields else None
        declared = {f.name: f for f in contract.fields}
        return cls(declared, measured, {m.field: m for m in mappings}, converts)

    def source(self, wanted: RequiredField | ContractField) -> str:
        """The name of the field that is meant: the one that the city chose; the one with the same concept, where there
        is one and no more; the one with the same name."""
        mapping = self.mappings.get(wanted.name)
        if mapping is not None:
            return mapping.source
        alike = self._alike(wanted)
        return alike[0] if len(alike) == 1 else wanted.name

    def rivals(self, wanted: RequiredField | ContractField) -> list[str]:
        """The fields with the same concept, where there are several, none has the same name, and no city chose one."""
        alike = self._alike(wanted)
        return alike if len(alike) > 1 and wanted.name not in alike and wanted.name not in self.mappings else []

    def _alike(self, wanted: RequiredField | ContractField) -> list[str]:
        if not self.converts or wanted.concept is None:
            return []
        return [f.name for f in self.declared.values() if f.concept == wanted.concept]

    def unit(self, wanted: RequiredField | ContractField, declared: ContractField) -> str | None:
        """The unit of the values: as the city says, else as the contract does."""
        mapping = self.mappings.get(wanted.name)
        return mapping.unit if mapping is not None and mapping.unit is not None else declared.unit


def field(wanted: RequiredField | ContractField, there: Fields) -> Comparison:
    """A field by name, type and unit.

    Args:
        wanted: what is asked for.
        there: the fields that are there.
    """
    rivals = there.rivals(wanted)
    if rivals:
        return _undecided(wanted, rivals)
    source = there.source(wanted)
    declared = there.declared.get(source)
    actual = there.measured.get(source) if there.measured is not None else None
    fits = (_CONVERTS if there.converts else _FITS)[wanted.type]
    unit = there.unit(wanted, declared) if declared is not None else None
    absent = there.measured is not None and actual is None
    promised, distance = NOT_MET, THE_DATA
    if declared is not None:
        promised = verdict_of(declared.type in fits)
        if promised is MET and wanted.unit is not None:
            # A unit that is left out is no unit that is asked for.
            promised = NOT_MET if unit is None else verdict_of(_unit_fits(unit, wanted.unit, there.converts))
            distance = A_DETAIL
    measured = UNKNOWN
    if absent:
        measured = NOT_MET
    elif actual is not None:
        measured = verdict_of(actual.type in fits)
        if measured is MET and wanted.unit is not None and actual.unit is not None:
            measured = verdict_of(_unit_fits(actual.unit, wanted.unit, there.converts))

    def say() -> str:
        by_contract = f"the contract has no such field{_named(there.declared)}"
        if declared is not None:
            named = f"{source} is " if source != wanted.name else ""
            by_contract = f"the contract says {named}{_typed(declared.type, unit, wanted.unit)}"
        in_data = None
        if absent:
            in_data = f"the data has no such field{_named(there.measured or {})}"
        elif actual is not None and measured is not MET:
            in_data = f"the data holds {_typed(actual.type, actual.unit, wanted.unit if actual.unit else None)} values"
        elsewhere = f" from {source}" if source != wanted.name and declared is None else ""
        return needs(f"{wanted.name}{elsewhere} as {_typed(wanted.type, wanted.unit, None)}", by_contract, in_data)

    return Comparison(f"field {wanted.name}", promised, measured, say, distance)


def _undecided(wanted: RequiredField | ContractField, rivals: list[str]) -> Comparison:
    """Several fields mean what is asked for: which of them it is, a person has to say."""

    def say() -> str:
        shown = ", ".join(rivals)[:_MOST_NAMES]
        by_contract = f"the contract has {len(rivals)} fields with the concept {wanted.concept} ({shown})"
        return needs(
            f"{wanted.name} as {_typed(wanted.type, wanted.unit, None)}",
            f"{by_contract}: choose one in spec.bindings[].fields of the Installation",
            None,
        )

    return Comparison(f"field {wanted.name}", NOT_MET, UNKNOWN, say, A_DECISION)


def _unit_fits(unit: str, wanted: str, converts: bool) -> bool | None:
    """Whether values in a unit are what is wanted, or become it; None where it cannot be told."""
    if not converts:
        return units.same(unit, wanted)
    if unit == wanted or units.conversion(unit, wanted) is not None:
        return True
    return False if units.known(unit) and units.known(wanted) else None


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
