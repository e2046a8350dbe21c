"""The table that an app gets, made of one source: which field becomes which, and what is done with its values."""

from collections.abc import Iterable
from decimal import Decimal

from ddtas.api.installation import FieldMapping
from ddtas.api.installation_status import FieldBinding
from ddtas.api.platform import DataSource
from ddtas.api.requirements import DataRequirement, RequiredField
from ddtas.data.contract import ContractField, FieldType
from ddtas.data.delivery.table import Column, Geometry, Table
from ddtas.data.meaning import periods, units
from ddtas.plan.matching.fields import Fields

_TIMES = (FieldType.DATE, FieldType.TIMESTAMP)


def unaggregated(requirement: DataRequirement) -> list[str] | None:
    """The fields of a table that do not say how a shorter step becomes one; None where there is no table."""
    if not requirement.files:
        return None
    return [f.name for f in requirement.fields if f.type not in (*_TIMES, FieldType.STRING) and f.aggregate is None]


def table(requirement: DataRequirement, source: DataSource, mappings: Iterable[FieldMapping]) -> Table | None:
    """The table that a requirement gets of a source that meets it; None where the app reads the source itself."""
    if not requirement.files:
        return None
    contract = source.contract
    fields = Fields.of(contract, None, mappings, converts=True)
    wanted = requirement.fields or tuple(
        RequiredField(name=f.name, type=f.type, concept=f.concept, unit=f.unit) for f in contract.fields
    )
    columns = tuple(_column(field, fields) for field in wanted)
    step = requirement.time_resolution
    shorter = (
        step is not None and contract.time_resolution is not None and not periods.same(contract.time_resolution, step)
    )
    return Table(
        columns=columns,
        time=next((c.name for c in columns if c.type in _TIMES), None),
        step=step,
        source_step=contract.time_resolution if shorter else None,
        time_zone=requirement.time_zone,
        source_time_zone=contract.time_zone,
        completeness=requirement.minimum_completeness_percent,
        geometry=_geometry(requirement, contract.crs),
        dialect=contract.dialect,
        maximum_bytes=requirement.maximum_size_bytes,
    )


def _column(wanted: RequiredField, fields: Fields) -> Column:
    name = fields.source(wanted)
    declared = fields.declared.get(name) or ContractField(name=name, type=wanted.type)
    unit = fields.unit(wanted, declared)
    scale, offset = _conversion(unit, wanted.unit)
    return Column(
        name=wanted.name,
        type=wanted.type,
        unit=wanted.unit,
        concept=wanted.concept,
        source=name,
        source_type=declared.type if declared.type is not wanted.type else None,
        source_unit=unit if unit != wanted.unit else None,
        scale=scale,
        offset=offset,
        format=declared.format,
        missing=declared.missing_values,
        required=declared.required,
        minimum=_converted(declared.minimum, scale, offset),
        maximum=_converted(declared.maximum, scale, offset),
        aggregate=wanted.aggregate,
    )


def _conversion(unit: str | None, wanted: str | None) -> tuple[str | None, str | None]:
    """Scale and offset; None for each that changes nothing."""
    found = units.conversion(unit, wanted) if unit is not None and wanted is not None and unit != wanted else None
    if found is None:
        return None, None
    scale, offset = found
    return (scale if Decimal(scale) != 1 else None), (offset if Decimal(offset) != 0 else None)


def _converted(bound: str | None, scale: str | None, offset: str | None) -> str | None:
    if bound is None:
        return None
    value = Decimal(bound) * Decimal(scale or 1) + Decimal(offset or 0)
    return f"{round(value, 12).normalize():f}"[:32]


def _geometry(requirement: DataRequirement, source_crs: str | None) -> Geometry | None:
    if requirement.geometry_types is None or source_crs is None:
        return None
    return Geometry(types=requirement.geometry_types, crs=(requirement.crs or (source_crs,))[0], source_crs=source_crs)


def described(table: Table) -> tuple[FieldBinding, ...]:
    """For each field of a table where it comes from, and what is done with it, as a status shows it."""
    return tuple(
        FieldBinding(field=column.name, source=column.source, conversion=_said(column, table) or None)
        for column in table.columns
    )


def _said(column: Column, table: Table) -> str:
    done = []
    if column.source_unit is not None and (column.scale is not None or column.offset is not None):
        done.append(f"{column.source_unit} to {column.unit}")
    if column.source_type is not None:
        done.append(f"{column.source_type} to {column.type}")
    if table.source_step is not None and column.aggregate is not None:
        done.append(f"{column.aggregate} of {table.source_step}")
    return "; ".join(done)[:200]
