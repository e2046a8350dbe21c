"""Whether the targets of a version can be judged. Pure."""

from collections.abc import Iterable, Iterator

from ddtas.api.listing import Version
from ddtas.api.requirements import DataRequirement
from ddtas.api.targets import Target
from ddtas.data.contract import FieldType
from ddtas.scoring.order import TargetKind

_NUMBERS = (FieldType.NUMBER, FieldType.INTEGER)
_TYPES = {
    TargetKind.CONTINUOUS: _NUMBERS,
    TargetKind.ENSEMBLE: _NUMBERS,
    TargetKind.BINARY: (*_NUMBERS, FieldType.BOOLEAN),
    TargetKind.CLASSES: (FieldType.STRING,),
}
_TIMES = (FieldType.DATE, FieldType.TIMESTAMP)
_KEYS = (FieldType.STRING, FieldType.INTEGER, FieldType.DATE)  # each value has one spelling


def faults(version: Version) -> list[str]:
    """What is wrong with the targets, one line each."""
    requirements = {r.name: r for r in version.data_requirements}
    fields = [(t.requirement, t.field) for t in version.targets]
    found = [
        f"target {t.name}: {fault}" for t in version.targets for fault in _faults(t, requirements, version.targets)
    ]
    twice = sorted({place for place in fields if fields.count(place) > 1})
    return found + [f"field {field} of {requirement} is the target of two" for requirement, field in twice]


def _faults(target: Target, requirements: dict[str, DataRequirement], targets: Iterable[Target]) -> Iterator[str]:
    requirement = requirements.get(target.requirement)
    field = next((f for f in requirement.fields if f.name == target.field), None) if requirement is not None else None
    if requirement is None or field is None:
        yield f"there is no field {target.field} of a data requirement {target.requirement}"
        return
    if field.type not in _TYPES[target.kind]:
        yield f"field {field.name} is of type {field.type}: {target.kind} needs {' or '.join(_TYPES[target.kind])}"
    if not requirement.files:
        yield f"data requirement {requirement.name} must have delivery Files: the app would read the truth itself"
    if target.holdout is not None:
        yield from _key_faults(target.holdout.key, requirement, targets)
        return
    if requirement.history is False or not any(f.type in _TIMES for f in requirement.fields):
        yield f"data requirement {requirement.name} has no time to split by: give a holdout by key"


def _key_faults(key: str, requirement: DataRequirement, targets: Iterable[Target]) -> Iterator[str]:
    field = next((f for f in requirement.fields if f.name == key), None)
    if field is None:
        yield f"there is no field {key}, the key of the holdout, of data requirement {requirement.name}"
    elif field.type not in _KEYS:
        yield f"field {key} is of type {field.type}: the key of a holdout needs {' or '.join(_KEYS)}"
    if any((t.requirement, t.field) == (requirement.name, key) for t in targets):
        yield f"field {key} is a target, so that it cannot be the key of a holdout"
