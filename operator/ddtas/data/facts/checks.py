"""What a contract says of single values: which are possible, and whether one may come twice. Counted as they come."""

from collections.abc import Iterable

from ddtas.data.contract import ContractField, DataContract

_MOST_DISTINCT = 200_000  # values that are remembered, of all fields of one probe together: some 15 MiB


class Checks:
    """Those of one probe."""

    def __init__(self, contract: DataContract) -> None:
        self._fields = {field.name: field for field in contract.fields}
        self._unique = {rule.field for rule in contract.quality if rule.metric == "duplicateValues"}
        self.room = _MOST_DISTINCT

    def of(self, name: str) -> "ValueCheck | None":
        """The check of a field; None where the contract says nothing of its values."""
        field, unique = self._fields.get(name), name in self._unique
        bounded = field is not None and (field.minimum is not None or field.maximum is not None)
        return ValueCheck(self, field if bounded else None, unique) if bounded or unique else None


class ValueCheck:
    """One field.

    Attributes:
        invalid: how many values are not possible; None where the contract does not say which are.
        duplicates: how many values had come before; None where no rule asks, or there are too many to remember.
    """

    __slots__ = ("_checks", "_high", "_low", "_seen", "duplicates", "invalid")

    def __init__(self, checks: Checks, field: ContractField | None, unique: bool) -> None:
        self._checks = checks
        self._low = float(field.minimum) if field is not None and field.minimum is not None else float("-inf")
        self._high = float(field.maximum) if field is not None and field.maximum is not None else float("inf")
        self._seen: set[int] = set()
        self.invalid: int | None = 0 if field is not None else None
        self.duplicates: int | None = 0 if unique else None

    def add(self, values: Iterable[object]) -> None:
        """Take values, none of which stands for no value."""
        for value in values:
            if self.invalid is not None and not self._possible(value):
                self.invalid += 1
            if self.duplicates is not None:
                self._compare(value)

    def _possible(self, value: object) -> bool:
        try:
            return self._low <= float(value) <= self._high  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            return False

    def _compare(self, value: object) -> None:
        mark = hash(str(value))  # a text of any length takes no more room than another
        if mark in self._seen:
            self.duplicates = (self.duplicates or 0) + 1
        elif self._checks.room > 0:
            self._seen.add(mark)
            self._checks.room -= 1
        else:
            self.duplicates, self._seen = None, set()
