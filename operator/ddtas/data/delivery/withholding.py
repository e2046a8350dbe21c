"""What it means that a part of a table is withheld: which columns are hidden, and what tells its rows apart. Pure.

Who makes an order, who fetches and who scores go by the same.
"""

from ddtas.data.delivery.order import Withheld
from ddtas.data.delivery.table import Table, series_keys


def hidden(table: Table, withheld: Withheld) -> tuple[str, ...]:
    """The columns that are hidden: those that are withheld, and all that are made of the same fields of the source."""
    fields = {*withheld.targets.values(), *withheld.fields}
    sources = {c.source for c in table.columns if c.name in fields}
    return tuple(c.name for c in table.columns if c.source in sources)


def row_keys(table: Table, withheld: Withheld) -> tuple[str, ...]:
    """What tells rows apart, and so the columns of predict/<target>.csv in their order: time, series, the drawn key.

    Without a time it is the key alone. A text that is hidden tells none apart: the order of rows would give it away.
    """
    hides = hidden(table, withheld)
    series = [c.name for c in series_keys(table) if c.name not in hides] if table.time is not None else []
    return tuple(dict.fromkeys(name for name in (table.time, *series, withheld.key) if name is not None))
