"""Values of a text file as the facts have them: ISO 8601, decimal points, nothing where there is no value. Pure."""

from collections.abc import Callable, Sequence
from datetime import datetime

from ddtas.data.contract import ContractField, DataContract, FieldType
from ddtas.data.meaning.patterns import strptime

_NUMBERS = (FieldType.INTEGER, FieldType.NUMBER)

Change = Callable[[str], str]


class Values:
    """Rewrites the columns of a table by what a contract says of its fields, and by the dialect."""

    def __init__(self, names: Sequence[str], contract: DataContract) -> None:
        fields = {field.name: field for field in contract.fields}
        self._changes = [
            (number, _change(fields[name], contract)) for number, name in enumerate(names) if name in fields
        ]

    def rewrite(self, rows: list[list[str]]) -> None:
        """Rewrite rows in place; what does not fit stays as it is."""
        for number, change in self._changes:
            if change is None:
                continue
            for row in rows:
                if number < len(row):
                    row[number] = change(row[number])


def _change(field: ContractField, contract: DataContract) -> Change | None:
    """What is done with the values of a field; None for nothing."""
    missing = frozenset(field.missing_values)
    form = _pattern(field)
    decimal = contract.dialect.decimal_char if contract.dialect else None
    group = contract.dialect.group_char if contract.dialect else None
    if field.type in _NUMBERS and (decimal or group):

        def change(value: str) -> str:
            return "" if value in missing else _number(value, decimal or ".", group)

    elif form is not None:

        def change(value: str) -> str:
            return "" if value in missing else _moment(value, form, field.type)

    elif missing:

        def change(value: str) -> str:
            return "" if value in missing else value

    else:
        return None
    return change


def _pattern(field: ContractField) -> str | None:
    if field.format is None or field.type not in (FieldType.DATE, FieldType.TIMESTAMP):
        return None
    return strptime(field.format)


def _number(value: str, decimal: str, group: str | None) -> str:
    """A number with a point. One that is written otherwise than the dialect says stays none."""
    if decimal == "," and "." in value and group != ".":
        return value.replace(".", "?")
    return (value.replace(group, "") if group else value).replace(decimal, ".")


def _moment(value: str, form: str, kind: FieldType) -> str:
    try:
        moment = datetime.strptime(value, form)
    except ValueError:
        return value
    return moment.date().isoformat() if kind is FieldType.DATE else moment.isoformat(timespec="seconds")
