"""about.json: what an app, or a person, may want to know of a table."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ddtas.data.contract import DataKind
from ddtas.data.delivery.order import Delivery
from ddtas.data.delivery.report import FetchedTable
from ddtas.data.delivery.withholding import hidden
from ddtas.runner.convert import Counts
from ddtas.scoring.order import PREDICT

ABOUT = "about.json"


def write(
    folder: Path, delivery: Delivery, kind: DataKind, fetched: FetchedTable, counts: Mapping[str, Counts]
) -> None:
    """Write it into the folder of a table.

    Args:
        folder: of the table.
        delivery: what it was made by.
        kind: of the source.
        fetched: what is reported of it.
        counts: by column, of nothing that is withheld.
    """
    table = delivery.table
    about = {
        "requirement": fetched.requirement,
        "available": True,
        "source": delivery.source,
        "kind": kind.value,
        "contractVersion": delivery.contract.version,
        "fields": _fields(delivery, counts),
        "crs": table.geometry.crs if table.geometry is not None else None,
        "timeZone": table.time_zone or "UTC",
        "step": table.step,
        "rows": fetched.rows,
        "start": fetched.start,
        "end": fetched.end,
        "fetchedAt": datetime.now(UTC).isoformat(timespec="seconds"),
        "digest": fetched.digest,
        "licence": delivery.licence,
        "attribution": delivery.attribution,
        "withheld": _withheld(delivery),
    }
    text = json.dumps(_given(about), ensure_ascii=False, indent=1)
    (folder / ABOUT).write_text(text + "\n", "utf-8")


def _fields(delivery: Delivery, counts: Mapping[str, Counts]) -> list[dict[str, Any]]:
    hides = hidden(delivery.table, delivery.withhold) if delivery.withhold is not None else ()
    return [
        _given(
            {
                "name": c.name,
                "type": c.type.value,
                "unit": c.unit,
                "concept": c.concept,
                "from": c.source,
                "missing": counts[c.name].missing,
                # It was counted before anything was withheld.
                "outOfRange": counts[c.name].out_of_range if c.name not in hides else None,
            }
        )
        for c in delivery.table.columns
    ]


def _withheld(delivery: Delivery) -> dict[str, Any] | None:
    """What is withheld, and where it is said of which rows; never which values they have."""
    withheld = delivery.withhold
    if withheld is None:
        return None
    return _given(
        {
            "fields": list(hidden(delivery.table, withheld)),
            "start": withheld.start.isoformat() if withheld.start is not None else None,
            "end": withheld.end.isoformat() if withheld.end is not None else None,
            "key": withheld.key,
            "sharePercent": withheld.share_percent,
            "predict": {target: f"{PREDICT}/{target}.csv" for target in withheld.targets},
        }
    )


def _given(entries: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entries.items() if value is not None}
