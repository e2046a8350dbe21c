"""What came of it, as a table: for the summary of a run, and for docs/faults.md when all was tried."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from faults_courses import HOW_MANY, grids

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


@dataclass
class Result:
    """How one course went.

    Attributes:
        group: the table that it is in.
        row: what met the fault.
        fault: the column.
        reached: whether the fault happened; what was meant for it may not have come by.
        seconds: from the fault to all well again; None where that did not come.
        violations: what did not hold.
    """

    group: str
    row: str
    fault: str
    reached: bool = False
    seconds: float | None = None
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.group}: {self.row}: {self.fault}"


HEAD = """# Faults

What happened when an operator met faults on its way to the API server. Written by the run that tries all of them:

```
DDTAS_TEST_FAULTS=all ./dev test faults -- -q
```

The number is the time in seconds from the fault until all was well again, the Jobs of the app included: on a machine
of two cores, with some twenty Installations beside it. ✗: something did not hold that must
An empty cell was not tried in the run that wrote this page
([decision 0090](decisions/0090-faults-of-the-way.md)).

"""


def by_fault(results: Iterable[Result]) -> list[str]:
    """A table in Markdown: tried, violations and the worst recovery of each fault in each group."""
    found: defaultdict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        found[result.group, result.fault].append(result)
    lines = ["| where | fault | tried | with violations | worst recovery (s) |", "| --- | --- | --- | --- | --- |"]
    for (group, fault), mine in found.items():
        tried = sum(r.reached for r in mine)
        lines.append(f"| {group} | {fault} | {tried} | {sum(bool(r.violations) for r in mine)} | {_worst(mine)} |")
    everything = [r for r in results if r.reached]
    broken = sum(bool(r.violations) for r in everything)
    return [*lines, f"| all | | {len(everything)} | {broken} | {_worst(everything)} |"]


def _worst(results: Iterable[Result]) -> str:
    seconds = [r.seconds for r in results if r.seconds is not None]
    return f"{max(seconds):.1f}" if seconds else "-"


def page(results: list[Result]) -> str:
    """The whole page."""
    tried = f"Tried: {sum(result.reached for result in results)} of {HOW_MANY} courses."
    return HEAD + "\n".join(["## By fault", "", tried, "", *by_fault(results), "", *_grids(results)]).rstrip() + "\n"


def _grids(results: list[Result]) -> Iterator[str]:
    came = {(r.group, r.row, r.fault): r for r in results}
    for group, (rows, faults) in grids().items():
        yield from (f"## {group}", "", f"| | {' | '.join(faults)} |", "| --- " * (1 + len(faults)) + "|")
        for row in rows:
            found = (came.get((group, row, fault)) for fault in faults)
            yield f"| {row} | {' | '.join(_cell(result) for result in found)} |"
        yield ""


def _cell(result: Result | None) -> str:
    if result is None:
        return " "
    if not result.reached:
        return "not reached"
    seconds = "never" if result.seconds is None else f"{result.seconds:.1f}"
    return f"{seconds} ✗" if result.violations else seconds


def cells(text: str) -> dict[str, tuple[list[str], list[str]]]:
    """What a page has: rows and columns of the grid of each group, by its title."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for part in text.split("\n## ")[2:]:
        title, *lines = part.splitlines()
        table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
        found[title] = ([row[0] for row in table[2:]], table[0][1:])
    return found
