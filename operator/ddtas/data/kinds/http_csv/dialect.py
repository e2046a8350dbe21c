"""How a CSV is written: its lines before the data, its header, its comments. Pure.

The words are those of CSV on the Web: https://www.w3.org/TR/tabular-metadata/#dialect-descriptions
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ddtas.data.contract import DataContract, Dialect


class BadHeader(ValueError):
    """There is no header that can be read; `str()` of it says what is wrong."""


@dataclass(frozen=True)
class Format:
    """A dialect with all that it leaves out.

    Attributes:
        delimiter: between values.
        quote: around values.
        comment: what lines begin with that are no data; "" where no line is.
        skip: lines before all others.
        header: the first line, or the last comment before the data, has the names.
        trim: spaces around values do not count.
        encoding: as Python names it.
    """

    delimiter: str = ","
    quote: str = '"'
    comment: str = ""
    skip: int = 0
    header: bool = True
    trim: bool = False
    encoding: str = "utf-8-sig"

    @classmethod
    def of(cls, dialect: Dialect | None) -> "Format":
        """What a dialect says, and RFC 4180 where it says nothing."""
        said = dialect or Dialect()
        return cls(
            delimiter=said.delimiter or ",",
            quote=said.quote_char or '"',
            comment=said.comment_prefix or "",
            skip=said.skip_rows or 0,
            header=said.header is not False,
            trim=bool(said.skip_initial_space),
            encoding="utf-8-sig" if said.encoding in (None, "utf-8") else said.encoding,
        )

    def is_comment(self, line: str) -> bool:
        """Whether a line is no data."""
        return bool(self.comment) and line.startswith(self.comment)

    def values(self, line: str) -> list[str]:
        """The values of one record.

        Raises:
            csv.Error: its quotes are not as they should be.
        """
        found = next(self.records([line]), [])
        return [value.strip() for value in found] if self.trim else found

    def records(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """The values of records, one a line; lines have their ends.

        Raises:
            csv.Error: as `values`.
        """
        return csv.reader(
            lines, delimiter=self.delimiter, quotechar=self.quote, skipinitialspace=self.trim, strict=True
        )


@dataclass
class Head:
    """Takes the lines before the data, one by one, until the names of the columns are known.

    Attributes:
        names: of the columns; None before.
    """

    format: Format
    contract: DataContract
    names: list[str] | None = None
    _passed: int = 0
    _comment: list[str] | None = None  # the values of the last comment that has any

    def take(self, line: str) -> bool:
        """Take the next line, with its end.

        Returns:
            Whether the line is data already, which is then not taken.

        Raises:
            BadHeader: it cannot be read.
        """
        if self._passed < self.format.skip:
            self._passed += 1
            return False
        if self.format.is_comment(line):
            if text := line.removeprefix(self.format.comment).strip():
                self._comment = [value.strip() for value in self._values(text)]
            return False
        if not line.strip():
            return False
        values = self._values(line)
        if not self.format.header:
            self.names = self._promised()
            return True
        # A comment with a name for each of several values is the header, and this line is data.
        if self._comment is not None and len(self._comment) == len(values) > 1:
            self.names = self._comment
            return True
        self.names = values
        return False

    def end(self) -> list[str]:
        """The names of the columns, when there are no more lines.

        Raises:
            BadHeader: there are none.
        """
        if self.names is None:
            self.names = self._comment if self.format.header else self._promised()
        if self.names is None:
            raise BadHeader("there is no header")
        return self.names

    def _promised(self) -> list[str]:
        names = [field.name for field in self.contract.fields]
        if not names:
            raise BadHeader("there is no header by its dialect, and the contract of the source names no fields")
        return names

    def _values(self, line: str) -> list[str]:
        try:
            return self.format.values(line)
        except csv.Error:
            raise BadHeader("the quotes or line ends of the header are not as RFC 4180 has them") from None
